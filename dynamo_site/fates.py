"""What became of one replica, in one sentence that a person understands, and where the other copies of its dataset are.

Composed of what a cycle recorded, of what the plan and the workers did since, and of what the inventory holds now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from inventory.selectors.datasets_overview import Copy, dataset_copies, dataset_key
from inventory.selectors.wording import exact_text, plural, share_text, size_text
from operations.selectors.overview import ReplicaDeletion, dataset_deletions, replica_deletion
from policies.choices import CycleKind, PlanState
from policies.evaluation.explain import RuleOutcome
from policies.planning.explain import ReplicaExplanation
from policies.selectors.decisions import DecisionRow

#: Characters of a rule that a sentence shows.
_LONGEST_RULE = 200
#: Which of several decisions on one replica is told first.
_RANKS = {"delete": 0, "keep": 1, "protect": 2, "ignore": 3, "reown": 4, "none": 5}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of blocks of a replica on which the same was decided; ``kind`` is a word of the vocabulary of colours."""

    kind: str
    word: str
    sentence: SafeString
    link: str = ""
    link_text: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A site of the map: the copy that is there now (None: none), what the cycle decided there, and whether it went since."""

    site_name: str
    copy: Copy | None
    decisions: tuple[DecisionRow, ...]
    deleted_at: datetime | None
    is_here: bool


def replica_fates(
    cycle: Any,
    rows: Sequence[DecisionRow],
    explanation: ReplicaExplanation | None,
    *,
    dataset: str,
    site: str,
    with_outcome: bool = True,
) -> list[Fate]:
    """Return what became of the replica, a sentence per decision in *rows*, deletions first; about a dozen queries.

    *explanation*, where there is one, adds what was unknown and how many deletions came before. Without *with_outcome* it is
    what was decided alone: nothing of plans, deletions and the inventory of now.
    """
    teller = _Teller(cycle, explanation, dataset, site, with_outcome=with_outcome)
    num_blocks = sum(row.num_blocks for row in rows if row.decision != "reown")
    ordered = sorted(rows, key=lambda row: (_RANKS[row.decision], row.line or 0))
    fates = [teller.told(row, whole=row.blocks is None, num_blocks=num_blocks) for row in ordered]
    if not rows or teller.is_there or any(fate.word.startswith("Deleted") for fate in fates):
        return fates
    since = format_html("{}", "it is not at the site any more; what happened to it is below.")
    return [*fates, Fate("deleted", "Gone since", since)]


def dataset_places(rows: Sequence[DecisionRow], *, dataset: str, site: str) -> list[Place]:
    """Return the sites where the dataset has a copy, or had one when *rows* were decided, by name; *site*: that asked about."""
    decided: dict[str, list[DecisionRow]] = defaultdict(list)
    for row in rows:
        decided[row.site].append(row)
    copies = _copies(dataset)
    gone = {row.site_name: row.finished_at for row in reversed(dataset_deletions(dataset)) if row.state == "DONE"}
    names = sorted({*copies, *decided, *gone, site})
    return [
        Place(name, copies.get(name), tuple(decided[name]), gone.get(name) if name not in copies else None, name == site)
        for name in names
    ]


class _Teller:
    """Puts into words what a cycle decided on one replica and what came of it."""

    def __init__(
        self, cycle: Any, explanation: ReplicaExplanation | None, dataset: str, site: str, *, with_outcome: bool
    ) -> None:
        self._cycle = cycle
        self._explanation = explanation
        self._dataset = dataset
        self._site = site
        self._plan = getattr(cycle, "plan", None)
        self._source = str(cycle.policy_version or cycle.source)
        self._with_outcome = with_outcome
        #: Whether the inventory has a copy there now, as far as is asked.
        self.is_there = not with_outcome or site in _copies(dataset)
        self._stays = "Would stay" if cycle.kind == CycleKind.TEST_RUN else "Stays" if self.is_there else "Stayed"
        self._url = reverse("admin:policies_cycle_change", args=[cycle.pk])

    def told(self, row: DecisionRow, *, whole: bool, num_blocks: int) -> Fate:
        tell = {
            "delete": self._delete,
            "keep": self._keep,
            "protect": self._protect,
            "ignore": self._ignore,
            "reown": self._reown,
        }
        fate = tell.get(row.decision, self._none)(row)
        if whole:
            return fate
        part = (
            f"{row.num_blocks:,} of {plural(num_blocks, 'block')}" if row.num_blocks < num_blocks else plural(num_blocks, "block")
        )
        return Fate(fate.kind, f"{fate.word}: {part}", fate.sentence, fate.link, fate.link_text)

    def _delete(self, row: DecisionRow) -> Fate:
        by = self._rule(row)
        if self._cycle.kind == CycleKind.TEST_RUN:
            return Fate("delete", "Would be deleted", format_html("by {}. It was a test run: nothing was deleted.", by))
        if not self._with_outcome:
            return Fate("delete", "Chosen for deletion", format_html("by {}.", by))
        plan = self._plan
        if plan is None:
            return Fate("delete", "To be deleted", format_html("by {}; no plan of the cycle is on record.", by))
        link, text = reverse("admin:policies_plan_change", args=[plan.pk]), f"Plan {plan.pk}"
        if plan.state == PlanState.DISCARDED:
            why = f": {plan.decided_reason}" if plan.decided_reason else ""
            sentence = format_html("though chosen for deletion by {}: {} discarded the plan{}.", by, plan.decided_by, why)
            return Fate("kept", "Stays", sentence, link, text)
        if plan.state in (PlanState.FROZEN, PlanState.HELD):
            sentence = format_html("though chosen for deletion by {}: a safety limit holds the plan until a person decides.", by)
            return Fate("delete", "Stays for now", sentence, link, text)
        done = replica_deletion(plan_id=plan.pk, dataset_name=self._dataset, site_name=self._site)
        if done is None:
            return Fate("delete", "To be deleted", format_html("by {}; its turn has not come.", by), link, text)
        return self._deletion(by, done)

    def _deletion(self, by: SafeString, done: ReplicaDeletion) -> Fate:
        link = reverse("admin:operations_deletion_change", args=[done.first_key])
        if done.is_done:
            undo = "" if done.restorable_until is None else format_html(", restorable until {}", _day(done.restorable_until))
            return Fate("deleted", "Deleted", format_html("on {} by {}{}.", _day(done.done_at), by, undo), link, "The deletion")
        left = done.num_blocks - done.num_done
        so_far = f"{done.num_done:,} of {plural(done.num_blocks, 'block')} {'is' if done.num_done == 1 else 'are'} gone"
        reason = f": {done.reason}" if done.reason else ""
        if done.num_failed:
            sentence = format_html("chosen by {}, but the deletion failed{}. A person must decide; {}.", by, reason, so_far)
            return Fate("danger", "Deletion failed", sentence, link, "The deletion")
        if done.num_dropped == left:
            word, what = ("Deleted in part", "the rest dropped") if done.num_done else ("Stays", "it dropped")
            sentence = format_html("though chosen by {}: at the last look {} out{}.", by, what, reason)
            return Fate("kept", word, sentence, link, "The deletion")
        return Fate("delete", "Being deleted", format_html("by {}; {}.", by, so_far), link, "The deletion")

    def _keep(self, row: DecisionRow) -> Fate:
        sentence = format_html("though {} gives it up: {}.", self._rule(row), self._why_kept())
        return Fate("kept", self._stays, sentence)

    def _why_kept(self) -> str:
        found = self._cycle.sites.filter(site_name=self._site).first()
        if found is None:
            return "its turn did not come"
        if not found.is_triggered:
            return f"{self._site} was not to be cleaned, {_filled(found.bytes_before, found.quota_bytes)}"
        if found.is_released:
            number = self._explanation.num_site_deletions if self._explanation is not None else 0
            after = f" after {plural(number, 'deletion')}" if number else ""
            return (
                f"{self._site} reached its watermark{after} before its turn came,"
                f" going from {_share(found.bytes_before, found.quota_bytes)} to {_share(found.bytes_after, found.quota_bytes)}"
            )
        return "an Ignore rule ended its evaluation before its turn came"

    def _protect(self, row: DecisionRow) -> Fate:
        if row.line == 0:
            return Fate(
                "protected", self._stays, format_html("because no rule matches and {} protects what is left.", self._rule(row))
            )
        sentence = format_html("because {} protects it{}.", self._rule(row), self._unknown(row))
        return Fate("protected", self._stays, sentence)

    def _unknown(self, row: DecisionRow) -> str:
        """Tell where the rule protects because a fact is missing."""
        for evaluation in self._explanation.evaluations if self._explanation is not None else ():
            for rung in evaluation.stack.rules:
                if rung.rule.decision_line == row.line and rung.ends_pass and rung.outcome is RuleOutcome.UNKNOWN:
                    feeds = sorted({seen.unloaded_fact for seen in rung.values if seen.unloaded_fact is not None})
                    named = f" (the feed {', '.join(feeds)} was missing or stale)" if feeds else ""
                    return f"; what it asks for was unknown{named}, and what is unknown stays"
        return ""

    def _ignore(self, row: DecisionRow) -> Fate:
        sentence = format_html("because {} sets it aside: the policy decides nothing about it.", self._rule(row))
        return Fate("ignored", self._stays, sentence)

    def _reown(self, row: DecisionRow) -> Fate:
        sentence = format_html(
            "to {}, which owns other blocks of the replica, instead of being deleted.", row.new_owner or "nobody"
        )
        return Fate("kept", "Handed over", sentence)

    def _none(self, row: DecisionRow) -> Fate:
        return Fate("unknown", self._stays, format_html("{}", "the cycle ended without a decision on it."))

    def _rule(self, row: DecisionRow) -> SafeString:
        """Name the rule with its text, as a link to it in the cycle's policy."""
        text = row.rule or ""
        shown = text if len(text) <= _LONGEST_RULE else f"{text[: _LONGEST_RULE - 1]}…"
        if row.line is None:
            return format_html("{}", "no rule")
        if row.line < 0:
            return format_html('the <span class="dy-mono">{}</span>', shown)
        name = f"line {row.line}" if row.line else "the default"
        anchor = f"#line-{row.line}" if row.line else "#rules"
        return format_html(
            '<a href="{}{}">{}</a> of {} (<span class="dy-mono">{}</span>)', self._url, anchor, name, self._source, shown
        )


def _copies(dataset: str) -> dict[str, Copy]:
    """Return the copies of a dataset that there are now, by site."""
    key = dataset_key(dataset)
    return {} if key is None else {copy.site_name: copy for copy in dataset_copies(key)}


def _day(moment: datetime | None) -> SafeString:
    if moment is None:
        return format_html("{}", "an unknown day")
    return format_html('<time title="{}">{}</time>', exact_text(moment), f"{moment.day} {moment:%b %Y}")


def _filled(size_bytes: int, quota_bytes: int) -> str:
    if quota_bytes <= 0:
        return f"holding {size_text(size_bytes)} {'with an unlimited quota' if quota_bytes < 0 else 'without a quota'}"
    return f"{_share(size_bytes, quota_bytes)} full: no When condition held there"


def _share(size_bytes: int, quota_bytes: int) -> str:
    return share_text(size_bytes / quota_bytes) if quota_bytes > 0 else size_text(size_bytes)
