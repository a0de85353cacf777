"""Whole plans on each of the four storages, with a real server behind each."""

from __future__ import annotations

import contextlib
import zlib
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import BlockReplica, File, Injection, Site
from inventory.services.audit import Actor
from operations.models import Deletion, DeletionFile, SiteScans, Trash
from operations.services.clean_ups import clean_up_create, clean_up_release
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.restoring import RestoreWanted, restore_request
from operations.services.scan_limits import ScanLimits
from operations.services.scan_missing import missing_confirm
from operations.services.scan_worker import scan_work
from operations.services.scans import scan_start
from operations.services.sweep import sweep
from operations.services.trash_worker import purge_work, restore_work
from operations.services.worker import work
from operations.storage import Access, gateway_for
from tests.factories.operations import Clock, World, local_gateway, seeded
from tests.factories.storages import RealStorage, Servers

pytestmark = pytest.mark.django_db


def world_at(storage: RealStorage, tmp_path: Any, num_blocks: int, num_files: int) -> World:
    """Return an inventory whose site T3_B is the storage; nothing lies there yet."""
    world = World(tmp_path)
    world.site("T2_A")
    world.site("T3_B", endpoint_url=storage.url)
    for index in range(num_blocks):
        block = world.block(name=f"b{index:05d}", num_files=num_files)
        for name in ("T2_A", "T3_B"):
            world.replica(block, Site.objects.get(name=name), with_files=False)
    return world


def plan(world: World, clock: Clock) -> int:
    made = world.plan(BlockReplica.objects.filter(site__name="T3_B").select_related("site", "block__dataset", "group"))
    plan_enqueue(made.pk, now=clock())
    return made.pk


def impatient(site: Any) -> Any:
    """Return the way to a site that waits for two seconds at most."""
    access = Access(timeout_seconds=2)
    return gateway_for(site_name=site.name, endpoint_url=site.endpoint_url, lfn_rules=site.lfn_rules, access=access)


@pytest.mark.parametrize("trash_days", [7, None])
def test_two_thousand_files_some_absent_some_refused_some_slow(
    storage: RealStorage, servers: Servers, tmp_path: Any, trash_days: float | None
):
    clock = Clock()
    limits = QueueLimits(trash_days=trash_days, attempts_before_failed=2)
    world = world_at(storage, tmp_path, num_blocks=20, num_files=100)
    names = sorted(world.files_in_inventory("T3_B"))
    assert len(names) == 2000
    absent, bystander = set(names[::17]), "/store/not/of/the/plan"
    for name in [*(name for name in names if name not in absent), bystander]:
        storage.put(name, b"0123456789")
    refused = {name for name in names if "/b00003/" in name and name not in absent} if storage.can_refuse else set()
    if refused:
        storage.refuse("/store/A/B-1/RAW/b00003")
    plan(world, clock)

    def delete(gateway: Any = local_gateway) -> None:
        work(worker="w", clock=clock, limits=limits, rng=seeded(), gateway=gateway)

    is_server = storage.kind != "local"
    with servers.frozen(storage.kind) if is_server else contextlib.nullcontext():
        if is_server:
            delete(impatient)
            assert set(Deletion.objects.values_list("state", flat=True)) == {"QUEUED"}
            assert BlockReplica.objects.filter(site__name="T3_B").count() == 20
    for _ in range(6):
        clock.advance(hours=2)
        sweep(now=clock.now, limits=limits, rng=seeded())
        delete()

    states = dict(Deletion.objects.values_list("block_name", "state"))
    # nginx says of a rename that it may not do that it had an error: that is tried again, for ever.
    stuck = "QUEUED" if storage.kind == "webdav" and trash_days else "FAILED"
    assert {name for name, state in states.items() if state == "DONE"} == set(states) - ({"b00003"} if refused else set())
    if refused:
        assert states["b00003"] == stuck
    block = {name for name in names if "/b00003/" in name}
    assert world.files_in_inventory("T3_B") == (block if refused else set())
    assert storage.names() == refused | {bystander}
    assert storage.outside()
    done = Deletion.objects.filter(state="DONE")
    num_absent = len(absent - (block if refused else set()))
    gone = [sum(pair) for pair in done.values_list("files_deleted", "files_absent")]
    assert gone == [100] * len(gone)
    assert sum(done.values_list("files_absent", flat=True)) == num_absent
    assert DeletionFile.objects.filter(deletion__state="DONE", outcome="ABSENT").count() >= num_absent
    if trash_days:
        assert Trash.objects.filter(state="KEPT").count() >= len(gone)


def test_plan_of_five_hundred_files_comes_back_bit_for_bit_and_after_the_purge_is_gone_for_good(
    storage: RealStorage, tmp_path: Any
):
    clock, limits, rng = Clock(), QueueLimits(), Random(7)
    world = world_at(storage, tmp_path, num_blocks=10, num_files=50)
    content = {name: rng.randbytes(10) for name in sorted(world.files_in_inventory("T3_B"))}
    for name, some in content.items():
        storage.put(name, some)
        File.objects.filter(lfn=name).update(checksum=f"adler32:{zlib.adler32(some):08x}")
    known = list(
        BlockReplica.objects.filter(site__name="T3_B").order_by("block_id").values_list("block__name", "size_bytes", "num_files")
    )

    def run() -> None:
        work(worker="w", clock=clock, limits=limits, rng=seeded(), gateway=local_gateway)
        assert set(Deletion.objects.values_list("state", flat=True)) == {"DONE"}
        assert (storage.names(), world.files_in_inventory("T3_B"), len(storage.trash_names())) == (set(), set(), 500)

    first = plan(world, clock)
    run()
    clock.advance(days=6)
    wanted = RestoreWanted(plan_id=first)
    asked = restore_request(wanted=wanted, actor=Actor("me"), reason="by mistake", now=clock.now)
    assert (len(asked.trash_ids), asked.refused) == (10, ())
    back = restore_work(worker="r", clock=clock, limits=limits, rng=seeded(), gateway=local_gateway)
    assert back.files == {"RESTORED": 500}
    assert storage.files() == content
    rows = BlockReplica.objects.filter(site__name="T3_B").order_by("block_id")
    assert list(rows.values_list("block__name", "size_bytes", "num_files")) == known

    second = plan(world, clock)
    run()
    clock.advance(days=8)
    assert purge_work(worker="p", clock=clock, limits=limits, rng=seeded(), gateway=local_gateway).purged == {"PURGED": 10}
    assert storage.files() == {}
    asked = restore_request(wanted=RestoreWanted(plan_id=second), actor=Actor("me"), reason="too late", now=clock.now)
    assert asked.trash_ids == ()
    assert {why for _, why in asked.refused} == {f"gone for good since {clock.now:%Y-%m-%d %H:%M} UTC"}


def test_scan_and_clean_up_of_each_storage_and_back(storage: RealStorage, tmp_path: Any):
    clock = Clock(now=timezone.now() + timedelta(days=100))  # what is written now is old by then
    world = world_at(storage, tmp_path, num_blocks=2, num_files=3)
    names = sorted(world.files_in_inventory("T3_B"))
    for name in names[1:]:
        storage.put(name, b"x" * 10)
    for name in ("/left/over", "/store/\u00e9t\u00e9/a b%c"):
        storage.put(name, b"dark")
    SiteScans.objects.create(site=Site.objects.get(name="T3_B"), has_no_links=True)
    who, limits = Actor("tester"), ScanLimits(dark_fraction=Decimal("0.9"), missing_fraction=Decimal("0.9"))
    for _ in range(2):
        done = scan_start(site_name="T3_B", actor=who, now=clock.now)
        scan_work(worker="w", clock=clock, limits=limits, gateway=local_gateway)
        clock.advance(days=28)
    done.refresh_from_db()
    assert (done.state, done.files_seen, done.files_known, done.files_dark, done.files_missing) == ("DONE", 7, 5, 2, 1)
    assert done.findings.get(kind="MISSING").lfn == names[0]
    missing_confirm(scan_id=done.pk, actor=who, reason="lost", now=clock.now)
    scan_work(worker="w", clock=clock, limits=limits, gateway=local_gateway)
    assert sorted(BlockReplica.objects.filter(site__name="T3_B").values_list("num_files", flat=True)) == [2, 3]
    row = clean_up_create(scan_id=done.pk, actor=who, reason="left over", now=clock.now, limits=limits, gateway=local_gateway)
    Injection.objects.create(state="COMPLETED", started_at=clock.now, finished_at=clock.now)
    clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=Actor("another"), reason="looked at it", now=clock.now)
    plan_enqueue(row.plan_id, now=clock.now)
    work(worker="w", clock=clock, gateway=local_gateway, limits=QueueLimits(), rng=seeded())
    assert set(Deletion.objects.values_list("state", flat=True)) == {"DONE"}
    assert storage.names() == set(names[1:])
    restore_request(wanted=RestoreWanted(plan_id=row.plan_id), actor=who, reason="needed", now=clock.now)
    restore_work(worker="w", clock=clock, gateway=local_gateway, limits=QueueLimits(), rng=seeded())
    assert storage.names() == {*names[1:], "/left/over", "/store/\u00e9t\u00e9/a b%c"}
    assert storage.files()["/left/over"] == b"dark"
