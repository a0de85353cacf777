"""How much locks hold: what the database counts is what the columns of a cycle would be locked by."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.models import Block, BlockReplica
from inventory.selectors.lock_holdings import Patterns, lock_holdings, where_text, where_texts
from inventory.selectors.locks import ActiveLock, matches, rows_held_by
from tests.factories.inventory import BlockFactory, BlockReplicaFactory, DatasetFactory, GroupFactory, SiteFactory

pytestmark = pytest.mark.django_db

DATASETS = ("/A/x/RAW", "/A/y/RAW", "/a/x/RAW", "/A[1]/x_%/AOD")
SITES = ("T1_A", "T2_A", "T2_B")
WILD = st.sampled_from(["*", "?", "/A*", "/?/x/*", "*RAW", "/A[1]/*", "*_%*", "", "T2_*", "T9_*", "Non?", "b?", "*1"])


def pattern(*names: str) -> st.SearchStrategy[str]:
    return (WILD | st.sampled_from(names)).filter(bool)


PATTERNS = st.builds(Patterns, pattern(*DATASETS), pattern("b1", "b2"), pattern(*SITES), pattern("None", "G1", "G2"))


def stored() -> None:
    """Store blocks at sites, each with its own size, so that a sum tells which they were."""
    sites = {name: SiteFactory(name=name) for name in SITES}
    groups = [None, *(GroupFactory(name=name) for name in ("G1", "G2"))]
    for number, name in enumerate(DATASETS):
        dataset = DatasetFactory(name=name)
        for block in ("b1", "b2"):
            row = BlockFactory(dataset=dataset, name=block)
            for place, site in enumerate(sites.values()):
                size = 2 ** (number * 6 + place * 2 + int(block[1]) - 1)
                BlockReplicaFactory(block=row, site=site, size_bytes=size, group=groups[(number + place) % 3])


def rows() -> pl.DataFrame:
    found = BlockReplica.objects.values_list("block__dataset__name", "block__name", "site__name", "group__name", "size_bytes")
    frame = pl.DataFrame(list(found), schema=["dataset", "block", "site", "group", "size"], orient="row")
    return frame.with_columns(group=pl.col("group").cast(pl.String).fill_null("None"))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(wanted=st.lists(PATTERNS, min_size=1, max_size=12))
def test_what_is_counted_is_what_a_cycle_finds_locked(wanted: list[Patterns]) -> None:
    if not Block.objects.exists():
        stored()
    frame = rows()
    known = pl.Series(SITES, dtype=pl.String)
    for one, holding in zip(wanted, lock_holdings(wanted), strict=True):
        fits = matches(known, one.site)
        lock = ActiveLock(0, one.dataset, one.block, one.site if fits.any() else "*", one.group)
        held = frame.filter(rows_held_by([lock], frame))
        assert holding.size_bytes == held["size"].sum()
        assert holding.num_block_replicas == held.height
        assert holding.num_datasets == held["dataset"].n_unique()
        assert holding.is_site_unknown is not fits.any()


def test_a_page_of_locks_takes_as_many_queries_as_one_lock() -> None:
    stored()
    counts = []
    for number in (1, 100):
        with CaptureQueriesContext(connection) as queries:
            lock_holdings([Patterns(f"/A/{index % 7}*") for index in range(number)])
        counts.append(len(queries))
    assert counts[0] == counts[1] == 3
    assert lock_holdings([]) == []


@pytest.mark.parametrize(
    ("site", "text"),
    [
        ("*", "everywhere"),
        ("T2_A", "T2_A"),
        ("T2_*", "T2_* (T2_A, T2_B)"),
        ("T9_*", "everywhere, because no site is called T9_*"),
    ],
)
def test_where_a_lock_holds_is_said_plainly(site: str, text: str) -> None:
    stored()
    patterns = Patterns("/A*", site=site)
    assert where_text(patterns, lock_holdings([patterns])[0]) == text


def test_many_sites_are_named_in_part() -> None:
    for number in range(7):
        SiteFactory(name=f"T2_{number}")
    patterns: dict[str, Any] = {"dataset": "*", "site": "T2_*"}
    found = where_text(Patterns(**patterns), lock_holdings([Patterns(**patterns)])[0])
    assert found == "T2_* (T2_0, T2_1, T2_2, T2_3, T2_4 and 2 more)"


def test_where_a_lock_holds_is_told_without_counting_as_with_it() -> None:
    stored()
    patterns = [Patterns("/A/*", site=site) for site in ("*", "T2_A", "T2_*", "T9_NOWHERE")]
    told = where_texts(patterns)
    assert told == [where_text(one, holding) for one, holding in zip(patterns, lock_holdings(patterns), strict=True)]
    assert told[-1] == "everywhere, because no site is called T9_NOWHERE"
