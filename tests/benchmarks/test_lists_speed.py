"""What a page of a list costs at 300 k and at 3 M block replicas, in look-ups by primary key."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from inventory import filtersets
from inventory.choices import StatisticsDimension
from inventory.models import BlockReplica, Dataset, DatasetReplica
from inventory.selectors.keyset import keyset_page
from inventory.selectors.statistics import statistics as sums
from inventory.services.statistics import statistics_refresh
from tests.benchmarks.test_engine_speed import say

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

#: Datasets with two blocks, each at three sites: six block replicas.
FULL, TENTH, SMALL = 500_000, 50_000, 300

NAMES = """
    INSERT INTO inventory_dataset
        (id, name, status, data_type, release, is_open, last_update, attributes, size_bytes, num_files, num_blocks)
    SELECT i, '/Primary' || (i::bigint * 7919 % 3000) || '_TuneCP5_13TeV/RunIISummer' || (i % 37) || 'UL-v' || (i / 3000) || '/'
           || (ARRAY['AODSIM', 'MINIAODSIM', 'NANOAODSIM', 'RAW', 'AOD', 'MINIAOD', 'USER', 'RECO'])[1 + i * 31 % 8],
           CASE WHEN i % 50 = 0 THEN 'INVALID' ELSE 'VALID' END, '', '10_6_' || (i % 30), false,
           now() - (i % 1500) * interval '1 day',
           '{{}}', 2000000000::bigint * (1 + i % 1000), 20, 2
    FROM generate_series({first} + 1, {last}) i
"""
BLOCKS = """
    INSERT INTO inventory_block (id, dataset_id, name, size_bytes, num_files, is_open, last_update)
    SELECT i, (i + 1) / 2, md5(i::text), 1000000000::bigint * (1 + ((i + 1) / 2) % 1000), 10, false, now()
    FROM generate_series(2 * {first} + 1, 2 * {last}) i
"""
REPLICAS = """
    INSERT INTO inventory_datasetreplica (id, dataset_id, site_id, group_id, is_growing)
    SELECT i, (i + 2) / 3,
           CASE i % 3 WHEN 1 THEN 1 + i / 3 * 7 % 36 WHEN 2 THEN 37 + i / 3 * 11 % 36 ELSE 73 + i / 3 * 13 % 36 END,
           NULLIF(i % 9, 0), i % 100 = 0
    FROM generate_series(3 * {first} + 1, 3 * {last}) i
"""
PARTS = """
    INSERT INTO inventory_blockreplica
        (id, dataset_replica_id, block_id, site_id, group_id, size_bytes, num_files, is_custodial, last_update)
    SELECT i * 2 - 1 + k, i, b.id, d.site_id, d.group_id, CASE WHEN i % 1000 = 0 THEN b.size_bytes / 2 ELSE b.size_bytes END,
           CASE WHEN i % 1000 = 0 THEN 5 ELSE 10 END, false, b.last_update
    FROM generate_series(3 * {first} + 1, 3 * {last}) i JOIN inventory_datasetreplica d ON d.id = i
    CROSS JOIN generate_series(0, 1) k JOIN inventory_block b ON b.id = d.dataset_id * 2 - 1 + k
"""

PAGES: tuple[tuple[type[Any], type[Any], dict[str, str]], ...] = (
    (Dataset, filtersets.DatasetFilterSet, {}),
    (Dataset, filtersets.DatasetFilterSet, {"name": "/Primary7_*"}),
    (Dataset, filtersets.DatasetFilterSet, {"name": "*Summer36UL*RAW"}),
    (Dataset, filtersets.DatasetFilterSet, {"name": "*nothing of that*"}),
    (Dataset, filtersets.DatasetFilterSet, {"tier": "RAW"}),
    (Dataset, filtersets.DatasetFilterSet, {"site": "S5", "status": "INVALID"}),
    (Dataset, filtersets.DatasetFilterSet, {"min_size": "1.9 TB", "min_age_days": "1400"}),
    (Dataset, filtersets.DatasetFilterSet, {"is_complete": "false"}),
    (Dataset, filtersets.DatasetFilterSet, {"max_copies": "2"}),
    (DatasetReplica, filtersets.DatasetReplicaFilterSet, {"site": "S10*", "tier": "AOD"}),
    (DatasetReplica, filtersets.DatasetReplicaFilterSet, {"is_complete": "false"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"site": "S5"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"dataset": "/Primary7_*"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"dataset": "*nothing of that*"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"site": "S5*", "group": "G1", "tier": "RAW"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"is_complete": "false"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"group": "G1"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"site": "S1*", "group": "G1", "tier": "RAW"}),
    (BlockReplica, filtersets.BlockReplicaFilterSet, {"site": "S5", "status": "INVALID", "tier": "USER"}),
    (DatasetReplica, filtersets.DatasetReplicaFilterSet, {"site": "S5*", "tier": "RAW", "status": "INVALID"}),
)
RELATED = {Dataset: ("facts",), DatasetReplica: ("dataset", "site", "group"), BlockReplica: ("block__dataset", "site", "group")}


def store(first: int, last: int) -> None:
    """Add the datasets from *first* + 1 to *last* with all that belongs to them."""
    with connection.cursor() as cursor:
        if not first:
            cursor.execute(
                "INSERT INTO inventory_site "
                "(id, name, host, storage_type, status, endpoint_url, lfn_rules, deletion_paused_reason) "
                "SELECT i, 'S' || i, '', CASE WHEN i % 10 = 0 THEN 'MSS' ELSE 'DISK' END, 'READY', '', '[]', '' "
                "FROM generate_series(1, 110) i"
            )
            cursor.execute(
                "INSERT INTO inventory_group (id, name, ownership_level) SELECT i, 'G' || i, 'BLOCK' FROM generate_series(1, 8) i"
            )
        for statement in (NAMES, BLOCKS, REPLICAS, PARTS):
            # Constraints are those of the rows' own making; checking each key would be most of the time.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(statement.format(first=first, last=last))
            cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")


def milliseconds(call: Callable[[], object], *, times: int = 7) -> list[float]:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    return sorted(taken)


def page(model: type[Any], filterset: type[Any], wanted: dict[str, str]) -> None:
    filters = filterset(wanted, queryset=model.objects.select_related(*RELATED[model]))
    assert filters.is_valid(), filters.errors
    keyset_page(filters.qs, order="-pk", size=50)


def look_up(num_datasets: int) -> float:
    """Return the milliseconds of reading one block replica by key: the floor of any request to the database."""
    return statistics.median(milliseconds(lambda: BlockReplica.objects.get(pk=3 * num_datasets), times=25))


def measured(num_datasets: int) -> tuple[float, dict[str, float], dict[str, float]]:
    """Return the floor, the median of each page and of each statistic, in milliseconds."""
    floor = look_up(num_datasets)
    pages = {f"{asked[0].__name__} {asked[2] or 'all'}": middle(partial(page, *asked)) for asked in PAGES}
    by = {f"statistics by {dimension.label}": middle(partial(sums, by=dimension)) for dimension in StatisticsDimension}
    return floor, pages, by


def middle(call: Callable[[], object]) -> float:
    return statistics.median(milliseconds(call))


@pytest.fixture
def sizes(is_full: bool) -> tuple[int, int]:
    """Return two numbers of datasets."""
    return (TENTH, FULL) if is_full else (SMALL, 3 * SMALL)


def test_a_page_costs_the_same_at_ten_times_the_rows(
    sizes: tuple[int, int], is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    few, many = sizes
    found = []
    for first, last in ((0, few), (few, many)):
        store(first, last)
        begun = time.perf_counter()
        statistics_refresh()
        counted = time.perf_counter() - begun
        found.append((*measured(last), counted))
    floors = f"{found[0][0]:.1f} and {found[1][0]:.1f} ms"
    lines = [f"lists of {6 * few} and {6 * many} block replicas on PostgreSQL; a look-up by key {floors}"]
    for kind in (1, 2):
        lines += [f"  {name:75} {found[0][kind][name]:7.1f} {found[1][kind][name]:7.1f} ms" for name in found[0][kind]]
    for floor, pages, _, counted in found:
        ratios = sorted(took / floor for took in pages.values())
        most = statistics.quantiles(pages.values(), n=20, method="inclusive")[-1]
        said = f"median {statistics.median(ratios):.0f}, slowest {ratios[-1]:.0f} look-ups; 95 of 100 within {most:.0f} ms"
        lines.append(f"  pages: {said}; counting all for statistics {counted:.1f} s")
    say(capsys, "\n".join(lines))
    medians = [statistics.median(pages.values()) / floor for floor, pages, _, _ in found]
    assert medians[1] <= 3 * medians[0] or not is_full
