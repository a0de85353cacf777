"""Clean-ups of dark files: which count, that nothing known or young is ever among them, and that they go as all deletions do."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from inventory.models import Block, BlockReplica, File, Injection
from inventory.services.audit import Actor
from operations.choices import CleanUpState, DeletionState, ScanState, TrashState
from operations.exceptions import InvalidTransitionError, OwnRequestError
from operations.models import CleanUp, Deletion, DeletionFile, SiteScans, StorageScan, Trash
from operations.services.clean_ups import clean_up_create, clean_up_discard, clean_up_release
from operations.services.queue import plan_enqueue
from operations.services.restoring import RestoreWanted, restore_request
from operations.services.scans import scan_accept, scan_discard, scan_start
from operations.services.sweep import sweep
from operations.services.trash_worker import purge_work, restore_work
from operations.services.worker import work
from policies.choices import PlanState
from policies.models import PlanItem
from policies.selectors.plans import plan_digest_matches
from tests.factories.operations import EAGER, NOW, Clock, World, local_gateway, seeded
from tests.integration.operations.test_scans import LOOSE, WHO, go_on, scan, write

#: Who releases what WHO had frozen.
OTHER = Actor("another")


@pytest.fixture
def aged(world: World, clock: Clock) -> World:
    """A site with a known block, one old dark file and one young one, scanned twice, 30 days apart; its inventory is of today."""
    world.replica(world.block(), world.site())
    write(world, "dark/old", at=NOW - timedelta(days=90))
    write(world, "dark/changes", at=NOW - timedelta(days=90))
    scan(world, clock)
    clock.advance(days=30)
    write(world, "dark/new", at=NOW - timedelta(days=90))
    write(world, "dark/changes", at=NOW - timedelta(days=40))
    scan(world, clock)
    Injection.objects.create(state="COMPLETED", started_at=clock.now, finished_at=clock.now)
    return world


def latest() -> StorageScan:
    return StorageScan.objects.order_by("-pk")[0]


def create(clock: Clock, **kwargs: Any) -> CleanUp:
    wanted = {
        "scan_id": latest().pk,
        "actor": WHO,
        "reason": "unknown",
        "limits": LOOSE,
        "now": clock.now,
        "gateway": local_gateway,
    }
    return clean_up_create(**wanted | kwargs)


def release(row: CleanUp, clock: Clock) -> CleanUp:
    return clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=OTHER, reason="looked at it", now=clock.now)


def carry_out(row: CleanUp, clock: Clock, **kwargs: Any) -> None:
    plan_enqueue(row.plan_id, now=clock.now)
    work(worker="w", clock=clock, **{"gateway": local_gateway, "limits": EAGER, "rng": seeded()} | kwargs)
    sweep(now=clock.now, limits=EAGER, rng=seeded())
    row.refresh_from_db()


def paths(row: CleanUp) -> list[str]:
    return list(PlanItem.objects.filter(plan_id=row.plan_id).order_by("sequence").values_list("path", flat=True))


def test_only_what_was_seen_twice_unchanged_and_is_old_is_in_the_list(aged: World, clock: Clock):
    row = create(clock)
    assert (row.state, row.plan.state, row.plan.kind) == (CleanUpState.WAITING, PlanState.FROZEN, "CLEAN_UP")
    assert paths(row) == ["dark/old"]
    item = PlanItem.objects.get(plan_id=row.plan_id)
    assert (item.size_bytes, item.num_files, item.block_replica_key, item.dataset_name) == (7, 1, None, "")
    assert item.modified_at == NOW - timedelta(days=90)
    assert "known to nobody since 2026-01-01" in item.rule_text
    assert plan_digest_matches(row.plan_id)
    PlanItem.objects.filter(pk=item.pk).update(modified_at=NOW)
    assert not plan_digest_matches(row.plan_id), "the time as it was seen is part of what was frozen"


@pytest.mark.parametrize(("days", "counts"), [(27.99, False), (28, True)])
def test_two_scans_count_at_28_days_apart_and_not_before(world: World, clock: Clock, days: float, counts: bool):
    world.replica(world.block(), world.site())
    write(world, "dark/old", at=NOW - timedelta(days=90))
    scan(world, clock)
    clock.advance(days=days)
    scan(world, clock)
    if counts:
        assert paths(create(clock)) == ["dark/old"]
    else:
        with pytest.raises(InvalidTransitionError, match="no dark file has been seen twice at least 28 days apart"):
            create(clock)


@pytest.mark.parametrize(("days", "counts"), [(27.99, False), (28, True)])
def test_file_counts_at_28_days_of_age_and_not_before(world: World, clock: Clock, days: float, counts: bool):
    # Its time was set back after it was first seen: only the storage's own clock says how old it is.
    world.replica(world.block(), world.site())
    write(world, "dark/a", at=NOW + timedelta(days=40) - timedelta(days=days))
    scan(world, clock)
    clock.advance(days=40)
    scan(world, clock)
    if counts:
        assert paths(create(clock)) == ["dark/a"]
    else:
        with pytest.raises(InvalidTransitionError, match="no dark file"):
            create(clock)


def test_file_that_a_scan_in_between_did_not_see_begins_anew(world: World, clock: Clock):
    world.replica(world.block(), world.site())
    write(world, "dark/old", at=NOW - timedelta(days=90))
    scan(world, clock)
    path = world.root("T2_A") / "dark/old"
    path.rename(world.folder / "aside")
    clock.advance(days=15)
    scan(world, clock)
    (world.folder / "aside").rename(path)
    clock.advance(days=15)
    scan(world, clock)
    with pytest.raises(InvalidTransitionError, match="no dark file"):
        create(clock)


def test_scan_that_was_held_or_discarded_is_none_of_the_two(world: World, clock: Clock):
    world.replica(world.block(), world.site())
    write(world, "dark/old", at=NOW - timedelta(days=90))
    strict = replace(LOOSE, dark_fraction=ScanStrict)
    held = scan(world, clock, strict)
    assert held.state == ScanState.HELD
    with pytest.raises(InvalidTransitionError, match="only what a scan that is done found"):
        create(clock)
    scan_discard(scan_id=held.pk, actor=WHO, reason="wrong rules", now=clock.now)
    clock.advance(days=30)
    again = scan(world, clock, strict)
    scan_accept(scan_id=again.pk, actor=WHO, reason="all of it is dark", now=clock.now)
    with pytest.raises(InvalidTransitionError, match="no dark file"):
        create(clock)


ScanStrict = LOOSE.dark_fraction / 10


def test_released_list_goes_to_the_trash_and_can_be_brought_back(aged: World, clock: Clock):
    row = release(create(clock), clock)
    carry_out(row, clock)
    assert (row.state, row.plan.__class__.objects.get(pk=row.plan_id).state) == (CleanUpState.DONE, PlanState.DONE)
    assert row.report["outcomes"] == {"deleted": {"block_replicas": 1, "bytes": 7}}
    assert aged.files("T2_A") == aged.files_in_inventory("T2_A") | {"/dark/new", "/dark/changes"}
    trash = Trash.objects.get()
    assert (trash.state, trash.path, trash.dataset_name, str(trash)) == (TrashState.KEPT, "dark/old", "", "/dark/old of T2_A")
    assert Deletion.objects.get().what == "/dark/old"
    before = BlockReplica.objects.count()
    restore_request(wanted=RestoreWanted(plan_id=row.plan_id), actor=WHO, reason="needed", now=clock.now)
    restore_work(worker="w", clock=clock, gateway=local_gateway, limits=EAGER, rng=seeded())
    assert (aged.root("T2_A") / "dark/old").read_bytes() == b"d" * 7
    assert (Trash.objects.get().state, BlockReplica.objects.count()) == (TrashState.RESTORED, before)


def test_what_was_cleaned_up_is_purged_as_all_trash_is(aged: World, clock: Clock):
    row = release(create(clock), clock)
    carry_out(row, clock)
    clock.advance(days=8)
    purge_work(worker="w", clock=clock, gateway=local_gateway, limits=EAGER, rng=seeded())
    assert Trash.objects.get().state == TrashState.PURGED
    assert not list((aged.root("T2_A") / ".dynamo-trash").rglob("*old"))


def test_at_a_site_with_rules_the_path_is_what_goes(world: World, clock: Clock):
    # By its rules the name /pool/x would lead to /pool/pool/x.
    site = world.site(
        lfn_rules=[
            {"pattern": "/store/(.*)", "replacement": "/pool/$1"},
            {"pattern": "/pool/(.*)", "replacement": "/pool/pool/$1"},
        ]
    )
    block = world.block(num_files=1)
    world.replica(block, site, with_files=False)
    for path in ("pool/A/B-1/RAW/b0/f0000.root", "pool/x", "pool/pool/x"):
        write(world, path, at=NOW - timedelta(days=90))
    File.objects.create(
        block=Block.objects.create(dataset=block.dataset, name="other", last_update=NOW), lfn="/pool/x", size_bytes=7
    )
    scan(world, clock)
    clock.advance(days=30)
    scan(world, clock)
    Injection.objects.create(state="COMPLETED", started_at=clock.now, finished_at=clock.now)
    row = release(create(clock), clock)
    carry_out(row, clock)
    assert world.files("T2_A") == {"/pool/A/B-1/RAW/b0/f0000.root", "/pool/pool/x"}, "what /pool/x leads to is known"


def test_file_that_became_known_since_is_not_in_the_list_and_drops_out_of_one_that_was_frozen(aged: World, clock: Clock):
    row = release(create(clock), clock)
    File.objects.create(block=Block.objects.first(), lfn="/dark/old", size_bytes=7)
    carry_out(row, clock)
    deletion = Deletion.objects.get()
    assert (deletion.state, deletion.reason) == (DeletionState.DROPPED, "the inventory knows it by now, as /dark/old")
    assert "/dark/old" in aged.files("T2_A")
    with pytest.raises(Exception, match="there is nothing to delete"):
        create(clock)


def test_file_that_becomes_known_while_it_is_deleted_fails_and_can_be_brought_back(aged: World, clock: Clock):
    row = release(create(clock), clock)

    class Late:
        """The storage, in front of which an injection commits as soon as the file has been moved."""

        def __init__(self, site: Any) -> None:
            self.real = local_gateway(site)

        def by_path(self) -> Any:
            return self

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real.by_path(), name)

        def trash(self, files: Any, *, should_stop: Any) -> Any:
            results = self.real.by_path().trash(files, should_stop=should_stop)
            File.objects.create(block=Block.objects.first(), lfn="/dark/old", size_bytes=7)
            return results

    carry_out(row, clock, gateway=Late)
    deletion = Deletion.objects.get()
    assert deletion.state == DeletionState.FAILED
    assert "came while the file was being deleted: bring it back" in deletion.reason
    assert Trash.objects.get().state == TrashState.KEPT


@pytest.mark.parametrize("change", ["size", "time"])
def test_file_that_is_not_as_it_was_seen_drops_out_and_the_storage_is_not_to_blame(aged: World, clock: Clock, change: str):
    row = release(create(clock), clock)
    path = aged.root("T2_A") / "dark/old"
    before = path.stat().st_mtime
    path.write_bytes(b"longer than it was" if change == "size" else b"d" * 7)
    if change == "size":
        os.utime(path, (before, before))
    carry_out(row, clock)
    deletion = Deletion.objects.get()
    assert (deletion.state, deletion.reason) == (DeletionState.DROPPED, "not the file that the scan saw any more")
    assert DeletionFile.objects.get().outcome == "REFUSED"
    assert path.exists()
    assert row.report["stayed"] == {"not the file that the scan saw any more": 1}


def test_file_that_is_gone_already_is_absent(aged: World, clock: Clock):
    row = release(create(clock), clock)
    (aged.root("T2_A") / "dark/old").unlink()
    (aged.root("T2_A") / ".dynamo-storage").write_text("T2_A")
    carry_out(row, clock)
    deletion = Deletion.objects.get()
    assert (deletion.state, deletion.files_absent, Trash.objects.get().state) == (DeletionState.DONE, 1, TrashState.KEPT)


def test_killed_after_the_file_was_moved_it_is_found_in_the_trash(aged: World, clock: Clock):
    row = release(create(clock), clock)
    plan_enqueue(row.plan_id, now=clock.now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("operations.services.worker.record", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            work(worker="w", clock=clock, gateway=local_gateway, limits=EAGER, rng=seeded())
    assert "/dark/old" not in aged.files("T2_A")
    clock.advance(minutes=5)
    sweep(now=clock.now, limits=EAGER, rng=seeded())
    carry_out(row, clock)
    deletion = Deletion.objects.get()
    assert (deletion.state, deletion.files_deleted, Trash.objects.get().state) == (DeletionState.DONE, 1, TrashState.KEPT)


def test_release_takes_the_digest_that_was_looked_at_and_a_reason(aged: World, clock: Clock):
    row = create(clock)
    with pytest.raises(InvalidTransitionError, match="is not the list with the digest 000"):
        clean_up_release(clean_up_id=row.pk, digest="0" * 64, actor=OTHER, reason="yes")
    with pytest.raises(InvalidTransitionError, match="say why"):
        clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=OTHER, reason="")
    with pytest.raises(InvalidTransitionError, match="waits for a decision"):
        create(clock)
    clean_up_discard(clean_up_id=row.pk, actor=WHO, reason="not yet", now=clock.now)
    with pytest.raises(InvalidTransitionError, match="nothing is left to decide"):
        release(row, clock)
    assert create(clock).pk != row.pk


def test_nobody_releases_the_list_that_they_had_frozen_not_even_a_superuser(aged: World, clock: Clock, django_user_model: Any):
    root = django_user_model.objects.create_superuser("root")
    row = create(clock, actor=Actor.of(root))
    root.username = "root2"
    root.save()
    for name in (Actor("root"), Actor.of(root)):
        with pytest.raises(OwnRequestError, match=r"was asked for by root.*: somebody else must approve it"):
            clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=name, reason="mine", now=clock.now)
    row.refresh_from_db()
    row.plan.refresh_from_db()
    assert (row.state, row.plan.state) == (CleanUpState.WAITING, PlanState.FROZEN)
    released = {"state": "RELEASED", "decided_at": clock.now, "decided_reason": "mine"}
    for who in ({"decided_by_name": "root"}, {"decided_by_name": "root2", "decided_by": root}):
        with pytest.raises(IntegrityError, match="clean_up_not_released_by_asker"), transaction.atomic():
            CleanUp.objects.filter(pk=row.pk).update(**released, **who)
    release(row, clock)
    row.refresh_from_db()
    assert (row.state, row.decided_by_name) == (CleanUpState.RELEASED, "another")


def test_old_inventory_holds_the_plan(aged: World, clock: Clock):
    row = create(clock)
    clock.advance(days=10)
    release(row, clock)
    row.plan.refresh_from_db()
    assert row.plan.state == PlanState.HELD


def test_newer_scan_takes_the_place_of_an_older_one(aged: World, clock: Clock):
    old = latest()
    scan_start(site_name="T2_A", actor=WHO, now=clock.now)
    with pytest.raises(InvalidTransitionError, match="decide on what that one finds"):
        create(clock, scan_id=old.pk)
    go_on(clock)
    assert paths(create(clock)) == ["dark/old"]


def test_storage_that_hides_links_is_cleaned_up_only_where_somebody_says_that_there_are_none(aged: World, clock: Clock):
    class Hiding:
        shows_links = False

    with pytest.raises(InvalidTransitionError, match="does not show symbolic links"):
        create(clock, gateway=lambda site: Hiding())
    SiteScans.objects.create(site=BlockReplica.objects.all()[0].site, has_no_links=True)
    assert paths(create(clock, gateway=lambda site: Hiding())) == ["dark/old"]


def test_tape_site_is_not_cleaned_up_unless_its_lists_show_tape(aged: World, clock: Clock):
    site = BlockReplica.objects.all()[0].site
    site.storage_type = "MSS"
    site.save()
    with pytest.raises(InvalidTransitionError, match="is a tape site"):
        create(clock)


ITEM = {"sequence": 9, "action": "DELETE", "site_name": "T2_A", "size_bytes": 1, "num_files": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "a", "modified_at": NOW, "block_replica_key": 1},
        {"path": "a", "modified_at": NOW, "dataset_name": "/A/B/C"},
        {"path": "a"},
        {"path": "a", "modified_at": NOW, "num_files": 2},
        {"path": "a", "modified_at": NOW, "owner": "AnalysisOps"},
        {"path": "a", "modified_at": NOW, "may_be_last_copy": True},
        {"path": "a", "modified_at": NOW, "action": "REOWN", "new_owner": "AnalysisOps"},
        {"path": "dark/old", "modified_at": NOW},
        {"block_replica_key": None, "dataset_name": "/A/B/C", "block_name": "b"},
        {"block_replica_key": 1},
        {"block_replica_key": 1, "dataset_name": "/A/B/C", "block_name": "b", "modified_at": NOW},
    ],
)
def test_database_takes_no_item_that_is_half_a_replica_and_half_a_path(aged: World, clock: Clock, fields: dict[str, Any]):
    row = create(clock)
    with pytest.raises(IntegrityError), transaction.atomic():
        PlanItem.objects.create(plan_id=row.plan_id, **ITEM | fields)
