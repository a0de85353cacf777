"""What the planner did with one replica, told in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from policies.evaluation.columns import Snapshot
from policies.evaluation.explain import StackTrace
from policies.evaluation.seen_values import bytes_text
from policies.evaluation.sites import occupancy
from policies.language.ast import Policy, Rule
from policies.planning.outcome import NOT_HANDED_OVER, Decision, Outcome, SiteOutcome


def planner_story(
    policy: Policy,
    snapshot: Snapshot,
    outcome: Outcome,
    replica: int,
    *,
    first: StackTrace | None,
    num_evaluations: int,
    numbers: Sequence[int],
) -> tuple[str, ...]:
    """Return the sentences; *first* is the stack as the replica met it first, None if it was never evaluated.

    *numbers*: for each deletion of the outcome, which of its site's it was.
    """
    site_row = int(snapshot.replicas.get_column("site")[replica])
    site_name = str(snapshot.sites.get_column("name")[site_row])
    site = next((found for found in outcome.target_sites if found.site == site_row), None)
    if site is None:
        return (f"{site_name} is no target: it meets no On condition of the policy, so nothing there takes part.",)
    if first is None:
        return ("No block of this replica is in the partition, so the policy says nothing about it.",)
    story = _Story(snapshot, outcome, replica, site, site_name)
    return (
        *story.evaluations(first, num_evaluations),
        *story.hand_overs(),
        *story.deletions(numbers),
        *story.kept(policy),
        *story.protected_or_ignored(),
    )


class _Story:
    def __init__(self, snapshot: Snapshot, outcome: Outcome, replica: int, site: SiteOutcome, site_name: str) -> None:
        self._snapshot = snapshot
        self._outcome = outcome
        self._replica = replica
        self._site = site
        self._site_name = site_name
        is_of_replica = snapshot.block_replicas.get_column("replica").to_numpy() == replica
        self._rows = np.flatnonzero(is_of_replica & outcome.in_scope)

    def _decided(self, decision: Decision) -> list[Rule]:
        """Return the rules, in stack order, by which blocks of the replica are *decision* in the end."""
        rows = self._rows[self._outcome.decision[self._rows] == decision]
        numbers = set(self._outcome.rule[rows].tolist())
        empty = self._outcome.empty_replicas.get(self._replica)
        if empty is not None and empty[0] == decision:
            numbers.add(empty[1])
        return [self._outcome.rules[number] for number in sorted(numbers)]

    def evaluations(self, first: StackTrace, num_evaluations: int) -> list[str]:
        """Tell of a change of mind: what the first evaluation said, when the end is another."""
        finals = {rule.decision_line for decision in Decision for rule in self._decided(decision)}
        rule = self._outcome.rules[first.deciding]
        if num_evaluations < 2 or rule.decision_line in finals:
            return []
        changed = (
            f"It was evaluated {num_evaluations} times, because copies of the dataset went or changed, and ended differently."
        )
        return [f"At first {_line(rule)} decided it. {changed}"]

    def hand_overs(self) -> list[str]:
        owners = self._outcome.new_owner[self._rows]
        sentences = []
        for owner in np.unique(owners[owners != NOT_HANDED_OVER]).tolist():
            group = self._snapshot.groups.get_column("name")[owner]
            count = int((owners == owner).sum())
            sentences.append(
                f"{_blocks(count)} given up by a rule went over to {group}, a group of ownership level Dataset that owns other"
                " blocks of the replica, instead of being deleted."
            )
        return sentences

    def deletions(self, numbers: Sequence[int]) -> list[str]:
        sentences = []
        for deletion, number in zip(self._outcome.deletions, numbers, strict=True):
            if deletion.replica != self._replica:
                continue
            what = f"{_blocks(len(deletion.block_replicas))} ({bytes_text(deletion.size_bytes)})"
            rule = self._outcome.rules[deletion.rule]
            if deletion.step == 0:
                sentences.append(
                    f"{what} deleted at once by {_line(rule)}: a Delete rule acts at every target site, triggered or not."
                )
            else:
                sentences.append(
                    f"{what} dismissed by {_line(rule)} and deleted in step {deletion.step}:"
                    f" {_place(number, self._site.num_deletions)} at {self._site_name}."
                )
        return sentences

    def kept(self, policy: Policy) -> list[str]:
        rules = self._decided(Decision.KEEP)
        if not rules:
            return []
        dismissed = f"Dismissed by {_lines(rules)}, but kept"
        site = self._site
        before = _fraction(site.bytes_before, site.quota_bytes)
        after = _fraction(site.bytes_after, site.quota_bytes)
        if not site.is_triggered:
            return [f"{dismissed}: {self._site_name} was not triggered (occupancy {before}, no When condition held)."]
        if site.is_released:
            order = "the Order of the policy" if policy.order else "the order of names"
            deletions = _count(site.num_deletions, "deletion")
            cleaned = f"{self._site_name} was triggered at occupancy {before}, and an Until condition held at {after}"
            return [f"{dismissed}: {cleaned} after {deletions}; by {order} its turn had not come."]
        return [
            f"{dismissed}: an Ignore rule ended its evaluation, so it was a candidate in one step only, which did not reach it."
        ]

    def protected_or_ignored(self) -> list[str]:
        sentences = []
        for decision, word in ((Decision.PROTECT, "Protected"), (Decision.IGNORE, "Ignored")):
            rules = self._decided(decision)
            if rules:
                sentences.append(f"{word} by {_lines(rules)}: no candidate for deletion.")
        undecided = int((self._outcome.rule[self._rows] < 0).sum())
        if undecided:
            sentences.append(
                f"{_blocks(undecided)} without a decision: handed over in the last pass, or no longer in the partition."
            )
        return sentences


def _fraction(size_bytes: int, quota_bytes: int) -> str:
    filling = occupancy(size_bytes, quota_bytes)
    if math.isinf(filling):
        return "infinite: no quota"
    return f"{filling:.4f}" if quota_bytes > 0 else "0: unlimited quota"


def _line(rule: Rule) -> str:
    if rule.is_default:
        return f"the default ({rule.action.value})"
    return f"the {rule.text}" if rule.line < 0 else f"line {rule.line} ({rule.text})"


def _lines(rules: list[Rule]) -> str:
    return ", ".join(_line(rule) for rule in rules)


def _place(number: int, total: int) -> str:
    return "the only deletion" if total == 1 else f"number {number} of the {total:,} deletions"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _blocks(number: int) -> str:
    return _count(number, "block")
