"""The broker of who has none: a worker takes whole messages or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from threading import Thread
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError

from dynamo_site import folder_broker


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Any]:
    folders = {name: str(tmp_path) for name in ("data_folder_in", "data_folder_out", "control_folder")}
    with Connection("filesystem://", transport_options=folders) as connection:
        channel = connection.default_channel
        assert isinstance(channel, folder_broker.Channel)
        yield channel


def test_messages_come_out_as_they_went_in_and_each_to_its_queue(channel: Any) -> None:
    channel._put("one", {"number": 1})
    channel._put("two", {"number": 2, "name": "\u00e9"})
    assert channel._get("two") == {"number": 2, "name": "\u00e9"}
    assert channel._get("one") == {"number": 1}
    with pytest.raises(Empty):
        channel._get("one")


def test_a_message_that_is_not_whole_is_nothing_to_take(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer is at work, or has died: the last step alone shows it."""

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ChannelError, match="No space left on device"):
        channel._put("one", {"number": 1})
    with pytest.raises(Empty):
        channel._get("one")


def test_a_reader_beside_a_writer_gets_every_message(channel: Any) -> None:
    written = Thread(target=lambda: [channel._put("one", {"number": number}) for number in range(500)])
    written.start()
    read: list[int] = []
    while len(read) < 500 and (written.is_alive() or channel._size("one")):
        try:
            read.append(channel._get("one")["number"])
        except Empty:
            continue
    written.join()
    assert sorted(read) == list(range(500))
