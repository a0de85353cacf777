"""A purge on WebDAV never removes the folder of a day: what another worker moves into it at that moment would go with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories.storages import Servers
from tests.integration.storage.test_back_ends import never, outcomes, trashed

pytestmark = pytest.mark.webdav

LATE = "2026-01-01/120000-99"


def test_what_comes_into_the_folder_of_a_day_during_a_purge_stays(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = servers.storage("webdav")
    for name in ("/store/a", "/store/late"):
        storage.put(name)
    file, late = trashed("/store/a"), trashed("/store/late", folder=LATE)
    assert outcomes(storage.gateway().trash([file], should_stop=never)) == {"/store/a": "DELETED"}
    gateway = storage.gateway()
    ask = gateway.store._http.request
    day = f"/.dynamo-trash/{LATE.partition('/')[0]}/"

    def while_another_works(method: str, url: str, **kwargs: Any) -> Any:
        if method == "DELETE" and url.endswith(day):
            storage.gateway().trash([late], should_stop=never)
        return ask(method, url, **kwargs)

    monkeypatch.setattr(gateway.store._http, "request", while_another_works)
    assert outcomes(gateway.purge([file], should_stop=never)) == {"/store/a": "DELETED"}
    monkeypatch.undo()
    storage.gateway().trash([late], should_stop=never)
    assert [name.rsplit("=", 1)[-1] for name in storage.trash_names()] == ["late"]
    assert not [name for name in storage.trash_names() if f"/{file.folder}/" in name]
