"""Snapshots that are kept for those who study: the same answers as a new one, until they are too old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from inventory.models import BlockReplica, FactFeed
from policies.evaluation.columns import OPTIONAL_COLUMNS, Snapshot
from policies.language.parser import parse_policy
from policies.planning.planner import plan_cycle
from policies.selectors.partitions import partition_scope
from policies.services.kept_snapshots import snapshot_kept, snapshots_forget
from policies.services.snapshots import snapshot_take
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.policies import define, store

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
TEXT = "Partition P\nOn site.name == S*\nWhen always\nUntil never\nProtect\nDelete dataset.last_access older_than 1 day ago\n"


@pytest.fixture(autouse=True)
def _inventory(settings: object, tmp_path: Path) -> Iterator[None]:
    settings.VAR_DIR = tmp_path
    names = [f"/A/{number}/RAW" for number in range(6)]
    replicas = [replica(name, place) for name in names for place in ("S1", "S2")]
    store(document([site("S1"), site("S2")], [dataset(name) for name in names], replicas, quotas={"S1": 20 * TB}))
    FactFeed.objects.update(measured_at=timezone.now())
    define()
    yield
    snapshots_forget()


def same(one: Snapshot, other: Snapshot) -> bool:
    frames = ("sites", "groups", "datasets", "blocks", "replicas", "block_replicas")
    keys = one.block_replica_keys, other.block_replica_keys
    return all(getattr(one, name).equals(getattr(other, name)) for name in frames) and keys[0].equals(keys[1])


def test_a_kept_snapshot_is_the_one_that_was_taken_and_asks_the_database_nothing(django_assert_num_queries: object) -> None:
    quotas = partition_scope("P").quotas
    now = timezone.now()
    fresh = snapshot_take(quotas=quotas, variables=frozenset(OPTIONAL_COLUMNS), now=now)
    first = snapshot_kept(quotas=quotas, now=now + timedelta(seconds=1), max_age=HOUR)
    assert same(first.snapshot, fresh.snapshot)
    with django_assert_num_queries(0):
        second = snapshot_kept(quotas=quotas, now=timezone.now(), max_age=HOUR)
    assert same(second.snapshot, fresh.snapshot)
    assert second.unknown == fresh.unknown
    assert second.snapshot.taken_at == first.snapshot.taken_at


def test_the_engine_decides_on_it_as_on_a_new_one() -> None:
    scope, now = partition_scope("P"), timezone.now()
    policy = parse_policy(TEXT, now=now.timestamp()).policy
    fresh = snapshot_take(quotas=scope.quotas, variables=frozenset(OPTIONAL_COLUMNS), now=now)
    snapshot_kept(quotas=scope.quotas, now=now, max_age=HOUR)
    kept = snapshot_kept(quotas=scope.quotas, now=now, max_age=HOUR)
    outcomes = [plan_cycle(policy, scope.conditions, taken.snapshot, now=now.timestamp()) for taken in (fresh, kept)]
    assert outcomes[0].decision.tolist() == outcomes[1].decision.tolist()
    assert len(outcomes[0].deletions) == 12


def test_one_that_is_too_old_or_from_the_future_is_taken_anew_and_the_old_one_goes(tmp_path: Path) -> None:
    now = timezone.now()
    first = snapshot_kept(quotas={}, now=now, max_age=HOUR)
    BlockReplica.objects.filter(site__name="S2").delete()
    assert snapshot_kept(quotas={}, now=now + timedelta(minutes=59), max_age=HOUR).snapshot.block_replicas.height == 12
    later = snapshot_kept(quotas={}, now=now + timedelta(hours=2), max_age=HOUR)
    assert (first.snapshot.block_replicas.height, later.snapshot.block_replicas.height) == (12, 6)
    assert snapshot_kept(quotas={}, now=now - timedelta(days=1), max_age=HOUR).snapshot.block_replicas.height == 6
    assert snapshots_forget() == 1
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_no_age_takes_a_new_one() -> None:
    snapshot_kept(quotas={}, now=timezone.now(), max_age=HOUR)
    BlockReplica.objects.filter(site__name="S2").delete()
    assert snapshot_kept(quotas={}, now=timezone.now(), max_age=timedelta(0)).snapshot.block_replicas.height == 6


def test_quotas_are_those_of_the_one_who_asks() -> None:
    for quotas in ({"S1": 5}, {"S2": -1}):
        found = snapshot_kept(quotas=quotas, now=timezone.now(), max_age=HOUR).snapshot.sites
        assert dict(zip(found["name"], found["quota"], strict=True)) == {"S1": 0, "S2": 0} | quotas


def test_unknown_feeds_stay_unknown() -> None:
    FactFeed.objects.filter(name="popularity").delete()
    for _ in range(2):
        kept = snapshot_kept(quotas={}, now=timezone.now(), max_age=HOUR)
        assert kept.snapshot.datasets["last_access"].null_count() == 6
        assert "popularity" in {feed.name for feed in kept.unknown}


@pytest.mark.parametrize("damage", ["format", "vanished"])
def test_files_that_cannot_be_read_are_not_believed(tmp_path: Path, damage: str) -> None:
    snapshot_kept(quotas={}, now=timezone.now(), max_age=HOUR)
    (folder,) = (tmp_path / "snapshots").iterdir()
    if damage == "format":
        about = folder / "about.json"
        about.write_text(about.read_text().replace('"format": 1', '"format": 0'))
    else:
        (folder / "blocks.arrow").unlink()
    assert snapshot_kept(quotas={}, now=timezone.now(), max_age=HOUR).snapshot.block_replicas.height == 12
    assert (tmp_path / "snapshots").is_dir()
