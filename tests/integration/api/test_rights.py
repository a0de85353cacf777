"""Every endpoint without the right, with it, with it on this object, and with it on another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User
from django.test import Client, override_settings
from guardian.shortcuts import assign_perm

from inventory.models import Block, File
from policies.tasks import carry_out_comparison, carry_out_cycle, carry_out_quota_preview
from tests.factories.api import client_of
from tests.factories.screens import Screens, make_screens
from tests.integration.api.expected import Expected, inventory, policies, site
from tests.integration.api.expected import operations as of_operations
from tests.integration.api.rights import address_of, assert_auditors_only_read, assert_right_is_asked, user_with
from tests.integration.api.routes import Operation, operations

pytestmark = pytest.mark.django_db
OPERATIONS = list(operations())
PLAIN = [operation for operation in OPERATIONS if operation.is_plain]
#: Campaigns have a world of their own: ``test_campaign_rights.py``.
EXPECTED = [*site.EXPECTED, *inventory.EXPECTED, *policies.EXPECTED, *of_operations.EXPECTED]
#: What reading allows although it is a POST: one's own tokens, and questions that change nothing of what they are about.
OF_EVERYBODY = {
    site.TOKENS,
    "/api/v1/inventory/locks/preview/",
    *(f"/api/v1/policies/{asked}/" for asked in ("check", "expectations/check", "test-runs", "comparisons", "quota-previews")),
}
#: Models of which the screens' factory makes no rows: for them the right is asked on the list alone.
WITHOUT_ROWS = {"CleanUp", "Comparison", "DeletionRequest", "Invalidation", "QuotaPreview", "ScanFinding", "StorageScan"}


@pytest.fixture(scope="module")
def screens(module_db: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screens]:
    with override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media"), DYNAMO_MAX_SITE_FRACTION=0.01):
        made = make_screens(num_datasets=3)
        File.objects.create(block=Block.objects.earliest("pk"), lfn="/store/x", size_bytes=1)
        yield made


@pytest.fixture(autouse=True)
def _without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in (carry_out_cycle, carry_out_comparison, carry_out_quota_preview):
        monkeypatch.setattr(task, "delay", lambda *arguments: None)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda e: f"{e.method} {e.address}")
def test_an_operation_takes_its_right_in_general_or_on_its_object(expected: Expected, screens: Screens) -> None:
    assert_right_is_asked(expected, screens)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda e: f"{e.method} {e.address}")
def test_an_auditor_reads_and_changes_nothing(expected: Expected, screens: Screens) -> None:
    assert_auditors_only_read(expected, screens, of_everybody=OF_EVERYBODY)


@pytest.mark.parametrize("operation", PLAIN, ids=str)
def test_an_auditor_reads_every_list_and_page(operation: Operation, screens: Screens) -> None:
    auditor = User.objects.create_user("auditor")
    auditor.groups.add(AuthGroup.objects.get(name="Auditors"))
    row = operation.callback.cls.queryset.model._default_manager.first()
    if operation.handler == "list":
        assert client_of(auditor).get(operation.address).status_code == 200
    elif row is not None:
        assert client_of(auditor).get(page(operation, row)).status_code == 200


def test_lists_and_pages_show_what_one_may_view_in_general_or_row_by_row(screens: Screens) -> None:
    nobody = client_of(user_with("nobody"))
    for number, operation in enumerate(PLAIN):
        rows = list(operation.callback.cls.queryset.model._default_manager.all()[:2])
        model = operation.callback.cls.queryset.model
        right = f"{model._meta.app_label}.view_{model._meta.model_name}"
        general = client_of(user_with(f"general-{number}", right))
        assert rows or model.__name__ in WITHOUT_ROWS, f"{model.__name__}: the factory makes no rows"
        if operation.handler == "list":
            assert nobody.get(operation.address).status_code == 403, operation
            assert general.get(operation.address).status_code == 200, operation
        elif rows:
            assert nobody.get(page(operation, rows[0])).status_code == 403, operation
            assert general.get(page(operation, rows[0])).status_code == 200, operation
        if not rows:
            continue
        single = user_with(f"single-{number}")
        assign_perm(right, single, rows[0])
        of_one = client_of(single)
        if operation.handler == "list":
            assert [row["id"] for row in of_one.get(operation.address).json()["results"]] == [rows[0].pk], operation
        else:
            assert of_one.get(page(operation, rows[0])).status_code == 200, operation
            if len(rows) > 1:
                assert of_one.get(page(operation, rows[1])).status_code == 404, operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_nothing_is_open_without_a_login(operation: Operation) -> None:
    parts = {"pk": 1, "owner": "x", "name": "x", "uid": UUID(int=0), "kind": "json"}
    answer = getattr(Client(), operation.method.lower())(address_of(operation.address, parts))
    assert (answer.status_code, set(answer.json())) == (401, {"code", "message", "details"})


def page(operation: Operation, row: Any) -> str:
    return address_of(operation.address, {"pk": row.pk})
