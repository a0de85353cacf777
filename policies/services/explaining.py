"""Why a replica stays or goes: the cycle's text and clock, asked again on the inventory as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from policies.choices import CycleKind
from policies.language.ast import predicates
from policies.models import Cycle
from policies.planning.explain import ReplicaExplanation, UnknownReplica, explain_replica
from policies.planning.planner import variables_of
from policies.selectors.partitions import guardrails_of, partition_scope
from policies.services.cycles import parsed_policy
from policies.services.snapshots import snapshot_take


@dataclass(frozen=True, slots=True)
class CycleExplanation:
    """The explanation, None where the inventory has no such replica (any more): ``problem`` says what is missing.

    ``asked_at`` is when the inventory was read: it may have changed since the cycle, and quotas and guardrails with it.
    """

    explanation: ReplicaExplanation | None
    asked_at: datetime
    problem: str = ""


def replica_explain(*, cycle_id: int, dataset: str, site: str) -> CycleExplanation:
    """Explain the replica of *dataset* at *site* by text and clock of the cycle. Reads only; takes as long as a plan.

    Raises ``Cycle.DoesNotExist``, `PolicyInvalidError` where the text or a stored condition has errors, `PartitionUnknownError`,
    and what the providers of facts raise.
    """
    cycle = Cycle.objects.select_related("partition").get(pk=cycle_id)
    policy = parsed_policy(cycle.text, cycle.source, partition_name=cycle.partition.name)
    scope = partition_scope(cycle.partition.name)
    # Test runs are planned without guardrails (design, Belts), so they are explained without them.
    rails = [rail.rule for rail in guardrails_of(scope.id) if rail.is_protecting] if cycle.kind != CycleKind.TEST_RUN else []
    asked_at = timezone.now()
    named = {p.variable.name for condition in scope.conditions for p in predicates(condition.expression)}
    variables = frozenset(named | variables_of(policy, rails))
    snapshot = snapshot_take(quotas=scope.quotas, variables=variables, now=cycle.clock).snapshot
    try:
        found = explain_replica(
            policy,
            scope.conditions,
            snapshot,
            now=cycle.clock.timestamp(),
            dataset=dataset,
            site=site,
            deletion_per_iteration=cycle.deletion_per_iteration,
            guardrails=rails,
        )
    except UnknownReplica as missing:
        return CycleExplanation(None, asked_at, f"{missing}: what the cycle recorded is above.")
    return CycleExplanation(found, asked_at)
