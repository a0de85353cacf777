"""One cycle of a policy on one snapshot: passes over the rule stack, steps of deletions, until no candidate is left.

Source: language page, section 5. The same snapshot, policy and clock give the same outcome on every machine: all orders
are those of the snapshot's names, all sums of bytes are integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from policies.evaluation.columns import Snapshot
from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.evaluator import StackEvaluator
from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.matching import Mask
from policies.evaluation.membership import Membership
from policies.evaluation.state import CycleState
from policies.language.ast import Condition, Policy, Rule, predicates
from policies.language.types import Action
from policies.planning.cycle import Cycle
from policies.planning.limits import SiteLedger
from policies.planning.ordering import CandidateOrder
from policies.planning.outcome import GuardrailRule, Outcome
from policies.planning.passes import first_pass, repeated_pass
from policies.planning.steps import greedy_step, static_step
from policies.planning.watching import Watch

#: Called with what is being done and how far it is (0 to 1).
Progress = Callable[[str, float], None]


def plan_cycle(
    policy: Policy,
    membership: tuple[Condition, ...],
    snapshot: Snapshot,
    *,
    now: float,
    deletion_per_iteration: float = 0.01,
    guardrails: Sequence[GuardrailRule] = (),
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Return what *policy* decides on *snapshot*; nothing but the arguments is read, nothing is changed.

    *membership*: conditions of the partition, a block replica is in it where any holds; *now*: the cycle's clock, s since
    1970, UTC; *deletion_per_iteration*: share of a site's quota after which a step ends; *guardrails*: those that protect,
    put on top of the stack with the lines -1, -2, ...; *progress* is told how far the work is;
    *watch* notes the states in which one replica was evaluated.

    Raises:
        MissingColumn: the policy names a fact that the snapshot does not hold.
        UnsortedSnapshot: the snapshot is not in the order that it promises.
        ValueError: *deletion_per_iteration* is negative or no number; no step could delete anything.
    """
    if not deletion_per_iteration >= 0:
        raise ValueError(f"deletion_per_iteration must be a share of the quota from 0 on, not {deletion_per_iteration}")
    report = progress or (lambda _what, _share: None)
    report("reading", 0.0)
    arrays = InventoryArrays(snapshot)
    partition = Membership(membership, arrays, now)
    members = partition.members()
    ledger = SiteLedger(arrays, members, policy.stops, now=now, deletion_per_iteration=deletion_per_iteration)
    targets = np.array(ledger.meets(policy.targets), dtype=np.bool_)
    triggered = ledger.meets(policy.triggers)
    ledger.is_triggered = [bool(target) and trigger for target, trigger in zip(targets, triggered, strict=True)]

    report("evaluating", 0.0)
    cycle, compiler = begin_cycle(policy, guardrails, partition, ledger, members=members, targets=targets, now=now, watch=watch)
    dirty = first_pass(cycle)
    order = CandidateOrder(policy.order, compiler)
    step = static_step if policy.is_static else greedy_step
    num_passes, num_steps = 1, 0
    num_busy = max(1, cycle.num_sites_with_candidates())
    while cycle.has_candidates():
        report("planning", max(0.0, 1.0 - cycle.num_sites_with_candidates() / num_busy))
        num_steps += 1
        touched = step(cycle, order, num_steps)
        cycle.end_step()
        dirty = repeated_pass(cycle, np.union1d(dirty, touched))
        num_passes += 1
    report("planning", 1.0)
    return cycle.outcome(np.flatnonzero(targets), num_passes=num_passes, num_steps=num_steps)


def begin_cycle(
    policy: Policy,
    guardrails: Sequence[GuardrailRule],
    partition: Membership,
    ledger: SiteLedger,
    *,
    members: Mask,
    targets: Mask,
    now: float,
    newest_in_scope: float | None = None,
    watch: Watch | None = None,
) -> tuple[Cycle, ConditionCompiler]:
    """Return a cycle before its first pass, and the compiler of its conditions.

    *members*, *targets*: the partition's block replicas and the sites that met ``On``; *newest_in_scope*: where the arrays
    hold a part of the cycle only, the newest ``last_update`` of the whole.
    """
    arrays = ledger.arrays
    rules = applied_rules(policy, guardrails)
    at_target = targets[arrays.replica_site]
    in_scope = members & at_target[arrays.row_replica]
    empty = empty_tape_replicas(arrays) & at_target
    state = CycleState(arrays, in_scope, empty, variables_of(policy, guardrails))
    newest = float(arrays.row_time[in_scope].max(initial=0.0)) if newest_in_scope is None else newest_in_scope
    compiler = ConditionCompiler(arrays, now, newest_in_scope=newest)
    stack = StackEvaluator(rules, compiler, arrays.snapshot.datasets.get_column("name").to_list(), now)
    return Cycle(rules, state, partition, ledger, stack, newest_in_scope=newest, watch=watch), compiler


def applied_rules(policy: Policy, guardrails: Sequence[GuardrailRule]) -> tuple[Rule, ...]:
    """Return the stack as it is applied: protecting guardrails as lines -1, -2, ..., the rules, the default last."""
    on_top = (
        Rule(
            Action.PROTECT,
            is_block=False,
            condition=rail.condition,
            line=-number,
            text=f"guardrail {rail.name}: {rail.condition.text}",
        )
        for number, rail in enumerate(guardrails, start=1)
    )
    return (*on_top, *policy.rules, policy.default)


def variables_of(policy: Policy, guardrails: Sequence[GuardrailRule]) -> set[str]:
    """Return the names of all variables that the policy and the guardrails read."""
    names = {variable.name for variable in policy.variables()}
    for rail in guardrails:
        names |= {predicate.variable.name for predicate in predicates(rail.condition.expression)}
    return names


def empty_tape_replicas(arrays: InventoryArrays) -> Mask:
    """Tell which replicas at tape sites hold no block replica of a dataset that has blocks: they take part with 0 bytes [102]."""
    holds_nothing = np.diff(arrays.first_row) == 0
    takes_part: Mask = holds_nothing & arrays.site_is_tape[arrays.replica_site]
    return takes_part & (arrays.dataset_blocks[arrays.replica_dataset] > 0)
