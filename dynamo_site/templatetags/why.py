"""The parts of the page that says why: what became of the replica, where its dataset is, and what happened to it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django import template
from django.template import Context

from dynamo_site.fates import dataset_places, replica_fates
from dynamo_site.stories import STORY_RIGHTS, dataset_story
from inventory.selectors.wording import plural
from policies.evaluation.explain import RuleOutcome, RuleTrace

register = template.Library()

#: Events of the replica that the page shows.
_EVENTS_SHOWN = 12
#: So many rules in a row that did nothing are folded into one line: campaigns have thousands.
_FOLDED_FROM = 12
_IDLE = (RuleOutcome.FALSE, RuleOutcome.NOT_REACHED, RuleOutcome.OFF)


@dataclass(frozen=True, slots=True)
class LadderPart:
    """Rules that follow each other; with a ``summary`` they are folded behind it."""

    rungs: Sequence[RuleTrace]
    summary: str = ""


@register.filter
def ladder(rules: Sequence[RuleTrace]) -> list[LadderPart]:
    """Return the stack in parts, long runs of rules that did nothing folded."""
    parts = []
    for outcome, run in groupby(rules, key=lambda rung: rung.outcome):
        rungs = list(run)
        is_folded = outcome in _IDLE and len(rungs) >= _FOLDED_FROM
        parts.append(LadderPart(rungs, _summary(outcome, len(rungs)) if is_folded else ""))
    return parts


def _summary(outcome: RuleOutcome, number: int) -> str:
    if outcome is RuleOutcome.FALSE:
        return plural(number, "rule does not match", "rules do not match")
    if outcome is RuleOutcome.OFF:
        return plural(number, "rule is off", "rules are off")
    return plural(number, "rule was not reached", "rules were not reached")


@register.inclusion_tag("dynamo/why_fates.html", takes_context=True)
def why_fates(context: Context) -> dict[str, Any]:
    """One sentence per decision on the replica of the page; for who may not see deletions, what was decided alone."""
    cycle, why = context["cycle"], context.get("why")
    explanation = why.explanation if why is not None else None
    may_look = _may_look(context)
    fates = replica_fates(
        cycle,
        context["recorded"],
        explanation,
        dataset=context["dataset"],
        site=context["site"],
        with_outcome=may_look,
    )
    return {
        "fates": fates,
        "cycle": cycle,
        "dataset": context["dataset"],
        "site": context["site"],
        "problem": why.problem if why is not None else "",
        "may_look": may_look,
    }


@register.inclusion_tag("dynamo/why_places.html", takes_context=True)
def why_places(context: Context) -> dict[str, Any]:
    """The sites with a copy of the dataset: how complete it is, and what the cycle decided there."""
    if not _may_look(context):
        return {"places": []}
    places = dataset_places(context["decided"], dataset=context["dataset"], site=context["site"])
    return {"places": places, "cycle": context["cycle"], "dataset": context["dataset"]}


@register.inclusion_tag("dynamo/why_history.html", takes_context=True)
def why_history(context: Context) -> dict[str, Any]:
    """What happened to the replica, newest first."""
    asked = {"dataset": context["dataset"], "site": context["site"]}
    if not _may_look(context):
        return asked
    return asked | {"events": dataset_story(asked["dataset"], site=asked["site"], cycle=context["cycle"], limit=_EVENTS_SHOWN)}


def _may_look(context: Context) -> bool:
    user = context["request"].user
    return all(user.has_perm(right) for right in STORY_RIGHTS)
