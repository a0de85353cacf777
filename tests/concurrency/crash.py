"""Workers that are killed, a database that is restarted and a broker that is emptied, all in the middle of deletions.

``python -m tests.concurrency.crash FOLDER POSTGRES_FOLDER POSTGRES_PORT NUM_FILES NUM_KILLS trash|delete``, with the database
(empty but for its tables) and the broker that ``TEST_DATABASE_URL`` and ``TEST_BROKER_URL`` name; prints JSON.

The workers are Celery's, with the project's tasks; this process plays beat, which sends wake-ups from time to time. Workers are
forked from a process that is ready, so that a kill hits work and not the start of an interpreter. Nobody repairs anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dynamo_site.settings.test")
django.setup()

from django.conf import settings  # noqa: E402 - models exist only after setup
from django.db import connections  # noqa: E402
from django.db.models import Count, Sum  # noqa: E402
from django.utils import timezone  # noqa: E402

from dynamo_site.celery import app  # noqa: E402
from inventory.models import BlockReplica  # noqa: E402
from inventory.services.audit import Actor, audit_verify  # noqa: E402
from operations import tasks  # noqa: E402
from operations.choices import DeletionState  # noqa: E402
from operations.models import Attempt, Deletion, Trash  # noqa: E402
from operations.services.limits import QueueLimits  # noqa: E402
from operations.services.queue import plan_enqueue  # noqa: E402
from operations.services.restoring import RestoreWanted, restore_request  # noqa: E402
from operations.services.trash_worker import restore_work  # noqa: E402
from operations.services.worker import real_gateway, work  # noqa: E402
from policies.models import Plan  # noqa: E402
from tests.concurrency.deletion_workers import SlowGateway  # noqa: E402
from tests.factories.operations import World  # noqa: E402
from tests.factories.own_servers import OwnPostgres  # noqa: E402

FILES_PER_BLOCK = 4
#: Of so many block replicas at the site one is in no plan.
SURVIVES = 5
#: How long nothing may change before it is said that the queue does not move.
STALLED_SECONDS = 120
#: How often wake-ups are sent, in seconds: more of them than workers can answer would be all that they do.
WAKE_EVERY = 0.5
#: Leases while workers are killed: what a dead one held is soon taken up again, and a busy machine still keeps them.
LEASE = timedelta(seconds=4)
#: How long a file takes while workers are killed, in seconds.
SLOWNESS = 0.005


class Crash:
    """The world, its plan, and the workers that carry it out."""

    def __init__(self, folder: Path, num_files: int, *, has_trash: bool) -> None:
        self.folder, self.rng = folder, Random(7)
        self.limits = QueueLimits(
            lease=LEASE,
            batch_items=6,
            local_batch_factor=1,
            batches_per_site=8,
            first_back_off=timedelta(milliseconds=20),
            longest_back_off=timedelta(milliseconds=50),
            watch_interval=timedelta(seconds=0.2),
            trash_days=7 if has_trash else None,
        )
        self.workers: dict[str, int] = {}
        self.num_started = 0
        self.woken_at = 0.0
        self.world = World(folder / "storage")
        num_blocks = num_files // FILES_PER_BLOCK * SURVIVES // (SURVIVES - 1)
        replicas = self.world.two_copies(num_blocks=num_blocks, num_files=FILES_PER_BLOCK)
        self.content = {lfn: hashlib.sha256(lfn.encode()).digest()[:10] for lfn in self.world.files("T3_B")}
        for lfn, content in self.content.items():
            self.world.path("T3_B", lfn).write_bytes(content)
        self.planned = [replica for index, replica in enumerate(replicas) if index % SURVIVES]
        doomed = {replica.block.name for replica in self.planned}
        self.survivors = {lfn for lfn in self.content if _block_of(lfn) not in doomed}
        self.plan: Plan = self.world.plan(self.planned)
        plan_enqueue(self.plan.pk)

    def start(self, slowness: float) -> None:
        """Fork one more worker."""
        name = f"w{self.num_started}"
        self.num_started += 1
        connections.close_all()
        child = os.fork()
        if child:
            self.workers[name] = child
            return
        try:
            tasks.limits_from_settings = lambda: self.limits
            tasks.worker_name = lambda: name
            log = self.folder / f"asked-{name}"
            tasks.work_on = partial(work, limits=self.limits, gateway=lambda site: SlowGateway(real_gateway(site), log, slowness))
            quiet = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True, "loglevel": "CRITICAL"}
            app.Worker(hostname=f"{name}@crash", pool="threads", concurrency=2, **quiet).start()
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(1)

    def kill(self, name: str) -> bool:
        """Kill a worker with -9; tell whether that hit an item that it was acting on, and had not recorded."""
        child = self.workers.pop(name)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        held = Deletion.objects.filter(state=DeletionState.ACTING, worker=name).values_list("block_name", flat=True)
        return self.last_asked(name) in set(held)

    def last_asked(self, name: str) -> str:
        """Return the block of the file that a worker was asked for last."""
        log = self.folder / f"asked-{name}"
        lines = log.read_text().splitlines() if log.is_file() else []
        return _block_of(lines[-1]) if lines else ""

    def wake(self) -> None:
        """Send what beat sends, if it is time."""
        if time.monotonic() - self.woken_at < WAKE_EVERY:
            return
        self.woken_at = time.monotonic()
        with app.connection_for_write() as connection:
            for task in (tasks.sweep, tasks.work, tasks.work):
                task.apply_async(connection=connection)

    def acting(self) -> list[str]:
        """Return the workers that act on an item now."""
        leases: dict[str, set[str]] = {}
        for worker, block in Deletion.objects.filter(state=DeletionState.ACTING).values_list("worker", "block_name"):
            leases.setdefault(worker, set()).add(block)
        return [name for name in self.workers if self.last_asked(name) in leases.get(name, ())]

    def waiting_for(self, what: str) -> Iterator[None]:
        """Wake workers, with a pause each time, for ever while something changes."""
        since, before = time.monotonic(), self.progress()
        while True:
            self.wake()
            yield
            time.sleep(0.05)
            if (now := self.progress()) != before:
                since, before = time.monotonic(), now
            elif time.monotonic() - since > STALLED_SECONDS:
                raise SystemExit(f"waited for {what}, but nothing moves: {before}")

    def progress(self) -> list[tuple[str, int, int]]:
        rows = Deletion.objects.order_by("state").values_list("state")
        return list(rows.annotate(number=Count("pk"), attempts=Sum("num_attempts")))


def _block_of(lfn: str) -> str:
    return lfn.rsplit("/", 2)[1]


def crash(run: Crash, postgres: OwnPostgres, num_kills: int) -> dict[str, object]:
    """Kill workers until so many kills have hit; meanwhile restart the database twice and empty the broker three times."""
    restarts = {num_kills // 3: "immediate", 2 * num_kills // 3: "fast"}
    emptied = {num_kills // 4, num_kills // 2, 3 * num_kills // 4}
    hits = misses = num_restarts = num_emptied = 0
    while hits < num_kills:
        while len(run.workers) < 2:
            run.start(SLOWNESS)
        for _ in run.waiting_for("a worker that acts"):
            if run.acting():
                break
        # Long enough for some batches to come to their end: kills hit every step, and not the first items again and again.
        time.sleep(run.rng.uniform(0.0, 0.6))
        victims = run.acting() or list(run.workers)
        is_hit = run.kill(run.rng.choice(victims))
        hits, misses = hits + is_hit, misses + (not is_hit)
        if is_hit and hits in emptied:
            with app.connection_for_write() as connection:
                connection.default_channel.client.flushall()
            num_emptied += 1
        if is_hit and hits in restarts:
            postgres.restart(restarts[hits])
            connections.close_all()
            num_restarts += 1
    return {"hits": hits, "misses": misses, "restarts": num_restarts, "emptied": num_emptied}


def finish(run: Crash) -> None:
    """Let two workers do the rest, undisturbed, with the leases of every day."""
    for name in list(run.workers):
        run.kill(name)
    run.limits = replace(run.limits, lease=QueueLimits().lease)
    while len(run.workers) < 2:
        run.start(0.0)
    for _ in run.waiting_for("the end of the plan"):
        if Plan.objects.get(pk=run.plan.pk).state == "DONE":
            break
    for name in list(run.workers):
        run.kill(name)


def report(run: Crash) -> dict[str, object]:
    """Return what is left, as plain facts that a test can compare."""
    rows = Deletion.objects.filter(plan=run.plan)
    link = audit_verify()
    root = run.world.root("T3_B")
    trash = [path for path in (root / ".dynamo-trash").rglob("*") if path.is_file()]
    return {
        "states": dict(Counter(rows.values_list("state", flat=True))),
        "wrong_counts": [row.pk for row in rows if row.files_deleted + row.files_absent != row.num_files],
        "files_counted": sum(row.files_deleted + row.files_absent for row in rows),
        "storage_equals_inventory": run.world.files("T3_B") == run.world.files_in_inventory("T3_B") == run.survivors,
        "survivors_changed": [lfn for lfn in run.survivors if run.world.path("T3_B", lfn).read_bytes() != run.content[lfn]],
        "other_site_replicas": BlockReplica.objects.filter(site__name="T2_A").count(),
        "unrecorded_attempts": Attempt.objects.filter(recorded_at__isnull=True).count(),
        "audit_break": link.problem if link is not None else "",
        "in_trash": len(trash),
        "trash_states": dict(Counter(Trash.objects.values_list("state", flat=True))),
    }


def bring_back(run: Crash) -> dict[str, object]:
    """Restore the plan; tell whether storage and inventory are as they were before it, bit for bit."""
    restore_request(wanted=RestoreWanted(plan_id=run.plan.pk), actor=Actor("me"), reason="all of it", now=timezone.now())
    back = restore_work(worker="restores", limits=QueueLimits()).files
    files = {lfn: run.world.path("T3_B", lfn).read_bytes() for lfn in run.world.files("T3_B")}
    return {
        "restored": dict(back),
        "all_as_before": files == run.content and run.world.files_in_inventory("T3_B") == run.content.keys(),
    }


def main() -> None:
    folder, postgres = Path(sys.argv[1]), OwnPostgres(Path(sys.argv[2]), int(sys.argv[3]))
    num_files, num_kills, has_trash = int(sys.argv[4]), int(sys.argv[5]), sys.argv[6] == "trash"
    start = time.monotonic()
    run = Crash(folder, num_files, has_trash=has_trash)
    built = time.monotonic()
    try:
        outcome = crash(run, postgres, num_kills)
        crashed = time.monotonic()
        finish(run)
        outcome |= report(run)
        if has_trash:
            outcome |= bring_back(run)
    finally:
        for child in run.workers.values():
            os.kill(child, signal.SIGKILL)
        shutil.rmtree(settings.VAR_DIR, ignore_errors=True)
    outcome["seconds"] = [round(built - start), round(crashed - built), round(time.monotonic() - crashed)]
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
