"""Safety limits just below and just above, and the units they are in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory.selectors.snapshot import InventoryStanding
from policies.models import Partition
from policies.services.limits import SiteLoad, judge_inventory_age, judge_partition, judge_sites
from tests.factories.policies import CLOCK

GB = 10**9


def load(deleted: int, *, quota: int = 1000 * GB, before: int = 950 * GB) -> SiteLoad:
    return SiteLoad("S1", quota, before, deleted)


@pytest.mark.parametrize(("deleted", "is_tripped"), [(150 * GB, False), (150 * GB + 1, True), (1, False)])
def test_site_limit_is_fifteen_per_cent_of_the_quota_and_includes_its_end(deleted: int, is_tripped: bool) -> None:
    (reading,) = judge_sites(Partition(name="P"), [load(deleted)])
    assert reading.is_tripped is is_tripped
    assert reading.bound == 0.15
    assert reading.value == pytest.approx(deleted / (1000 * GB))


def test_a_site_without_deletions_is_not_judged() -> None:
    assert judge_sites(Partition(name="P"), [load(0, quota=0)]) == []


def test_any_deletion_at_a_site_without_a_quota_trips() -> None:
    (reading,) = judge_sites(Partition(name="P"), [load(1_500 * GB, quota=0)])
    assert reading.is_tripped
    assert reading.text.startswith("1.50 TB would be deleted at")
    assert "which has no quota in this partition" in reading.text


@pytest.mark.parametrize(("deleted", "is_tripped"), [(142 * GB, False), (143 * GB, True)])
def test_with_an_unlimited_quota_the_bytes_at_the_site_take_its_place(deleted: int, is_tripped: bool) -> None:
    (reading,) = judge_sites(Partition(name="P"), [load(deleted, quota=-1)])
    assert reading.is_tripped is is_tripped


def test_the_limit_of_a_partition_goes_before_the_setting_also_when_it_is_zero() -> None:
    (wider,) = judge_sites(Partition(name="P", max_site_fraction=0.2), [load(200 * GB)])
    (closed,) = judge_sites(Partition(name="P", max_site_fraction=0.0), [load(1)])
    assert (wider.is_tripped, closed.is_tripped) == (False, True)


@pytest.mark.parametrize(("deleted", "is_tripped"), [(100, False), (101, True)])
def test_partition_limit_is_ten_per_cent_of_its_bytes(deleted: int, is_tripped: bool) -> None:
    reading = judge_partition(Partition(name="P"), deleted_bytes=deleted, partition_bytes=1000)
    assert reading.is_tripped is is_tripped
    assert reading.bound == 0.10


@pytest.mark.parametrize(("hours", "is_tripped"), [(168, False), (168.01, True)])
def test_an_inventory_older_than_its_limit_trips(hours: float, is_tripped: bool) -> None:
    reading = judge_inventory_age(InventoryStanding(CLOCK - timedelta(hours=hours)), CLOCK)
    assert reading.is_tripped is is_tripped


def test_an_inventory_that_nobody_ever_brought_in_trips() -> None:
    assert judge_inventory_age(InventoryStanding(None), CLOCK).is_tripped


def test_a_limit_of_zero_hours_is_none(settings: Any) -> None:
    settings.DYNAMO_MAX_INVENTORY_AGE_HOURS = 0.0
    assert not judge_inventory_age(InventoryStanding(None), CLOCK).is_tripped
