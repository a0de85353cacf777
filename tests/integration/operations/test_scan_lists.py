"""Lists of what scans found: pages by key, counts that stop, downloads, and as many queries for many rows as for few."""

from __future__ import annotations

import io
from typing import Any

import polars as pl
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operations.models import ScanFinding, StorageScan
from operations.services.scan_place import path_digest
from tests.factories.operations import NOW
from tests.integration.api.test_reading import client_of

FINDINGS = "/api/v1/operations/scan-findings/"


@pytest.fixture
def reader(db: None) -> User:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return user


def found(number: int, kind: str = "DARK") -> StorageScan:
    """Make a scan that is done and has found so many files."""
    scan = StorageScan.objects.create(
        site_name="T2_A", state="DONE", started_at=NOW, started_by_name="me", place_digest="", last_replica_key=0
    )
    rows: list[dict[str, Any]] = [{"path": f"left/{index:05}", "size_bytes": index} for index in range(number)]
    ScanFinding.objects.bulk_create(
        ScanFinding(
            scan=scan, site_name="T2_A", kind=kind, path_digest=path_digest(row["path"]), seen_at=NOW, first_seen_at=NOW,
            folder="left", lfn="" if kind == "DARK" else f"/{row['path']}", **row,
        )
        for row in rows
    )  # fmt: skip
    return scan


def test_pages_of_the_api_lead_on_by_key_and_show_each_finding_once(reader: User) -> None:
    client, scan = client_of(reader), found(250)
    found(30)
    paths: list[str] = []
    address: str | None = f"{FINDINGS}?scan={scan.pk}&kind=DARK"
    while address:
        page = client.get(address).json()
        assert "count" not in page
        paths += [row["path"] for row in page["results"]]
        address = page["next"]
    assert sorted(paths) == [f"left/{index:05}" for index in range(250)]
    assert client.get(FINDINGS, {"scan": "last"}).status_code == 400


@pytest.mark.parametrize("client_kind", ["api", "admin"])
def test_findings_of_a_scan_come_as_a_file(reader: User, client_kind: str) -> None:
    scan = found(3)
    found(2, "MISSING")
    client = Client()
    client.force_login(reader)
    admin = reverse("admin:operations_scanfinding_export")
    addresses = {
        "api": {form: (client_of(reader), f"{FINDINGS}export.{form}/?scan={scan.pk}") for form in ("csv", "parquet")},
        "admin": {form: (client, f"{admin}?scan={scan.pk}&format={form}") for form in ("csv", "parquet")},
    }[client_kind]
    files = {}
    for form, (sender, address) in addresses.items():
        answer = sender.get(address)
        assert answer.status_code == 200
        assert answer["Content-Disposition"] == f'attachment; filename="scan-findings.{form}"'
        files[form] = b"".join(answer.streaming_content)
    lines = files["csv"].decode().splitlines()
    assert lines[0].startswith("scan,site_name,kind,state,path,size_bytes,modified_at")
    assert lines[1:] == [f"{scan.pk},T2_A,DARK,OPEN,left/{n:05},{n},,{NOW.isoformat()},{NOW.isoformat()},,,,,," for n in range(3)]
    table = pl.read_parquet(io.BytesIO(files["parquet"]))
    assert table.select("path", "size_bytes").rows() == [(f"left/{n:05}", n) for n in range(3)]
    assert table["modified_at"].null_count() == 3


def test_page_of_a_scan_leads_to_what_can_never_be_cleaned_up(reader: User) -> None:
    client, scan = Client(), found(3)
    client.force_login(reader)
    ScanFinding.objects.filter(path="left/00001").update(problem="the path has a percent-encoded character")
    page = client.get(reverse("admin:operations_storagescan_change", args=[scan.pk])).content.decode()
    address = f"{reverse('admin:operations_scanfinding_changelist')}?scan={scan.pk}&kind=DARK&has_problem=true"
    assert "1 file can never be cleaned up" in page
    assert address in page
    shown = client.get(address).content.decode()
    assert ("left/00001" in shown, "left/00000" in shown) == (True, False)
    others = client_of(reader).get(FINDINGS, {"has_problem": "false"}).json()["results"]
    assert [row["path"] for row in others] == ["left/00002", "left/00000"]


def test_file_needs_the_right_to_look(reader: User) -> None:
    reader.user_permissions.remove(Permission.objects.get(codename="view_scanfinding"))
    reader = User.objects.get(pk=reader.pk)
    client = Client()
    client.force_login(reader)
    assert client_of(reader).get(f"{FINDINGS}export.csv/").status_code == 403
    assert client.get(reverse("admin:operations_scanfinding_export"), {"format": "csv"}).status_code == 403


def test_lists_take_as_many_queries_for_many_findings_and_count_no_more_than_ten_thousand(reader: User) -> None:
    client, api = Client(), client_of(reader)
    client.force_login(reader)
    counts = []
    for number in (120, 10_100):
        scan = found(number)
        pages = [(client, reverse("admin:operations_scanfinding_changelist")), (api, FINDINGS)]
        for sender, page in pages:
            sender.get(page)  # content types, session and token are read and written once
        with CaptureQueriesContext(connection) as queries:
            shown, listed = [sender.get(page, {"scan": scan.pk, "kind": "DARK"}) for sender, page in pages]
        assert (shown.status_code, listed.status_code) == (200, 200)
        assert not any("OFFSET" in query["sql"] for query in queries)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert "more than 10,000 scan findings" in shown.content.decode()
    assert len(listed.json()["results"]) == 100
