"""What lists find: by every filter, page by page, and as a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import polars as pl
import pytest
from django.db import transaction
from django.utils import timezone

from inventory import filtersets
from inventory.exceptions import InvalidInput
from inventory.models import Block, BlockReplica, Dataset, DatasetFacts, DatasetReplica, FactFeed, File, Lock, Site
from inventory.selectors import conditions, exports
from inventory.selectors.keyset import bounded_count, keyset_page
from inventory.services.audit import Actor, audit_record
from inventory.services.statistics import statistics_refresh
from tests.factories.inventory import (
    NOW,
    BlockFactory,
    BlockReplicaFactory,
    DatasetFactory,
    DatasetReplicaFactory,
    FileFactory,
    GroupFactory,
    SiteFactory,
)

pytestmark = pytest.mark.django_db
TB = 10**12


def found(filterset: type[Any], model: type[Any], **wanted: str) -> set[str]:
    """Return the names that a list shows for these filters."""
    filters = filterset(wanted, queryset=model.objects.all())
    assert filters.is_valid(), filters.errors
    return {str(row) for row in filters.qs}


def datasets(**wanted: str) -> set[str]:
    return found(filtersets.DatasetFilterSet, Dataset, **wanted)


@pytest.fixture
def few() -> None:
    """Three datasets: A whole at a disk and a tape site, B in part at the disk site, C nowhere."""
    disk, tape = SiteFactory(name="T2_Disk"), SiteFactory(name="T1_Tape", storage_type="MSS")
    owner = GroupFactory(name="AnalysisOps")
    a = DatasetFactory(name="/A/Run1-v1/RAW", size_bytes=2 * TB, num_blocks=1, release="10_6_0", data_type="data")
    b = DatasetFactory(name="/B/Run2-v1/AOD", size_bytes=3 * TB, num_blocks=2, status="INVALID", is_open=False)
    DatasetFactory(name="/C/Run2-v1/AOD", size_bytes=0, last_update=NOW - timedelta(days=400))
    whole = BlockFactory(dataset=a, name="a1")
    for site in (disk, tape):
        BlockReplicaFactory(block=whole, site=site, group=owner)
    part = BlockFactory(dataset=b, name="b1")
    BlockReplicaFactory(block=part, site=disk, size_bytes=40, num_files=1)
    BlockFactory(dataset=b, name="b2")


@pytest.mark.parametrize("is_counted", [False, True])
@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"name": "/?/Run2*"}, "BC"),
        ({"tier": "AOD"}, "BC"),
        ({"tier": "R*"}, "A"),
        ({"site": "T2_*"}, "AB"),
        ({"site": "T9_Nowhere"}, ""),
        ({"group": "Analysis*"}, "A"),
        ({"group": "None"}, "B"),
        ({"min_size": "2.5 TB"}, "B"),
        ({"max_size": "2TB"}, "AC"),
        ({"status": "INVALID"}, "B"),
        ({"is_open": "false"}, "B"),
        ({"release": "10_*"}, "A"),
        ({"data_type": "data"}, "A"),
        ({"is_on_tape": "true"}, "A"),
        ({"is_on_tape": "no"}, "BC"),
        ({"is_complete": "true"}, "A"),
        ({"is_complete": "false"}, "BC"),
        ({"min_copies": "1"}, "AB"),
        ({"min_copies": "2"}, "A"),
        ({"max_copies": "0"}, "C"),
        ({"min_copies": "1", "max_copies": "1"}, "B"),
        ({"tier": "AOD", "is_complete": "false", "site": "T2_Disk"}, "B"),
    ],
)
def test_datasets_are_found_by(few: None, wanted: dict[str, str], names: str, is_counted: bool) -> None:
    if is_counted:
        statistics_refresh()
    assert {name[1] for name in datasets(**wanted)} == set(names)


def test_a_count_of_statistics_never_shows_what_is_not_so_any_more(few: None) -> None:
    statistics_refresh()
    BlockReplica.objects.filter(block__name="b1").update(size_bytes=100, num_files=2)
    BlockReplicaFactory(block=Block.objects.get(name="b2"), site=Site.objects.get(name="T2_Disk"))
    Dataset.objects.get(name="/A/Run1-v1/RAW").replicas.filter(site__name="T1_Tape").delete()
    assert {name[1] for name in datasets(is_complete="false")} == {"C"}
    assert datasets(min_copies="2") == set()
    assert found(filtersets.DatasetReplicaFilterSet, DatasetReplica, is_complete="false") == set()
    assert found(filtersets.BlockReplicaFilterSet, BlockReplica, is_complete="false") == set()


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ({"site": "T2_*", "tier": "RAW"}, {"a1 at T2_Disk"}),
        ({"site": "T?_*", "group": "AnalysisOps", "tier": "R*"}, {"a1 at T2_Disk", "a1 at T1_Tape"}),
        ({"storage_type": "MSS", "tier": "RAW"}, {"a1 at T1_Tape"}),
        ({"group": "None", "status": "INVALID"}, {"b1 at T2_Disk"}),
        ({"site": "T1_Tape", "tier": "AOD"}, set()),
        ({"site": "T9_Nowhere", "tier": "AOD"}, set()),
        ({"is_complete": "false", "site": "T2_*"}, {"b1 at T2_Disk"}),
    ],
)
def test_what_is_rare_is_collected_and_shows_the_same(few: None, wanted: dict[str, str], places: set[str]) -> None:
    walked = filtersets.BlockReplicaFilterSet(wanted, queryset=BlockReplica.objects.all()).qs
    assert "ANY(ARRAY" not in str(walked.query) if places else True
    assert {f"{row.block.name} at {row.site}" for row in walked} == places
    statistics_refresh()
    # What has come since the count is found as well: it decides how a page is found, not what is on it.
    late = BlockReplicaFactory(
        block=BlockFactory(dataset=Dataset.objects.get(name__endswith="RAW"), name="late"), site=SiteFactory(name="T2_Late")
    )
    collected = filtersets.BlockReplicaFilterSet(wanted, queryset=BlockReplica.objects.select_related("site")).qs
    fits = wanted == {"site": "T2_*", "tier": "RAW"}
    assert {row.pk for row in collected} == {row.pk for row in walked} | ({late.pk} if fits else set())
    page = keyset_page(collected, order="-pk", size=1)
    assert len(page.rows) == min(1, len(places) + fits)
    assert not places or "ANY(ARRAY" in str(collected.query)


def test_ages_are_days_before_now() -> None:
    now = timezone.now()
    for name, age in (("/old", 400), ("/new", 2)):
        DatasetFactory(name=name, last_update=now - timedelta(days=age))
    assert datasets(min_age_days="365") == {"/old"}
    assert datasets(max_age_days="365") == {"/new"}


def test_an_absent_access_means_never_only_while_the_feed_is_fresh() -> None:
    now = timezone.now()
    for name, days in (("/often", 1), ("/seldom", 300), ("/never", None)):
        dataset = DatasetFactory(name=name)
        if days is not None:
            DatasetFacts.objects.create(dataset=dataset, last_access_at=now - timedelta(days=days), num_accesses=300 - days)
    feed = FactFeed.objects.update_or_create(name="popularity", defaults={"measured_at": now - timedelta(days=30)})[0]
    assert datasets(not_accessed_days="100") == {"/seldom"}
    assert datasets(max_accesses="0") == {"/seldom"}
    feed.measured_at = now
    feed.save()
    assert datasets(not_accessed_days="100") == {"/seldom", "/never"}
    assert datasets(max_accesses="0") == {"/seldom", "/never"}
    assert datasets(min_accesses="299") == {"/often"}


def locks() -> Iterator[tuple[dict[str, str], str, str]]:
    """Yield the patterns of a lock, the datasets that it names, and the block replicas that it holds."""
    yield {"dataset_pattern": "/A/Run1-v1/RAW"}, "A", "a1 at T2_Disk, a1 at T1_Tape"
    yield {"dataset_pattern": "/?/Run*"}, "ABC", "a1 at T2_Disk, a1 at T1_Tape, b1 at T2_Disk"
    yield {"dataset_pattern": "/A/*", "site_pattern": "T1_*"}, "A", "a1 at T1_Tape"
    yield {"dataset_pattern": "*", "site_pattern": "T9_Nowhere"}, "ABC", "a1 at T2_Disk, a1 at T1_Tape, b1 at T2_Disk"
    yield {"dataset_pattern": "*", "group_pattern": "None"}, "ABC", "b1 at T2_Disk"
    yield {"dataset_pattern": "*", "group_pattern": "AnalysisOps"}, "ABC", "a1 at T2_Disk, a1 at T1_Tape"
    yield {"dataset_pattern": "/B/Run2-v1/AOD", "block_pattern": "b?"}, "B", "b1 at T2_Disk"
    yield {"dataset_pattern": "/%/Run_-v1/RAW"}, "", ""


@pytest.mark.parametrize("most_in_query", [300, 0])
@pytest.mark.parametrize("case", list(locks()))
def test_locked_is_what_a_lock_in_force_holds(
    few: None, case: tuple[dict[str, str], str, str], most_in_query: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    patterns, names, held = case
    monkeypatch.setattr(conditions, "MAX_LOCKS_IN_QUERY", most_in_query)
    Lock.objects.create(owner="somebody", **patterns)
    Lock.objects.create(owner="somebody", dataset_pattern="*", expires_at=NOW)
    Lock.objects.create(owner="somebody", dataset_pattern="*", released_at=NOW)
    assert {name[1] for name in datasets(is_locked="true")} == set(names)
    assert {name[1] for name in datasets(is_locked="false")} == set("ABC") - set(names)
    rows = found(filtersets.BlockReplicaFilterSet, BlockReplica, is_locked="true")
    assert {row.split("#")[1] for row in rows} == set(held.split(", ")) - {""}
    unlocked = found(filtersets.BlockReplicaFilterSet, BlockReplica, is_locked="false")
    assert len(rows) + len(unlocked) == 3


@pytest.mark.parametrize(
    ("filterset", "model", "wanted", "expected"),
    [
        (filtersets.DatasetReplicaFilterSet, DatasetReplica, {"dataset": "/A/*", "site": "T1*"}, 1),
        (filtersets.DatasetReplicaFilterSet, DatasetReplica, {"is_complete": "true"}, 2),
        (filtersets.DatasetReplicaFilterSet, DatasetReplica, {"is_complete": "false"}, 1),
        (filtersets.DatasetReplicaFilterSet, DatasetReplica, {"storage_type": "MSS"}, 1),
        (filtersets.DatasetReplicaFilterSet, DatasetReplica, {"tier": "NOPE"}, 0),
        (filtersets.BlockReplicaFilterSet, BlockReplica, {"is_complete": "false"}, 1),
        (filtersets.BlockReplicaFilterSet, BlockReplica, {"group": "None"}, 1),
        (filtersets.BlockReplicaFilterSet, BlockReplica, {"tier": "RAW", "max_size": "100 B"}, 2),
        (filtersets.BlockReplicaFilterSet, BlockReplica, {"status": "INVALID"}, 1),
        (filtersets.BlockFilterSet, Block, {"dataset": "/B/*"}, 2),
        (filtersets.BlockFilterSet, Block, {"tier": "AOD", "name": "b2"}, 1),
        (filtersets.SiteFilterSet, Site, {"storage_type": "MSS", "is_paused": "false"}, 1),
    ],
)
def test_other_lists_find(few: None, filterset: type[Any], model: type[Any], wanted: dict[str, str], expected: int) -> None:
    assert len(found(filterset, model, **wanted)) == expected


@pytest.mark.parametrize(
    ("filterset", "model", "wanted", "said"),
    [
        (filtersets.DatasetFilterSet, Dataset, {"min_size": "5 XB"}, "expected bytes or a number with one of the units"),
        (filtersets.DatasetFilterSet, Dataset, {"min_size": "-1"}, "expected bytes"),
        (filtersets.DatasetFilterSet, Dataset, {"max_size": "99 EB"}, "more than anything stored can have"),
        (filtersets.DatasetFilterSet, Dataset, {"is_complete": "maybe"}, "expected true or false"),
        (filtersets.DatasetFilterSet, Dataset, {"is_open": "2"}, "expected true or false"),
        (filtersets.DatasetFilterSet, Dataset, {"status": "GOOD"}, "valid choice"),
        (filtersets.DatasetFilterSet, Dataset, {"min_copies": "-1"}, "greater than or equal to 0"),
        (filtersets.DatasetFilterSet, Dataset, {"min_age_days": "1e9"}, "less than or equal to"),
        (filtersets.FileFilterSet, File, {"lfn": "*.root"}, "in one dataset only"),
    ],
)
def test_bad_values_are_refused_and_named(filterset: type[Any], model: type[Any], wanted: dict[str, str], said: str) -> None:
    filters = filterset(wanted, queryset=model.objects.all())
    assert not filters.is_valid()
    assert said in str(filters.errors[next(iter(wanted))])


def test_files_are_found_by_the_beginning_of_their_name_and_inside_a_dataset() -> None:
    block = BlockFactory(dataset=DatasetFactory(name="/A/B/RAW"))
    FileFactory(block=block, lfn="/store/a/1.root")
    FileFactory(lfn="/store/b/1.root")
    assert found(filtersets.FileFilterSet, File, lfn="/store/a/*") == {"/store/a/1.root"}
    assert found(filtersets.FileFilterSet, File, lfn="*1.root", dataset="/A/B/RAW") == {"/store/a/1.root"}


@pytest.mark.parametrize(
    ("name", "tier"), [("/A/B/RAW", "RAW"), ("no slashes", "no slashes"), ("/", ""), ("/A/B/", ""), ("//x//GEN-SIM", "GEN-SIM")]
)
def test_the_tier_is_the_last_part_of_the_name(name: str, tier: str) -> None:
    assert Dataset.objects.get(pk=DatasetFactory(name=name).pk).tier == tier


@pytest.mark.parametrize("order", ["pk", "-pk", "name", "-size_bytes", "last_update"])
def test_pages_show_every_row_once_both_ways_however_many_are_equal(order: str) -> None:
    for number in range(23):
        DatasetFactory(name=f"/N{number % 7}/{number}", size_bytes=number % 3, last_update=NOW + timedelta(seconds=number % 2))
    rows = Dataset.objects.all()
    pages, mark = [], ""
    while not pages or mark:
        page = keyset_page(rows, order=order, mark=mark, size=5)
        pages.append([row.pk for row in page.rows])
        mark = page.next
    falling = "-" if order.startswith("-") else ""
    expected = list(rows.order_by(*dict.fromkeys((order, f"{falling}pk"))).values_list("pk", flat=True))
    assert list(chain.from_iterable(pages)) == expected
    back = [page := keyset_page(rows, order=order, mark=page.previous, size=5)]
    while page.previous:
        back.append(page := keyset_page(rows, order=order, mark=page.previous, size=5))
    assert [[row.pk for row in page.rows] for page in reversed(back)] == pages[:-1]


@pytest.mark.parametrize("mark", ["x", "bnVsbA", "WyItcGsiLDAsImEiXQ", "WyItcGsiLDAsMTAwMDAwMDAwMDAwMDAwMDAwMDAwXQ", "é"])
def test_a_mark_that_is_none_is_refused(mark: str) -> None:
    with pytest.raises(InvalidInput, match="leads to no page"):
        keyset_page(Dataset.objects.all(), order="-pk", mark=mark, size=5)


def test_a_mark_of_another_order_is_refused() -> None:
    for number in range(3):
        DatasetFactory(name=f"/{number}")
    mark = keyset_page(Dataset.objects.all(), order="name", size=1).next
    with pytest.raises(InvalidInput):
        keyset_page(Dataset.objects.all(), order="-pk", mark=mark, size=1)


def test_counts_stop() -> None:
    for number in range(4):
        DatasetFactory(name=f"/{number}")
    assert bounded_count(Dataset.objects.all(), up_to=3) == (3, True)
    assert bounded_count(Dataset.objects.all(), up_to=4) == (4, False)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("model", list(exports.COLUMNS))
def test_csv_and_parquet_hold_the_same_rows(few: None, model: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BATCH_ROWS", 2)
    FileFactory(block=Block.objects.get(name="a1"))
    GroupFactory(name="Other")
    with transaction.atomic():
        audit_record(actor=Actor("test"), action="test.look", subject="a row for the list of acts")
    rows = model.objects.all()
    table = pl.read_parquet(io.BytesIO(b"".join(exports.list_file(rows, "parquet").chunks)))
    text = pl.read_csv(b"".join(exports.list_file(rows, "csv").chunks), infer_schema=False)
    assert table.columns == text.columns == list(exports.COLUMNS[model])
    assert table.height == text.height == rows.count() > 0
    first = next(iter(exports.COLUMNS[model].values()))
    expected = [str(_plain(value)) for value in rows.order_by("pk").values_list(first, flat=True)]
    assert [str(_plain(value)) for value in table[:, 0]] == text[:, 0].to_list() == expected
    for name in table.columns:
        assert (
            table[name].null_count()
            == text[name].null_count() + (text[name] == "").sum() - (table[name].cast(pl.String) == "").sum()
        )


def test_an_empty_list_is_a_file_with_columns_alone() -> None:
    assert b"".join(exports.list_file(DatasetReplica.objects.all(), "csv").chunks) == b"dataset,site,group,is_growing\n"
    table = pl.read_parquet(io.BytesIO(b"".join(exports.list_file(Dataset.objects.all(), "parquet").chunks)))
    assert (table.height, table.schema["size_bytes"], table.schema["last_update"]) == (0, pl.Int64, pl.Datetime("us", "UTC"))


def test_nothing_is_cut_off_a_file() -> None:
    for _ in range(3):
        DatasetReplicaFactory()
    with pytest.raises(InvalidInput, match="more than 2 rows"):
        exports.list_file(DatasetReplica.objects.all(), "csv", up_to=2)
    assert len(b"".join(exports.list_file(DatasetReplica.objects.all(), "csv", up_to=3).chunks).splitlines()) == 4
    with pytest.raises(InvalidInput, match="csv, parquet"):
        exports.list_file(DatasetReplica.objects.all(), "xlsx")
