"""What the terminal shows while the demo runs: a line per cycle, and one when its deletions are done."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from inventory.selectors.wording import plural, size_text
from operations.selectors.overview import PlanProgress, plan_progress
from operations.selectors.pausing import pause_state
from policies.choices import CycleState, PlanState
from policies.selectors.cycles_overview import CycleRow, recent_cycles
from policies.selectors.occupancy import site_bars


class Watch:
    """Says what has changed since it was last asked."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last_cycle = max((cycle.pk for cycle in recent_cycles(1)), default=0)
        self._open_plans: dict[int, PlanProgress | None] = {}
        self._was_quiet = False
        self._was_paused = False

    def look(self) -> None:
        """Read the latest cycles and plans, and say what is new. A few queries."""
        cycles = recent_cycles(10)
        for cycle in reversed(cycles):
            if cycle.pk > self._last_cycle and cycle.state != CycleState.RUNNING:
                self._last_cycle = cycle.pk
                self._cycle(cycle)
        states = {cycle.plan_id: cycle.plan_state for cycle in cycles if cycle.plan_id is not None}
        for plan_id in list(self._open_plans):
            self._plan(plan_id, states.get(plan_id, ""))
        is_paused = pause_state().is_paused
        if is_paused != self._was_paused:
            self._line("deletions are paused" if is_paused else "deletions go on")
            self._was_paused = is_paused

    def _cycle(self, cycle: CycleRow) -> None:
        if cycle.state == CycleState.FAILED:
            self._line(f"cycle {cycle.pk} failed: {cycle.error}")
            return
        if cycle.deleted_bytes == 0:
            if not self._was_quiet:
                self._line(f"cycle {cycle.pk}: nothing to do ({_sites(cycle.pk)}); cycles that say the same are not shown")
            self._was_quiet = True
            return
        self._was_quiet = False
        held = (
            f"; plan {cycle.plan_id} is held by a safety limit, see the front page" if cycle.plan_state == PlanState.HELD else ""
        )
        replicas = plural(cycle.num_deleted_replicas, "dataset replica")
        self._line(f"cycle {cycle.pk}: {_sites(cycle.pk)}; {replicas}, {size_text(cycle.deleted_bytes)} to delete{held}")
        if cycle.plan_id is not None and cycle.plan_state in (PlanState.RELEASED, PlanState.DONE):
            self._open_plans[cycle.plan_id] = None

    def _plan(self, plan_id: int, state: str) -> None:
        progress = plan_progress(plan_id)
        if state != PlanState.DONE:
            if progress != self._open_plans[plan_id] and progress.num_done:
                self._line(f"plan {plan_id}: {progress.num_done} of {progress.num_total} blocks deleted")
            self._open_plans[plan_id] = progress
            return
        del self._open_plans[plan_id]
        dropped = f", {progress.num_dropped} dropped out" if progress.num_dropped else ""
        self._line(
            f"plan {plan_id} is done: {plural(progress.num_done, 'block')}, {size_text(progress.bytes_done)} deleted{dropped}"
        )

    def _line(self, text: str) -> None:
        self._say(f"{timezone.now():%H:%M:%S}  {text}")


def _sites(cycle_id: int) -> str:
    bars = site_bars([cycle_id]).get(cycle_id, ())
    parts = []
    for bar in sorted(bars, key=lambda bar: bar.site_name):
        if bar.fraction_before is None or bar.fraction_after is None:
            continue
        after = f" → {bar.fraction_after * 100:.1f} %" if bar.deleted_bytes else ""
        parts.append(f"{bar.site_name} {bar.fraction_before * 100:.1f} %{after}")
    return ", ".join(parts)
