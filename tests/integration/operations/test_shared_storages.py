"""Storages that two sites may share, or that move: a file that one of them knows is never dark, no list outlives its place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory.models import Injection, Site
from inventory.selectors.sites import SiteStorage
from inventory.services.audit import Actor
from operations.choices import CleanUpState, DeletionState, ScanState
from operations.exceptions import InvalidTransitionError
from operations.models import CleanUp, Deletion
from operations.services.clean_ups import clean_up_create, clean_up_release
from operations.services.queue import plan_enqueue
from operations.services.scans import scan_start
from operations.services.sweep import sweep
from operations.services.worker import real_gateway, work
from operations.storage import Gateway, gateway_for
from tests.factories.operations import EAGER, NOW, Clock, World, local_gateway, seeded
from tests.integration.operations.test_scans import LOOSE, OLD, WHO, findings, scan, write

OTHER = Actor("another")
KNOWN = "A/B-1/RAW/b0/f0000.root"


def neighbour(world: World, endpoint_url: str, rules: list[dict[str, str]]) -> Site:
    """Make a site that has a block of one file by the inventory, at T2_A's storage or wherever the endpoint leads."""
    site = world.site("T3_B", endpoint_url=endpoint_url, lfn_rules=rules)
    world.replica(world.block(num_files=1), site, with_files=False)
    return site


def own_block(world: World, site: Site) -> None:
    world.replica(world.block("/C/D-1/RAW", num_files=1), site)


@pytest.mark.parametrize(
    ("below", "rules", "path"),
    [
        ("T2_A", [{"pattern": "/store/(.*)", "replacement": "/b/$1"}], f"b/{KNOWN}"),
        ("T2_A/sub", [], f"sub/store/{KNOWN}"),
        ("T2_A/sub", [{"pattern": "/store/(.*)", "replacement": "/b/$1"}], f"sub/b/{KNOWN}"),
        ("", [{"pattern": "/store/(.*)", "replacement": "/T2_A/b/$1"}], f"b/{KNOWN}"),
    ],
)
def test_what_another_site_knows_below_the_same_folder_is_never_dark(
    world: World, clock: Clock, below: str, rules: list[dict[str, str]], path: str
):
    own_block(world, world.site())
    neighbour(world, (world.folder / below).as_uri(), rules)
    write(world, path, at=clock.now - OLD)
    write(world, "lost/found", at=clock.now - OLD)
    done = scan(world, clock)
    assert (done.state, findings(done)) == (ScanState.DONE, {"STRAY": {path}, "DARK": {"lost/found"}})


def test_folders_that_overlap_are_not_scanned_at_all(world: World, clock: Clock):
    own_block(world, world.site())
    neighbour(world, world.root("T2_A").as_uri(), [])
    write(world, "lost/found", at=clock.now - OLD)
    done = scan(world, clock, gateway=real_gateway)
    assert (done.state, findings(done)) == (ScanState.FAILED, {})
    assert "the folders of T2_A and T3_B overlap" in done.failure


def test_what_another_site_knows_by_another_door_of_the_same_host_is_never_dark(world: World, clock: Clock):
    site = world.site(endpoint_url="root://x.example.org//pnfs/data")
    own_block(world, site)
    neighbour(world, "davs://x.example.org:2880/data", [{"pattern": "/store/(.*)", "replacement": "/b/$1"}])

    def door(storage: SiteStorage) -> Gateway:
        return gateway_for(site_name=storage.name, endpoint_url=world.root("T2_A").as_uri(), lfn_rules=storage.lfn_rules)

    write(world, f"b/{KNOWN}", at=clock.now - OLD)
    done = scan(world, clock, gateway=door)
    assert findings(done) == {"STRAY": {f"b/{KNOWN}"}}


def test_rules_of_another_site_there_that_cannot_be_read_backwards_refuse_the_scan(world: World, clock: Clock):
    world.site()
    neighbour(world, world.root("T2_A").as_uri(), [{"pattern": "/store/(.*)/(.*)", "replacement": "/$2/$1"}])
    with pytest.raises(InvalidTransitionError, match="its storage may be that of T3_B, too, whose LFN rule 1 cannot be read"):
        scan_start(site_name="T2_A", actor=WHO)


@pytest.fixture
def frozen(world: World, clock: Clock) -> CleanUp:
    """A list with one dark file, b/A/B-1/RAW/b0/f0000.root, of T2_A; the block of that file is at no site."""
    own_block(world, world.site())
    world.block(num_files=1)
    write(world, f"b/{KNOWN}", at=NOW - timedelta(days=90))
    scan(world, clock)
    clock.advance(days=30)
    latest = scan(world, clock)
    Injection.objects.create(state="COMPLETED", started_at=clock.now, finished_at=clock.now)
    return clean_up_create(scan_id=latest.pk, actor=WHO, reason="unknown", limits=LOOSE, now=clock.now, gateway=local_gateway)


def release(row: CleanUp, clock: Clock) -> None:
    clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=OTHER, reason="looked at it", now=clock.now)


def carry_out(row: CleanUp, clock: Clock, gateway: Any = local_gateway) -> Deletion:
    plan_enqueue(row.plan_id, now=clock.now)
    work(worker="w", clock=clock, gateway=gateway, limits=EAGER, rng=seeded())
    sweep(now=clock.now, limits=EAGER, rng=seeded())
    row.refresh_from_db()
    return Deletion.objects.get()


def test_file_that_a_new_site_at_the_same_storage_knows_drops_out(world: World, clock: Clock, frozen: CleanUp):
    release(frozen, clock)
    rules = [{"pattern": "/store/(.*)", "replacement": "/b/$1"}]
    world.site("T3_B", endpoint_url=world.root("T2_A").as_uri(), lfn_rules=rules)
    deletion = carry_out(frozen, clock)
    assert (deletion.state, deletion.reason) == (
        DeletionState.DROPPED,
        f"the inventory knows it by now, as /store/{KNOWN}",
    )
    assert f"/b/{KNOWN}" in world.files("T2_A")


def move(world: World) -> None:
    """Let the endpoint of the site name another folder in which there is the same, as a copy of the storage would be."""
    world.root("T2_A").rename(world.folder / "moved")
    Site.objects.filter(name="T2_A").update(endpoint_url=(world.folder / "moved").as_uri())


def test_list_of_one_place_is_not_frozen_or_released_for_another(world: World, clock: Clock, frozen: CleanUp):
    move(world)
    with pytest.raises(InvalidTransitionError, match="endpoint or LFN rules of T2_A were changed since scan"):
        release(frozen, clock)
    frozen.refresh_from_db()
    assert frozen.state == CleanUpState.WAITING
    CleanUp.objects.all().delete()
    with pytest.raises(InvalidTransitionError, match="endpoint or LFN rules of T2_A were changed since scan"):
        clean_up_create(scan_id=frozen.scan_id, actor=WHO, reason="unknown", limits=LOOSE, now=clock.now, gateway=local_gateway)


def test_list_that_was_released_for_one_place_is_not_carried_out_at_another(world: World, clock: Clock, frozen: CleanUp):
    release(frozen, clock)
    move(world)
    deletion = carry_out(frozen, clock)
    assert deletion.state == DeletionState.DROPPED
    assert "endpoint or LFN rules of T2_A were changed since scan" in deletion.reason
    assert (world.folder / "moved" / "b" / KNOWN).exists()


def test_what_was_seen_in_another_place_does_not_count_as_seen_twice(world: World, clock: Clock):
    own_block(world, world.site())
    write(world, "lost/found", at=NOW - timedelta(days=90))
    scan(world, clock)
    move(world)
    clock.advance(days=30)
    latest = scan(world, clock)
    with pytest.raises(InvalidTransitionError, match="no dark file has been seen twice"):
        clean_up_create(scan_id=latest.pk, actor=WHO, reason="unknown", limits=LOOSE, now=clock.now, gateway=local_gateway)
