"""A partition read for one clock: definition, quotas, guardrails and one snapshot of the inventory, to plan policies on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.evaluation.columns import Snapshot
from policies.exceptions import PolicyError
from policies.facts.registry import PROVIDERS
from policies.facts.request import Provider
from policies.language.ast import Condition, Policy
from policies.planning.outcome import GuardrailRule, Outcome
from policies.planning.planner import Progress, plan_cycle
from policies.selectors.partitions import GuardrailScope, PartitionScope, guardrails_of, partition_scope
from policies.services.snapshots import TakenSnapshot, scope_variables, snapshot_take


@dataclass(frozen=True, slots=True)
class ReadScope:
    """What policies of one partition are planned on.

    ``guardrails``: those that hold for the partition; none where texts are asked alone, as most test runs do.
    """

    scope: PartitionScope
    guardrails: tuple[GuardrailScope, ...]
    taken: TakenSnapshot
    now: datetime

    @property
    def snapshot(self) -> Snapshot:
        return self.taken.snapshot

    @property
    def protecting(self) -> tuple[GuardrailRule, ...]:
        """The guardrails that stand as Protect rules on top of a text."""
        return tuple(rail.rule for rail in self.guardrails if rail.is_protecting)

    def plan(self, policy: Policy, *, deletion_per_iteration: float, progress: Progress | None = None) -> Outcome:
        """Return what *policy* decides here. Raises what ``plan_cycle`` raises."""
        return plan_cycle(
            policy,
            self.scope.conditions,
            self.snapshot,
            now=self.now.timestamp(),
            deletion_per_iteration=deletion_per_iteration,
            guardrails=self.protecting,
            progress=progress,
        )


def scope_read(
    policies: Sequence[Policy],
    *,
    now: datetime,
    with_guardrails: bool,
    conditions: Sequence[Condition] = (),
    also_read: Collection[str] = (),
    providers: Mapping[str, Provider] = PROVIDERS,
) -> ReadScope:
    """Read the partition of *policies* with what they name, and with its guardrails where these count.

    *conditions*: expectations held beside them; *also_read*: variables that the caller needs on top. Raises `PolicyError`
    where a policy names no partition or they name different ones, what `partition_scope` and `guardrails_of` raise for
    stored definitions, and what `snapshot_take` raises; there is no partial snapshot.
    """
    scope = partition_scope(common_partition(policies))
    guardrails = tuple(guardrails_of(scope.id)) if with_guardrails else ()
    asked = [*(rail.rule.condition for rail in guardrails), *conditions]
    variables = scope_variables(policies, scope, asked) | frozenset(also_read)
    taken = snapshot_take(quotas=scope.quotas, variables=variables, now=now, providers=providers)
    return ReadScope(scope, guardrails, taken, now)


def common_partition(policies: Sequence[Policy]) -> str:
    """Return the partition that all *policies* name. Raises `PolicyError` where one names none, or another one."""
    first = policies[0]
    for policy in policies:
        if policy.partition is None:
            raise PolicyError(f"{policy.file_name} names no partition: name one beside it")
        if policy.partition != first.partition:
            raise PolicyError(
                f"{first.file_name} works in the partition {first.partition}, {policy.file_name} in {policy.partition}"
            )
    return first.partition or ""
