"""Policy tests: what a policy must decide, held against what it decides on the inventory as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from inventory.services.audit import Actor, audit_record
from policies.evaluation.columns import Snapshot
from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.evaluator import StackEvaluator
from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.state import CycleState
from policies.exceptions import PolicyInvalidError
from policies.language.ast import Policy as PolicyText
from policies.language.ast import Rule, predicates
from policies.language.expectations import Expectation, parse_expectations
from policies.language.types import Action
from policies.models import Policy
from policies.permissions import CHANGE_POLICY, require
from policies.planning.decisions import WORDS
from policies.planning.outcome import Decision, Outcome
from policies.services.scoped import scope_read


@dataclass(frozen=True, slots=True)
class CounterExample:
    """A replica that is decided otherwise than an expectation says: the word of the decision and its line (0 = default)."""

    dataset: str
    site: str
    decision: str
    line: int | None


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """How an expectation fared: replicas it is about, how many are decided otherwise, and the first of those by site and name."""

    expectation: Expectation
    num_replicas: int
    num_failures: int
    counter_example: CounterExample | None

    @property
    def is_met(self) -> bool:
        """Tell whether no replica is decided otherwise; an expectation about nothing is met."""
        return self.counter_example is None


def expectations_parse(text: str, *, file_name: str) -> tuple[Expectation, ...]:
    """Return the expectations of *text*. Raises ``PolicyInvalidError`` with the diagnostics."""
    found, diagnostics = parse_expectations(text, file_name=file_name)
    errors = [d for d in diagnostics if d.is_error]
    if errors:
        raise PolicyInvalidError(file_name, errors)
    return found


@transaction.atomic
def policy_expectations_set(*, policy_id: int, text: str, actor: Actor) -> Policy:
    """Replace the expectations of a policy. Raises ``PolicyInvalidError``, ``PermissionDenied``."""
    policy = Policy.objects.select_for_update(of=("self",)).get(pk=policy_id)
    require(actor, CHANGE_POLICY, policy)
    expectations = expectations_parse(text, file_name=f"expectations of {policy}")
    policy.expectations = text
    policy.save(update_fields=["expectations"])
    audit_record(
        actor=actor,
        action="policies.expectations_set",
        subject=policy.name,
        details={"expectations": [e.text for e in expectations]},
    )
    return policy


def policy_test(
    *, policy: PolicyText, expectations: Sequence[Expectation], now: datetime, deletion_per_iteration: float = 0.01
) -> list[ExpectationResult]:
    """Plan *policy* on a fresh snapshot, without guardrails, and hold each expectation against the decisions.

    Reads only. Raises what ``scope_read`` raises.
    """
    conditions = [expectation.condition for expectation in expectations]
    read = scope_read([policy], now=now, with_guardrails=False, conditions=conditions)
    outcome = read.plan(policy, deletion_per_iteration=deletion_per_iteration)
    return expectations_hold(expectations, outcome, read.snapshot, now=now.timestamp())


def expectations_hold(
    expectations: Sequence[Expectation], outcome: Outcome, snapshot: Snapshot, *, now: float
) -> list[ExpectationResult]:
    """Hold each expectation against *outcome*; *snapshot* must hold the facts that its condition names."""
    if not expectations:
        return []
    arrays = InventoryArrays(snapshot)
    return [_hold(expectation, outcome, arrays, now) for expectation in expectations]


def result_row(result: ExpectationResult) -> dict[str, Any]:
    """Return *result* as it is kept in the database and shown."""
    example = result.counter_example
    return {
        "line": result.expectation.line,
        "text": result.expectation.text,
        "is_met": result.is_met,
        "num_replicas": result.num_replicas,
        "num_failures": result.num_failures,
        "failure": failure_text(result),
        "dataset": example.dataset if example is not None else "",
        "site": example.site if example is not None else "",
    }


def failure_text(result: ExpectationResult) -> str:
    """Return in one sentence what an unmet expectation found; empty for one that is met."""
    example = result.counter_example
    if example is None:
        return ""
    by = {None: "no rule", 0: "the default"}.get(example.line, f"line {example.line}")
    return (
        f"'{result.expectation.text}' fails for {result.num_failures:,} of {result.num_replicas:,} replicas; "
        f"{example.dataset} at {example.site}: {example.decision} by {by}"
    )


def _hold(expectation: Expectation, outcome: Outcome, arrays: InventoryArrays, now: float) -> ExpectationResult:
    about = _replicas_meeting(expectation, outcome, arrays, now)
    rows = np.flatnonzero(outcome.in_scope & np.isin(arrays.row_replica, about))
    is_expected = outcome.decision[rows] == _CODE_OF[expectation.word]
    wrong = rows[is_expected if expectation.is_negated else ~is_expected]
    failing = np.unique(arrays.row_replica[wrong])
    example = _counter_example(int(wrong[0]), outcome, arrays.snapshot) if len(wrong) else None
    return ExpectationResult(expectation, len(about), len(failing), example)


def _replicas_meeting(expectation: Expectation, outcome: Outcome, arrays: InventoryArrays, now: float) -> NDArray[np.int64]:
    """Return the replicas with blocks in scope that meet the condition as the cycle starts; unknown does not meet it."""
    newest = float(arrays.row_time[outcome.in_scope].max(initial=0.0))
    compiler = ConditionCompiler(arrays, now, newest_in_scope=newest)
    met = Rule(Action.DELETE, is_block=False, condition=expectation.condition, line=expectation.line, text=expectation.text)
    rest = Rule(Action.PROTECT, is_block=False, condition=None, line=0, text="Protect")
    stack = StackEvaluator((met, rest), compiler, arrays.snapshot.datasets.get_column("name").to_list(), now)
    variables = {p.variable.name for p in predicates(expectation.condition.expression)}
    nothing = np.zeros(len(arrays.replica_site), dtype=np.bool_)
    state = CycleState(arrays, outcome.in_scope, nothing, variables)
    replicas = np.unique(arrays.row_replica[outcome.in_scope]).astype(np.int64)
    chosen: NDArray[np.int64] = replicas[stack.evaluate(state, replicas).final_rule == 0]
    return chosen


def _counter_example(row: int, outcome: Outcome, snapshot: Snapshot) -> CounterExample:
    dataset, site = snapshot.replicas.row(snapshot.block_replicas.get_column("replica")[row])
    rule = int(outcome.rule[row])
    return CounterExample(
        dataset=snapshot.datasets.get_column("name")[dataset],
        site=snapshot.sites.get_column("name")[site],
        decision=WORDS[Decision(int(outcome.decision[row]))],
        line=outcome.rules[rule].decision_line if rule >= 0 else None,
    )


_CODE_OF = {word: int(decision) for decision, word in WORDS.items()}
