"""``allow last copy``: a clause that marks what a rule deletes and changes no decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.language.formatter import format_policy
from policies.language.parser import parse_condition, parse_policy
from tests.factories.strategies import RandomCycle, seeded_cycle
from tests.unit.policies.planning_case import comparable_plan, plan_random

CLAUSE = " allow last copy"
FRAME = "Partition P\nOn site.name == *\nWhen always\nUntil never\n{}\nProtect\n"


def allowed_everywhere(case: RandomCycle) -> RandomCycle:
    """Return *case* with the clause on every rule that may have it."""
    lines = case.policy.splitlines()
    may = ("Delete ", "DeleteBlock ", "Dismiss ", "DismissBlock ")
    return replace(case, policy="\n".join(line + CLAUSE if line.startswith(may) else line for line in lines) + "\n")


def test_no_decision_depends_on_the_clause() -> None:
    marked = 0
    for seed in range(120):
        case = seeded_cycle(seed)
        outcome, snapshot = plan_random(allowed_everywhere(case))
        assert comparable_plan(outcome, snapshot) == comparable_plan(*plan_random(case)), case.policy
        for deletion in outcome.deletions:
            rule = outcome.rules[deletion.rule]
            assert rule.allows_last_copy == (not rule.is_default)
            marked += rule.allows_last_copy
    assert marked > 30


@pytest.mark.parametrize(
    "rule",
    [
        "Delete dataset.status == DEPRECATED",
        "DismissBlock blockreplica.owner == IB RelVal",
        "Dismiss @old(owner=higgs, reason=may allow last copy) dataset.name == /A/*/* and dataset.status in [INVALID DEPRECATED]",
        "Delete (dataset.name =~ /A/(?:B|C) or replica.incomplete) until 2026-03-01",
    ],
)
def test_the_clause_is_read_kept_by_the_formatter_and_no_part_of_the_condition(rule: str) -> None:
    text = FRAME.format(f"{rule}{CLAUSE}  # agreed with the owner")
    found = parse_policy(text).policy
    plain = parse_policy(FRAME.format(rule)).policy
    assert found is not None
    assert plain is not None
    assert [r.allows_last_copy for r in (*found.rules, found.default, *plain.rules)] == [True, False, False]
    assert (found.rules[0].condition, found.rules[0].label) == (plain.rules[0].condition, plain.rules[0].label)
    assert found.rules[0].text == f"{rule}{CLAUSE}"
    assert format_policy(text) == text
    assert format_policy(text.replace(" allow last", "  allow   last")) == text


@pytest.mark.parametrize("line", ["Protect", "Ignore", "ProtectBlock"])
def test_a_rule_that_deletes_nothing_cannot_carry_it(line: str) -> None:
    errors = parse_policy(FRAME.format(f"{line} blockreplica.is_locked{CLAUSE}")).errors
    assert [error.code for error in errors] == ["P120"]


def test_the_default_cannot_carry_it() -> None:
    errors = parse_policy(FRAME.replace("\nProtect\n", f"\nDelete{CLAUSE}\n").format("")).errors
    assert "P120" in [error.code for error in errors]


@pytest.mark.parametrize("text", ["dataset.name == /A/B/C allow last copy", "site.name == T2_A allow the last copies"])
def test_a_condition_elsewhere_never_swallows_the_words(text: str) -> None:
    condition, findings = parse_condition(text)
    assert condition is None
    assert [finding.code for finding in findings] == ["P121"]
