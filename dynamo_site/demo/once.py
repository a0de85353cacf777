"""One cycle and its deletions, driven by the messages that beat would send."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dynamo_site.celery import app
from dynamo_site.demo.folders import DemoError, DemoFolders
from dynamo_site.demo.sample import PARTITION, TIER2, TIER3, data_files
from dynamo_site.demo.summary import Gone, SiteChange, Stayed, Summary, rule_text
from inventory.selectors.site_usage import SiteUsage, site_usage
from inventory.selectors.wording import plural, size_text
from operations.choices import DeletionState
from operations.selectors.history import DeletionRow, deletion_rows
from operations.selectors.overview import plan_progress
from operations.selectors.pausing import pause_state
from policies.choices import CycleState, PlanState
from policies.selectors.cycles_overview import CycleRow, recent_cycles
from policies.selectors.decisions import DecisionFilter, decisions_page
from policies.selectors.occupancy import site_bars
from policies.selectors.partitions import partition_by_name
from policies.selectors.plans import open_plans
from policies.selectors.watermarks import watermarks_of

#: Seconds between two messages of the same kind; each is good for longer, because the worker may still be starting.
EVERY_SECONDS = 5.0
MESSAGE_SECONDS = 60.0
#: Seconds without any progress until the demo gives up.
PATIENCE_SECONDS = 180.0


class OneCycle:
    """Asks for a cycle and waits for it and for its plan; a plan that an interrupted demo has left open is finished first."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._partition = partition_by_name(PARTITION)
        self._before = self._latest().pk
        self._cycle: CycleRow | None = None
        self._sent: dict[str, float] = {}
        self._seen: object = None
        self._seen_at = time.monotonic()
        self._has_said_wait = False

    def push(self) -> None:
        """Send what is missing now. Raises ``DemoError`` when a cycle failed or is held, or when nothing moves for long."""
        self._demand_progress()
        if pause_state().is_paused:
            raise DemoError("deletions are paused. Let them go on in the admin (make demo), then start again.")
        if self._cycle is None and not self._open_plan_ids():
            self._send("policies.tasks.evaluate_due_policies")
            if not self._has_said_wait and time.monotonic() - self._seen_at > 10:
                self._say("  waiting until the policy is due, or for the worker to start")
                self._has_said_wait = True
        if self._open_plan_ids():
            self._send("operations.tasks.sweep")
            self._send("operations.tasks.work")

    def is_over(self) -> bool:
        """Tell whether the cycle and everything that it decided to delete is done. Raises ``DemoError`` if it never will be."""
        latest = self._latest()
        if self._cycle is None and latest.pk > self._before and latest.state != CycleState.RUNNING:
            self._cycle = latest
        if self._cycle is None:
            return False
        self._cycle = next(cycle for cycle in recent_cycles(10, partition_id=self._partition.pk) if cycle.pk == self._cycle.pk)
        if self._cycle.state == CycleState.FAILED:
            raise DemoError(f"cycle {self._cycle.pk} failed: {self._cycle.error}")
        if self._cycle.plan_state == PlanState.HELD:
            raise DemoError(f"the plan of cycle {self._cycle.pk} is held by a safety limit; look at it in the admin (make demo).")
        if self._cycle.plan_id is not None and (failed := plan_progress(self._cycle.plan_id).num_failed):
            raise DemoError(f"{plural(failed, 'deletion')} failed and wait for a person; look at them in the admin (make demo).")
        return not self._open_plan_ids()

    def summary(self, folders: DemoFolders) -> Summary:
        """Return what the cycle found, what is gone and what stayed. Raises ``DemoError`` where storage and inventory differ."""
        if self._cycle is None:
            raise AssertionError("is_over was not awaited")
        row = self._partition.cycles.get(pk=self._cycle.pk)
        plan_id = self._cycle.plan_id
        deletions = deletion_rows(plan_id=plan_id, limit=10_000) if plan_id is not None else []
        bars = sorted(site_bars([row.pk]).get(row.pk, ()), key=lambda bar: bar.site_name)
        usage = site_usage()
        marks = watermarks_of(row.text)
        gone = _gone(deletions)
        return Summary(
            title=_title(row, gone),
            marks=(*marks.until, *marks.when),
            sites=tuple(
                SiteChange(bar.site_name, bar.quota_bytes, bar.bytes_before, _size(usage.get(bar.site_name))) for bar in bars
            ),
            gone=gone,
            stayed=tuple(_stayed(row.decisions_file, {bar.site_name for bar in bars if bar.is_triggered}, deletions)),
            storage_text=_agreement(folders.storage, usage),
        )

    def _latest(self) -> CycleRow:
        return recent_cycles(1, partition_id=self._partition.pk)[0]  # the test run of the set-up is always there

    def _open_plan_ids(self) -> list[int]:
        return [plan.pk for plan in open_plans(self._partition.pk) if plan.state == PlanState.RELEASED]

    def _send(self, task: str) -> None:
        now = time.monotonic()
        if now - self._sent.get(task, -EVERY_SECONDS) >= EVERY_SECONDS:
            self._sent[task] = now
            app.send_task(task, expires=MESSAGE_SECONDS)

    def _demand_progress(self) -> None:
        latest = self._latest()
        seen = (latest, [plan_progress(plan_id) for plan_id in self._open_plan_ids()])
        if seen != self._seen:
            self._seen, self._seen_at = seen, time.monotonic()
        elif time.monotonic() - self._seen_at > PATIENCE_SECONDS:
            raise DemoError(f"nothing has moved for {PATIENCE_SECONDS:.0f} seconds; see worker.log.")


def _size(usage: SiteUsage | None) -> int:
    return usage.size_bytes if usage is not None else 0


def _title(row: Any, gone: tuple[Gone, ...]) -> str:
    result = "deleted what it planned" if gone else "there was nothing to delete"
    return f"Cycle {row.pk} of {row.source} at {row.clock:%Y-%m-%d %H:%M:%S} UTC: {result}"


def _gone(deletions: Iterable[DeletionRow]) -> tuple[Gone, ...]:
    """Return what was deleted, summed over blocks, in the order in which it was queued."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for row in sorted(deletions, key=lambda row: row.id):
        if row.state == DeletionState.DONE:
            key = (row.site_name, row.dataset_name, rule_text(row.line, row.rule_text))
            total = sums.setdefault(key, [0, 0, 0])
            for index, number in enumerate((row.size_bytes, 1, row.num_files)):
                total[index] += number
    return tuple(Gone(site, dataset, *total, rule) for (site, dataset, rule), total in sums.items())


def _stayed(decisions_file: str, sites: set[str], deletions: Iterable[DeletionRow]) -> Iterator[Stayed]:
    """Yield what a rule protected at *sites*, and what dropped out of the plan when it was looked at once more."""
    for site in sorted(sites):
        wanted = DecisionFilter(site=site, decision="protect")
        for row in decisions_page(decisions_file, wanted, per_page=1000).rows:
            yield Stayed(site, row.dataset, row.size_bytes, rule_text(row.line, row.rule or ""))
    for deletion in deletions:
        if deletion.state == DeletionState.DROPPED:
            yield Stayed(deletion.site_name, deletion.dataset_name, deletion.size_bytes, f"dropped out: {deletion.reason}")


def _agreement(storage: Path, usage: Mapping[str, SiteUsage]) -> str:
    """Return that the storage holds as many files and bytes as the inventory says. Raises ``DemoError`` where it does not."""
    num_files = num_bytes = 0
    for site in (TIER2, TIER3):
        sizes = [path.stat().st_size for path in data_files(storage / site)]
        known = usage.get(site)
        expected = (known.num_files, known.size_bytes) if known is not None else (0, 0)
        if (len(sizes), sum(sizes)) != expected:
            found = f"{plural(len(sizes), 'file')} of {sum(sizes):,} bytes"
            raise DemoError(f"{site} holds {found}, the inventory says {expected[0]:,} of {expected[1]:,} bytes")
        num_files += len(sizes)
        num_bytes += sum(sizes)
    return f"Storage and inventory agree: {plural(num_files, 'file')}, {size_text(num_bytes)}."
