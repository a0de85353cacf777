"""Real worker processes on a database of their own: killed at random, or many at once. Run as a script; prints JSON.

``python -m tests.concurrency.deletion_workers FOLDER crash KILLS``, ``... FOLDER together WORKERS`` or
``... FOLDER paused WORKERS``; the database is the one that ``TEST_DATABASE_URL`` names, empty before. Workers are forked from a
process that is ready, so that a kill hits work and not the start of an interpreter.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dynamo_site.settings.test")
django.setup()

from django.conf import settings  # noqa: E402 - models exist only after setup
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.utils import timezone  # noqa: E402

from inventory.models import BlockReplica  # noqa: E402
from inventory.services.audit import Actor, audit_verify  # noqa: E402
from operations.choices import DeletionState  # noqa: E402
from operations.models import Attempt, Deletion  # noqa: E402
from operations.selectors.pausing import pause_file  # noqa: E402
from operations.services.limits import QueueLimits  # noqa: E402
from operations.services.pausing import pause_all, resume_all  # noqa: E402
from operations.services.queue import plan_enqueue  # noqa: E402
from operations.services.sweep import sweep  # noqa: E402
from operations.services.worker import real_gateway, work  # noqa: E402
from operations.storage import FileResult, Gateway, TrashedFile  # noqa: E402
from policies.models import Plan  # noqa: E402
from tests.factories.operations import World  # noqa: E402

#: Short leases, so that the work of the dead is soon taken up; small batches, so that there are many.
LIMITS = QueueLimits(
    lease=timedelta(seconds=1.5),
    batch_items=6,
    local_batch_factor=1,
    batches_per_site=8,
    first_back_off=timedelta(milliseconds=20),
    longest_back_off=timedelta(milliseconds=50),
    watch_interval=timedelta(seconds=0.2),
)
#: Where nobody is killed, leases that a busy machine keeps: one that ran out would be no fault of the workers.
PATIENT = replace(LIMITS, lease=timedelta(seconds=120))
#: How long is looked, after nothing goes any more, whether something does.
STILL_SECONDS = 60 if os.environ.get("DYNAMO_CRASH_FULL", "") not in {"", "0"} else 2
OPEN = (DeletionState.QUEUED, DeletionState.ACTING)


@dataclass
class SlowGateway:
    """The real storage, slow enough to be killed in the middle; notes every file it is asked for."""

    real: Gateway
    log: Path
    pause_seconds: float

    @property
    def can_trash(self) -> bool:
        return self.real.can_trash

    def delete(self, lfns: Sequence[str], *, should_stop: Callable[[], bool]) -> list[FileResult]:
        return self._slowly([(lfn, lfn) for lfn in lfns], self.real.delete, should_stop)

    def trash(self, files: Sequence[TrashedFile], *, should_stop: Callable[[], bool]) -> list[FileResult]:
        return self._slowly([(file.lfn, file) for file in files], self.real.trash, should_stop)

    def _slowly(self, files: Sequence[tuple[str, Any]], act: Callable[..., list[FileResult]], stop: Callable[[], bool]) -> Any:
        results = []
        with self.log.open("a") as log:
            for lfn, file in files:
                if stop():
                    break
                log.write(f"{lfn}\n")
                log.flush()
                time.sleep(self.pause_seconds)
                results += act([file], should_stop=lambda: False)
                time.sleep(self.pause_seconds)
        return results


def fork_worker(name: str, folder: Path, pause_seconds: float, limits: QueueLimits = LIMITS) -> int:
    """Start a worker that goes on until nothing is open; return its process id."""
    connections.close_all()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        rng = Random(name)
        while Deletion.objects.filter(state__in=OPEN).exists():
            sweep(now=timezone.now(), limits=limits, rng=rng)
            work(
                worker=name,
                limits=limits,
                rng=rng,
                gateway=lambda site: SlowGateway(real_gateway(site), folder / f"asked-{name}", pause_seconds),
            )
            time.sleep(0.02)
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)  # whatever the parent had open or registered is not the child's to close


def build(folder: Path, num_blocks: int, num_files: int) -> tuple[World, Plan, dict[str, bytes]]:
    """Make a world of which a plan deletes every second block replica at T3_B; return what must survive, byte for byte."""
    world = World(folder / "storage")
    replicas = world.two_copies(num_blocks=num_blocks, num_files=num_files)
    plan = world.plan(replicas[::2])
    survivors = {
        lfn: world.path("T3_B", lfn).read_bytes()
        for replica in replicas[1::2]
        for lfn in replica.block.files.values_list("lfn", flat=True)
    }
    plan_enqueue(plan.pk)
    return world, plan, survivors


def crash(folder: Path, num_kills: int) -> dict[str, object]:
    """Kill workers until so many kills have hit one that was acting, then let one finish the work."""
    world, plan, survivors = build(folder, num_blocks=240, num_files=4)
    rng = Random(7)
    hits = misses = 0
    while hits < num_kills and hits + misses < 8 * num_kills:
        names = [f"w{hits}-{misses}-{index}" for index in range(2)]
        children = [fork_worker(name, folder, 0.01) for name in names]
        wait_until_acting(names)
        time.sleep(rng.uniform(0.0, 0.15))
        for name, child in zip(names, children, strict=True):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            # Counted only if the dead worker holds a lease: it was acting, and has not recorded.
            is_hit = Deletion.objects.filter(state=DeletionState.ACTING, worker=name).exists()
            hits, misses = hits + is_hit, misses + (not is_hit)
    finish(folder, num_workers=1)
    return report(world, plan, survivors) | {"hits": hits, "misses": misses}


def wait_until_acting(names: Sequence[str]) -> None:
    """Return when one of the workers holds a lease, or after ten seconds (then the kill hits nothing and does not count)."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if Deletion.objects.filter(state=DeletionState.ACTING, worker__in=names).exists():
            return
        time.sleep(0.01)


def together(folder: Path, num_workers: int) -> dict[str, object]:
    """Let several workers loose on one queue; nobody is killed."""
    world, plan, survivors = build(folder, num_blocks=4000, num_files=1)
    finish(folder, num_workers=num_workers, pause_seconds=0.0)
    asked = Counter(line for log in folder.glob("asked-*") for line in log.read_text().splitlines())
    twice = [lfn for lfn, number in asked.items() if number > 1]
    busy = sum(1 for log in folder.glob("asked-*") if log.read_text())
    return report(world, plan, survivors) | {"asked": asked.total(), "asked_twice": twice, "workers_with_work": busy}


def paused(folder: Path, num_workers: int) -> dict[str, object]:
    """Stop workers in full swing by the switch, then by the file, and look what still goes; then let them finish."""
    world, plan, survivors = build(folder, num_blocks=160, num_files=80)
    limits = replace(QueueLimits(), batch_items=2, local_batch_factor=1, batches_per_site=num_workers)
    children = [fork_worker(f"worker-{index}", folder, 0.001, limits) for index in range(num_workers)]
    actor = Actor(name="the shift")
    stops = []
    for stop, go_on in (
        (partial(pause_all, actor=actor, reason="smoke"), partial(resume_all, actor=actor, reason="a false alarm")),
        (pause_file().touch, pause_file().unlink),
    ):
        at_work = num_deleting(world)
        stop()
        stops.append(count_after_stop(world) | {"at_work": at_work})
        go_on()
    statuses = [os.waitpid(child, 0)[1] for child in children]
    sweep(now=timezone.now(), limits=limits, rng=Random(0))
    return report(world, plan, survivors) | {"stops": stops, "statuses": statuses}


def num_deleting(world: World) -> int:
    """Return how many workers hold a lease, once more files have begun to go."""
    before = num_files_there(world)
    while num_files_there(world) > before - 500:
        time.sleep(0.02)
    return Deletion.objects.filter(state=DeletionState.ACTING).values("worker").distinct().count()


def count_after_stop(world: World) -> dict[str, object]:
    """Return how long after a stop the last file went (s), and how many are there when all is still, and after some more time."""
    stopped = last = time.monotonic()
    left = num_files_there(world)
    while time.monotonic() < last + 3:
        time.sleep(0.1)
        if (now_left := num_files_there(world)) != left:
            left, last = now_left, time.monotonic()
    time.sleep(STILL_SECONDS)
    is_open = Deletion.objects.filter(state__in=OPEN).exists()
    return {"seconds": last - stopped, "left": left, "later": num_files_there(world), "is_open": is_open}


def num_files_there(world: World) -> int:
    """Count the files of the site at which workers delete; a folder that goes meanwhile has none."""
    return sum(len(names) for folder, _, names in os.walk(world.root("T3_B")) if "/.dynamo-" not in folder)


def finish(folder: Path, num_workers: int, pause_seconds: float = 0.001) -> None:
    children = [fork_worker(f"last-{index}", folder, pause_seconds, PATIENT) for index in range(num_workers)]
    statuses = [os.waitpid(child, 0)[1] for child in children]
    if any(statuses):
        raise SystemExit(f"workers ended with {statuses}")
    sweep(now=timezone.now(), limits=LIMITS, rng=Random(0))


def report(world: World, plan: Plan, survivors: dict[str, bytes]) -> dict[str, object]:
    """Return what is left, as plain facts that a test can compare."""
    plan.refresh_from_db()
    rows = Deletion.objects.filter(plan=plan)
    link = audit_verify()
    return {
        "states": dict(Counter(rows.values_list("state", flat=True))),
        "wrong_counts": [row.pk for row in rows if row.files_deleted + row.files_absent != row.num_files],
        "files_counted": sum(row.files_deleted + row.files_absent for row in rows),
        "lost_survivors": [lfn for lfn, content in survivors.items() if world.path("T3_B", lfn).read_bytes() != content],
        "storage_equals_inventory": world.files("T3_B") == world.files_in_inventory("T3_B") == set(survivors),
        "other_site_replicas": BlockReplica.objects.filter(site__name="T2_A").count(),
        "unrecorded_attempts": Attempt.objects.filter(recorded_at__isnull=True).count(),
        "plan_state": plan.state,
        "audit_break": link.problem if link is not None else "",
    }


def main() -> None:
    folder, scenario, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    call_command("migrate", verbosity=0)
    try:
        outcome = {"crash": crash, "together": together, "paused": paused}[scenario](folder, number)
    finally:
        shutil.rmtree(settings.VAR_DIR, ignore_errors=True)
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
