"""Whether what a plan was decided on still stands when its turn comes: asked in the claim, before anything is deleted.

What a limit or guardrail said when the plan was judged is kept with the plan. One that was passed, knowing which somebody
released the plan, is not asked again; all others must still be within their bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inventory.selectors.reading import consistent_reader
from inventory.selectors.snapshot import datasets_accessed_since, inventory_standing, read_feeds
from policies.choices import PlanKind
from policies.language.ast import predicates
from policies.language.variables import POPULARITY
from policies.models import CycleSite
from policies.planning.outcome import GuardrailRule
from policies.selectors.grounds import (
    FACT_FEED,
    GUARDRAIL,
    INVENTORY_AGE,
    ORIGIN,
    PlanGrounds,
    partitions_changed_since,
    plan_grounds,
    plans_of_replaced_policies,
)
from policies.selectors.partitions import guardrails_of, partition_scope_by_id
from policies.services.guarding import GuardedScope, replicas_against
from policies.services.limits import judge_inventory_age
from policies.services.snapshots import GoneBlockReplica, snapshot_take_part

#: Looks at all block replicas of the scope, not those of one dataset: judged when the plan is frozen alone.
_OF_THE_WHOLE_SCOPE = "blockreplica.age_relative_to_newest"


@dataclass(frozen=True, slots=True)
class StandingItem:
    """A block replica that is about to go."""

    plan_id: int
    block_replica_key: int
    site_name: str
    dataset_name: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the inventory does not say of the datasets of some items.

    ``going``: block replicas that another plan deletes, or that go at another site, or may have lost files: they do not count.
    ``gone``: by plan, what it has deleted already at the site of the items: it counts, so that a replica that goes in several
    batches is judged as the whole that it was.
    """

    going: frozenset[int]
    gone: Mapping[int, Sequence[GoneBlockReplica]]


def plans_that_wait(plan_ids: Collection[int], *, now: datetime) -> dict[int, str]:
    """Return the plans that rest on an inventory or a feed of facts that has become too old since, and why; their items wait."""
    grounds = plan_grounds(plan_ids)
    found: dict[int, str] = {}
    if not grounds:
        return found
    age = judge_inventory_age(inventory_standing(), now)
    if age.is_tripped:
        found = {one.plan_id: age.text for one in grounds.values() if one.names(INVENTORY_AGE, one.within)}
    relying = [one for one in grounds.values() if one.feeds and one.plan_id not in found]
    if relying:
        with consistent_reader() as reader:
            feeds = read_feeds(reader)
        for one in relying:
            at = now - timedelta(seconds=one.clock_lag)
            stale = [name for name in one.feeds if name not in feeds or not feeds[name].is_fresh(at, read_at=now)]
            if stale:
                found[one.plan_id] = (
                    f"the facts of {', '.join(stale)}, on which the plan rests, have become too old; load them again"
                )
    return found


def items_without_grounds(
    items: Sequence[StandingItem], surroundings: Callable[[], Surroundings], *, now: datetime
) -> dict[int, str]:
    """Return, by key, the block replicas that must not go any more, and why.

    - the text of their cycle is not the active version of an enabled policy any more;
    - their partition was defined anew and they are not in it any more;
    - their dataset was read since, where the plan rests on popularity or is a campaign's;
    - a guardrail forbids it, in the state of now: what is being deleted elsewhere counts as gone, unknown counts as met.

    *surroundings* is asked only where a guardrail or a changed partition makes it matter.
    """
    grounds = plan_grounds({item.plan_id for item in items})
    by_plan: dict[int, list[StandingItem]] = defaultdict(list)
    for item in items:
        by_plan[item.plan_id].append(item)
    replaced = plans_of_replaced_policies(by_plan)
    found: dict[int, str] = {}
    for plan_id, some in by_plan.items():
        plan = grounds[plan_id]
        if plan_id in replaced and plan.names(ORIGIN, plan.within):
            found |= {item.block_replica_key: replaced[plan_id] for item in some}
            continue
        found |= _accessed(plan, some)
        left = [item for item in some if item.block_replica_key not in found]
        found |= _outside_or_guarded(plan, left, surroundings, now)
    return found


def _accessed(plan: PlanGrounds, items: Sequence[StandingItem]) -> dict[int, str]:
    if plan.kind != PlanKind.CAMPAIGN and POPULARITY not in plan.names(FACT_FEED, plan.within):
        return {}
    accessed = datasets_accessed_since({item.dataset_name for item in items}, plan.seen_at)
    return {
        item.block_replica_key: f"accessed at {accessed[item.dataset_name]:%Y-%m-%dT%H:%M:%SZ}, since the plan was made"
        for item in items
        if item.dataset_name in accessed
    }


def _outside_or_guarded(
    plan: PlanGrounds, items: Sequence[StandingItem], surroundings: Callable[[], Surroundings], now: datetime
) -> dict[int, str]:
    rails = _guardrails(plan)
    changed = plan.partition_id is not None and partitions_changed_since({plan.partition_id: plan.read_at})
    if not items or not (rails or changed):
        return {}
    scope = None if plan.partition_id is None or plan.cycle_id is None else partition_scope_by_id(plan.partition_id)
    conditions = () if scope is None else scope.conditions
    read = [*conditions, *(rail.condition for rail in rails)]
    at = now - timedelta(seconds=plan.clock_lag)
    around = surroundings()
    taken = snapshot_take_part(
        datasets={item.dataset_name for item in items},
        variables={p.variable.name for condition in read for p in predicates(condition.expression)},
        now=at,
        put_back=around.gone.get(plan.plan_id, ()),
    )
    guarded = GuardedScope(
        snapshot=taken.snapshot,
        membership=conditions,
        target_sites=None if plan.cycle_id is None else _target_sites(plan.cycle_id),
        now=at.timestamp(),
    )
    wanted = [item.block_replica_key for item in items]
    against = replicas_against(guarded, wanted, rails, going=around.going)
    if not changed:
        return against
    name = "" if scope is None else scope.name
    inside = guarded.members()
    outside = {key: f"not in the partition {name} any more: it was defined anew" for key in wanted if key not in inside}
    return against | outside


def _guardrails(plan: PlanGrounds) -> list[GuardrailRule]:
    waived = plan.names(GUARDRAIL, plan.waived)
    rails = [rail.rule for rail in guardrails_of(plan.partition_id) if rail.rule.name not in waived]
    return [rail for rail in rails if all(p.variable.name != _OF_THE_WHOLE_SCOPE for p in predicates(rail.condition.expression))]


def _target_sites(cycle_id: int) -> frozenset[str]:
    return frozenset(CycleSite.objects.filter(cycle_id=cycle_id).values_list("site_name", flat=True))
