"""What the linter calls certain is so in the engine: without a rule that it reports as shadowed or contradictory, a cycle plans
the same, whatever the inventory holds (blocks, hidden blocks, unknown facts, blocks handed over)."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace

from policies.language.ast import Policy, predicates
from policies.language.linter import lint_policy
from policies.language.parser import parse_policy
from tests.factories.strategies import RandomCycle, seeded_cycle
from tests.unit.policies.planning_case import Comparable, comparable_plan, plan_random

#: Cycles that are tried; more in a long hunt, from another first one.
CYCLES = int(os.environ.get("DYNAMO_LINTER_CYCLES", "600"))
FIRST = int(os.environ.get("DYNAMO_LINTER_FIRST", "0"))
ACTIONS = ("Dismiss", "Delete", "Protect", "Ignore", "DismissBlock", "DeleteBlock", "ProtectBlock")
VARIABLES = ("dataset.usage_rank", "replica.size", "dataset.attr.runs", "blockreplica.num_full_disk_copy")
FRAME = ("Partition", "On", "When", "Until", "Order", "Algo")


def test_rules_reported_as_dead_decide_nothing() -> None:
    tried: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + CYCLES):
        case = _with_repetitions(seeded_cycle(seed), random.Random(seed))
        policy = parse_policy(case.policy).policy
        assert policy is not None
        dead = _dead_rules(policy)
        if not dead:
            continue
        with_them = _plan(case)
        for line, code in dead.items():
            tried[code] += 1
            assert _plan(replace(case, policy=_without(case.policy, line))) == with_them, (seed, line, case.policy)
    assert tried["P701"] >= CYCLES // 20
    assert tried["P702"] >= CYCLES // 60


def _plan(case: RandomCycle) -> Comparable:
    return comparable_plan(*plan_random(case))


def _with_repetitions(case: RandomCycle, source: random.Random) -> RandomCycle:
    """Put narrower, wider and contradictory forms of the rules behind them, so that there is something to report."""
    lines: list[str] = []
    for line in case.policy.splitlines():
        lines.append(line)
        word, _, condition = line.partition(" ")
        if word in FRAME or not condition or "@" in condition or " until " in condition or " from " in condition:
            continue
        if source.random() < 0.5:
            action = source.choice(ACTIONS)
            extra = source.choice(("", " and replica.size > 0", " and blockreplica.owner == DataOps"))
            lines.append(f"{action} ({condition}){extra}" if " or " in condition else f"{action} {condition}{extra}")
        if source.random() < 0.3:
            variable = source.choice(
                ("dataset.usage_rank", "replica.size", "dataset.attr.runs", "blockreplica.num_full_disk_copy")
            )
            action = source.choice(ACTIONS)
            lines.append(f"{action} {variable} > 4 and {variable} < 3")
    return replace(case, policy="\n".join(lines) + "\n")


def _dead_rules(policy: Policy) -> dict[int, str]:
    """Return line -> code of the rules that are reported as dead; a contradiction in one branch of an or leaves the others."""
    rules = {rule.line: rule for rule in policy.rules}
    found = {}
    for finding in lint_policy(policy):
        rule = rules.get(finding.span.line)
        if finding.code not in ("P701", "P702") or rule is None or rule.condition is None:
            continue
        if finding.code == "P701" or (" or " not in rule.condition.text and list(predicates(rule.condition.expression))):
            found[finding.span.line] = finding.code
    return found


def _without(text: str, line: int) -> str:
    """Return the text with a comment in the place of *line*, so that the others keep their numbers."""
    lines = text.splitlines()
    lines[line - 1] = "#"
    return "\n".join(lines) + "\n"
