"""What happened to a dataset, as one line of events: from inventory, audit trail, decisions of cycles, and deletions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.urls import reverse

from inventory.selectors.audit import action_text, events_about
from inventory.selectors.datasets_overview import dataset_copies, dataset_key, first_and_last_block
from inventory.selectors.wording import plural, size_text
from operations.choices import DeletionState
from operations.selectors.overview import DatasetDeletion, dataset_deletions
from policies.selectors.cycles_overview import DatasetPlanned, dataset_in_plans
from policies.selectors.decisions import DecisionRow, cycles_on_file, decisions_on_dataset

#: What of the apps a history shows.
STORY_RIGHTS = ("inventory.view_dataset", "inventory.view_auditevent", "policies.view_cycle", "operations.view_deletion")

#: How many of the latest cycles are looked through for decisions.
_CYCLES = 30

#: Sites that an event names before it counts.
_SITES_NAMED = 3

#: Words of decisions: what a rule did with the copies.
_DECIDED = {"protect": "protected", "keep": "kept", "delete": "chosen for deletion", "ignore": "ignored", "reown": "handed over"}
_KINDS = {"protect": "protected", "keep": "kept", "delete": "delete", "ignore": "ignored", "reown": "kept"}


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """Something that happened; ``kind`` is a word of the vocabulary of colours, ``link`` leads to what there is to see of it."""

    at: datetime
    kind: str
    text: str
    link: str = ""


def dataset_story(name: str, *, site: str | None = None, cycle: Any = None, limit: int = 100) -> list[StoryEvent]:
    """Return the latest *limit* events of the dataset, newest first; of a dataset that the inventory has forgotten, too.

    *site*: leave out what concerns other sites alone. Decisions are those of the last cycles with files, and of *cycle*, the
    same one once. A fixed number of queries, and a look into each of these files.
    """
    events = [*_inventory(name, site), *_acts(name), *_decisions(name, site, cycle), *_deletions(name, site)]
    return sorted(events, key=lambda event: event.at, reverse=True)[:limit]


def _inventory(name: str, site: str | None) -> Iterator[StoryEvent]:
    key = dataset_key(name)
    if key is None:
        return
    first, last, num_blocks = first_and_last_block(key)
    if first is not None:
        yield StoryEvent(first, "kept", "its first block came")
    if last is not None and last != first:
        yield StoryEvent(last, "kept", f"the latest of its {plural(num_blocks, 'block')} came")
    for copy in dataset_copies(key):
        if copy.last_update is not None and site in (None, copy.site_name):
            state = "complete" if copy.is_complete else f"{copy.num_complete_blocks:,} of {plural(copy.num_blocks, 'block')}"
            yield StoryEvent(copy.last_update, "kept", f"copied to {copy.site_name} ({state}, {size_text(copy.size_bytes)})")


def _acts(name: str) -> Iterator[StoryEvent]:
    for event in events_about(name):
        reason = f": {event.reason}" if event.reason else ""
        link = reverse("admin:inventory_auditevent_change", args=[event.pk])
        yield StoryEvent(event.at, "running", f"{action_text(event.action)} by {event.actor}{reason}", link)


def _decisions(name: str, site: str | None, cycle: Any) -> Iterator[StoryEvent]:
    """Yield each decision once, at the latest of the cycles that made it, all sites together."""
    cycles = cycles_on_file(num_cycles=_CYCLES)
    if cycle is not None and cycle.decisions_file and all(cycle.pk != found.pk for found in cycles):
        cycles.append(cycle)
    made: dict[tuple[str, int | None, str, str], list[tuple[Any, DecisionRow]]] = defaultdict(list)
    for found, rows in decisions_on_dataset(name, cycles):
        for row in rows:
            if site in (None, row.site):
                made[row.decision, row.line, found.kind, found.source].append((found, row))
    for (decision, line, kind, source), by in made.items():
        word = _DECIDED.get(decision)
        if word is None:
            continue
        last = by[0][0]
        latest = [row for found, row in by if found.pk == last.pk]
        num_earlier = len({found.pk for found, _ in by}) - 1
        earlier = f", as in {plural(num_earlier, 'earlier one')}" if num_earlier else ""
        link = f"{reverse('admin:policies_cycle_why', args=[last.pk])}?dataset={_quoted(name)}&site={_quoted(latest[0].site)}"
        test = ", a test run" if kind == "TEST_RUN" else ""
        sites = _sites(row.site for row in latest)
        text = f"{word} {_by(line)} in cycle {last.pk} of {source}{test}{earlier}, at {sites}"
        yield StoryEvent(last.started_at, _KINDS[decision], text, link)


def _deletions(name: str, site: str | None) -> Iterator[StoryEvent]:
    plans = {row.plan_id: row for row in dataset_in_plans(name)}
    by_plan: dict[tuple[int, str], list[DatasetDeletion]] = defaultdict(list)
    for row in dataset_deletions(name):
        if site not in (None, row.site_name):
            continue
        by_plan[row.plan_id, row.state].append(row)
    for (plan_id, state), some in by_plan.items():
        plan: DatasetPlanned | None = plans.get(plan_id)
        finished = [row.finished_at for row in some if row.finished_at is not None]
        at = max(finished) if finished else (plan.at if plan is not None else None)
        if at is None:
            continue
        size = size_text(sum(row.size_bytes for row in some))
        word = "deleted" if state == DeletionState.DONE else f"deletion {some[0].state_text}"
        source = f"plan {plan_id} of {plan.source}" if plan is not None else f"plan {plan_id}"
        text = f"{word} at {_sites(row.site_name for row in some)} ({size}) by {source}"
        kind = "deleted" if state == DeletionState.DONE else "delete"
        yield StoryEvent(at, kind, text, reverse("admin:operations_deletion_change", args=[some[0].first_key]))


def _by(line: int | None) -> str:
    if line is None:
        return "without a rule"
    if line > 0:
        return f"by the rule on line {line}"
    return "by the default" if line == 0 else "by a guardrail"


def _sites(names: Iterator[str]) -> str:
    distinct = sorted(set(names))
    shown = ", ".join(distinct[:_SITES_NAMED])
    more = len(distinct) - _SITES_NAMED
    return f"{shown} and {plural(more, 'more site')}" if more > 0 else shown


def _quoted(text: str) -> str:
    return quote(text, safe="")
