"""Sums of the inventory: right against the rows, of one moment, and the same on page, API and command."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.choices import StatisticsBasis, StatisticsDimension
from inventory.exceptions import InvalidInput
from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, Group, IncompleteCopy, Site, StatisticsCount
from inventory.selectors import counting
from inventory.selectors.statistics import statistics
from inventory.services.statistics import statistics_refresh
from tests.factories.inventory import (
    NOW,
    BlockFactory,
    BlockReplicaFactory,
    DatasetFactory,
    GroupFactory,
    SiteFactory,
)
from tests.factories.screens import account
from tests.integration.api.test_reading import client_of

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/inventory/statistics/"


@pytest.fixture
def stored() -> None:
    """RAW of 300 B at two sites for two groups, AOD of 200 B half there and growing at one."""
    s1, s2 = SiteFactory(name="S1"), SiteFactory(name="S2")
    g1, g2 = GroupFactory(name="G1"), GroupFactory(name="G2")
    raw = DatasetFactory(name="/A/x/RAW", size_bytes=300, num_files=6, num_blocks=3, release="10_6_0", data_type="data")
    for number in range(3):
        block = BlockFactory(dataset=raw, name=f"b{number}")
        BlockReplicaFactory(block=block, site=s1, group=g1)
        if number:
            BlockReplicaFactory(block=block, site=s2, group=g2)
    aod = DatasetFactory(name="/A/x/AOD", size_bytes=200, num_files=4, num_blocks=2, status="PRODUCTION")
    part = BlockFactory(dataset=aod, name="c0")
    BlockFactory(dataset=aod, name="c1")
    replica = BlockReplicaFactory(block=part, site=s2, size_bytes=50, num_files=1)
    DatasetReplica.objects.filter(pk=replica.dataset_replica_id).update(is_growing=True, group=g2)
    DatasetFactory(name="/nowhere/x/USER", size_bytes=10**6)
    statistics_refresh()


def sums(by: str, *, basis: str = "physical", **wanted: str) -> dict[str, tuple[int, int, int, float | None]]:
    found = statistics(
        by=StatisticsDimension(by),
        basis=StatisticsBasis(basis),
        wanted={StatisticsDimension(name): pattern for name, pattern in wanted.items()},
    )
    rows = {row.value: (row.size_bytes, row.num_files, row.num_block_replicas, row.replication) for row in found.rows}
    return rows | {
        "all": (found.total.size_bytes, found.total.num_files, found.total.num_block_replicas, found.total.replication)
    }


def test_bytes_by_each_dimension(stored: None) -> None:
    assert sums("tier") == {"RAW": (500, 10, 5, 5 / 3), "AOD": (50, 1, 1, 0.5), "all": (550, 11, 6, 550 / 400)}
    # Of what lies at a site there are so many copies at all sites together.
    assert sums("site") == {"S1": (300, 6, 3, 500 / 300), "S2": (250, 5, 3, 450 / 300), "all": (550, 11, 6, 550 / 400)}
    by_group = sums("group")
    assert by_group == {"G1": (300, 6, 3, 1.0), "G2": (200, 4, 2, 1.0), "None": (50, 1, 1, 0.5), "all": (550, 11, 6, 550 / 400)}
    assert sums("status")["PRODUCTION"][:3] == sums("data_type")[""][:3] == sums("release")[""][:3] == (50, 1, 1)


def test_projected_bytes_count_what_incomplete_and_growing_replicas_will_have(stored: None) -> None:
    assert sums("tier", basis="projected") == {
        "RAW": (500, 10, 5, 5 / 3),
        "AOD": (200, 4, 1, 2.0),
        "all": (700, 14, 6, 700 / 400),
    }
    # The block that is to come will belong to the owner of new blocks.
    assert {name: row[0] for name, row in sums("group", basis="projected").items()} == {
        "G1": 300,
        "G2": 300,
        "None": 100,
        "all": 700,
    }


def test_copies_of_what_lies_at_a_site_are_projected_too(stored: None) -> None:
    # AOD's block will be whole at S2; the one that the growing replica is to take up is not there yet.
    assert sums("site", basis="projected")["S2"] == (400, 8, 3, 500 / 300)


def test_an_inventory_read_in_parts_gives_the_same_sums(stored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> list[object]:
        return [sums(by) for by in StatisticsDimension.values] + sorted(IncompleteCopy.objects.values_list("pk"))

    whole = everything()
    monkeypatch.setattr(counting, "BLOCKS_PER_PART", 2)
    assert statistics_refresh() is True
    assert everything() == whole


def test_a_count_of_an_earlier_moment_never_replaces_a_later_one(stored: None) -> None:
    later = timezone.now() + timedelta(minutes=1)
    StatisticsCount.objects.update(counted_at=later)
    Dataset.objects.filter(name="/A/x/AOD").update(status="INVALID")
    assert statistics_refresh() is False
    assert "PRODUCTION" in sums("status")


def test_filters_narrow_every_sum(stored: None) -> None:
    assert sums("tier", site="S1") == {"RAW": (300, 6, 3, 500 / 300), "all": (300, 6, 3, 500 / 300)}
    assert sums("site", tier="R*", group="G2") == {"S2": (200, 4, 2, 2.0), "all": (200, 4, 2, 1.0)}
    assert sums("tier", group="None") == {"AOD": (50, 1, 1, 0.5), "all": (50, 1, 1, 0.5)}
    assert sums("tier", status="NOPE") == {"all": (0, 0, 0, None)}


def test_parts_add_up_and_small_ones_are_others(stored: None) -> None:
    for number in range(9):
        block = BlockFactory(dataset=DatasetFactory(name=f"/B/x/T{number}"), size_bytes=1)
        BlockReplicaFactory(block=block, site=Site.objects.get(name="S1"))
    statistics_refresh()
    found = statistics(by=StatisticsDimension.SITE, split=StatisticsDimension.TIER)
    assert len(found.part_names) == 7
    assert found.part_names[-1] == "others"
    assert all(sum(row.parts) == row.size_bytes for row in found.rows)
    with pytest.raises(InvalidInput, match="cannot be split"):
        statistics(by=StatisticsDimension.SITE, split=StatisticsDimension.SITE)


def test_sums_are_those_of_the_count_until_the_next(stored: None) -> None:
    before = sums("tier")
    Dataset.objects.filter(name="/A/x/AOD").update(status="INVALID")
    BlockReplica.objects.filter(site__name="S1").delete()
    assert sums("tier") == before
    assert statistics_refresh(older_than_seconds=3600) is False
    assert sums("tier") == before
    assert statistics_refresh() is True
    assert sums("tier")["RAW"][0] == 200
    assert set(sums("status")) == {"VALID", "INVALID", "all"}


def test_incomplete_copies_are_found(stored: None) -> None:
    found = IncompleteCopy.objects.values_list("dataset_replica__dataset__name", "dataset_replica__site__name")
    assert sorted(found) == [("/A/x/AOD", "S2"), ("/A/x/RAW", "S2")]


def test_statistics_take_as_many_queries_for_many_cells(stored: None) -> None:
    counts = []
    for turn in range(2):
        with CaptureQueriesContext(connection) as queries:
            sums("tier")
        counts.append(len(queries))
        site = Site.objects.get(name="S1")
        for number in range(10):
            BlockReplicaFactory(block=BlockFactory(dataset=DatasetFactory(name=f"/C{turn}/x/T{number}")), site=site)
        statistics_refresh()
    assert counts[0] == counts[1] <= 5


@pytest.fixture
def reader() -> Client:
    user = User.objects.create_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename="view_dataset"))
    return client_of(user)


def test_the_api_answers_with_sums_and_their_moment(stored: None, reader: Client) -> None:
    answer = reader.get(ADDRESS, {"by": "group", "basis": "projected", "tier": "AOD"}).json()
    assert answer["counted_at"] == StatisticsCount.objects.get().counted_at.isoformat().replace("+00:00", "Z")
    assert {row["value"]: row["size_bytes"] for row in answer["rows"]} == {"G2": 100, "None": 100}
    assert answer["total"]["size_bytes"] == 200


@pytest.mark.parametrize(
    ("parameters", "field"), [({"by": "colour"}, "by"), ({"basis": "x"}, "basis"), ({"teir": "RAW"}, "teir")]
)
def test_the_api_refuses_what_it_does_not_know(reader: Client, parameters: dict[str, str], field: str) -> None:
    answer = reader.get(ADDRESS, parameters)
    assert answer.status_code == 400
    assert field in answer.json()["details"]


def test_the_api_needs_the_right_to_look_at_datasets() -> None:
    other = User.objects.create_user("other")
    other.user_permissions.set(Permission.objects.filter(codename="view_site"))
    assert client_of(other).get(ADDRESS).status_code == 403
    assert Client().get(ADDRESS).status_code == 401


def test_the_command_shows_the_same(stored: None) -> None:
    out = StringIO()
    call_command("statistics", "--by", "tier", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert {row["value"]: row["size_bytes"] for row in answer["rows"]} == {"RAW": 500, "AOD": 50}
    out = StringIO()
    call_command("statistics", "--by", "site", "--tier", "RAW", "--count", stdout=out)
    assert "S1" in out.getvalue()
    assert "as of" in out.getvalue()


def test_the_command_says_that_nothing_was_counted() -> None:
    errors = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("statistics", stderr=errors)
    assert stopped.value.code == 1
    assert "statistics --count" in errors.getvalue()


def test_the_page_draws_bars_whose_parts_are_links(stored: None, client: Client) -> None:
    client.force_login(account("Auditors"))
    page = client.get("/admin/statistics/", {"by": "tier"}).content.decode()
    assert "1.38 copies on average" in page
    assert "?by=site&amp;split=tier&amp;basis=physical&amp;tier=RAW" in page
    assert 'class="dy-part1"' in page
    narrowed = client.get("/admin/statistics/", {"by": "site", "tier": "AOD"}).content.decode()
    assert "50 B" in narrowed
    assert "S1" not in narrowed.split("dy-bars")[1]


def test_the_page_says_what_to_do_before_the_first_count(client: Client) -> None:
    client.force_login(account("Auditors"))
    page = client.get("/admin/statistics/").content.decode()
    assert "Nothing was counted yet." in page
    client.logout()
    client.force_login(account(None))
    assert client.get("/admin/statistics/").status_code == 403


def test_a_list_is_exported_by_command(stored: None, tmp_path: pytest.TempPathFactory) -> None:
    path = f"{tmp_path}/replicas.csv"
    call_command(
        "inventory_export", "block-replicas", path, "--filter", "site=S2", "--filter", "is_complete=false", stdout=StringIO()
    )
    with open(path) as file:  # noqa: PTH123 - a text of the test
        lines = file.read().splitlines()
    assert [line.split(",")[:3] for line in lines] == [["dataset", "block", "site"], ["/A/x/AOD", "c0", "S2"]]
    out = StringIO()
    call_command("inventory_export", "sites", "-", stdout=out)
    assert [line.split(",")[0] for line in out.getvalue().splitlines()] == ["name", "S1", "S2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("datasets", "x.xlsx"), "expected .csv or .parquet"),
        (("datasets", "-", "--filter", "teir=RAW"), "with one of the names"),
        (("datasets", "-", "--filter", "min_size=big"), "expected bytes"),
        (("datasets", "/nonexistent/x.csv"), "No such file"),
    ],
)
def test_the_export_command_refuses_wrong_use(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        call_command("inventory_export", *arguments, stdout=StringIO())
    assert refused.value.returncode == 2


def test_what_a_count_says_agrees_with_the_rows_of_a_larger_inventory() -> None:
    sites = [SiteFactory() for _ in range(4)]
    groups = [None, *(GroupFactory() for _ in range(2))]
    for number in range(12):
        dataset = DatasetFactory(name=f"/D{number}/x/T{number % 3}")
        for block_number in range(number % 3 + 1):
            block = BlockFactory(dataset=dataset, name=f"b{block_number}", size_bytes=100 + number, last_update=NOW)
            for place in range((number + block_number) % 4):
                size = 100 + number - place
                BlockReplicaFactory(
                    block=block, site=sites[place], group=groups[(number + place) % 3], size_bytes=100 + number - place
                )
    statistics_refresh()
    for by, path in (("tier", "block__dataset__tier"), ("site", "site__name"), ("group", "group__name")):
        expected: dict[str, int] = {}
        for value, size in BlockReplica.objects.values_list(path, "size_bytes"):
            expected[value or "None"] = expected.get(value or "None", 0) + size
        assert {name: row[0] for name, row in sums(by).items() if name != "all"} == expected
    unique = sum(Block.objects.filter(replicas__isnull=False).distinct().values_list("size_bytes", flat=True))
    stored = sum(BlockReplica.objects.values_list("size_bytes", flat=True))
    assert sums("tier")["all"][3] == pytest.approx(stored / unique)
    assert Group.objects.count() == 2
