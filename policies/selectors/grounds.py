"""On what a frozen plan rests: what decided it, what it read, and since when; asked again when its turn comes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from policies.choices import CycleKind, PlanKind
from policies.models import Partition, Plan
from policies.selectors.partitions import leaf_partitions

ORIGIN = "origin"
INVENTORY_AGE = "inventory_age"
FACT_FEED = "fact_feed"
GUARDRAIL = "guardrail"


@dataclass(frozen=True, slots=True)
class PlanGrounds:
    """What a plan was decided on.

    - ``seen_at``: the moment of the inventory that it was decided on, of its cycle's clock where that is earlier;
    - ``read_at``: the real time of that;
    - ``clock_lag``: how far the cycle's clock was behind it (s, 0 for a plan that no cycle made);
    - ``within``: limits (name, subject) that were judged and not passed: these must still hold;
    - ``waived``: limits that were passed, and somebody who may released the plan knowing it: these are not asked again.
    """

    plan_id: int
    kind: str
    partition_id: int | None
    cycle_id: int | None
    seen_at: datetime
    read_at: datetime
    clock_lag: float
    within: frozenset[tuple[str, str]]
    waived: frozenset[tuple[str, str]]

    @property
    def feeds(self) -> tuple[str, ...]:
        """Return the feeds of facts that it relied on, by name."""
        return tuple(sorted(subject for limit, subject in self.within if limit == FACT_FEED))

    def names(self, limit: str, judged: frozenset[tuple[str, str]]) -> frozenset[str]:
        """Return the subjects of *limit* among *judged*."""
        return frozenset(subject for name, subject in judged if name == limit)


def plan_grounds(plan_ids: Collection[int]) -> dict[int, PlanGrounds]:
    """Return the grounds of plans by key."""
    plans = Plan.objects.filter(pk__in=list(plan_ids)).annotate(clock=F("cycle__clock"), snapshot_at=F("cycle__snapshot_at"))
    columns = ("pk", "kind", "partition_id", "cycle_id", "clock", "snapshot_at", "frozen_at", "readings")
    return {row["pk"]: _grounds(row) for row in plans.values(*columns)}


def plans_of_replaced_policies(plan_ids: Collection[int]) -> dict[int, str]:
    """Return those plans of cycles whose text was the active version of an enabled policy and is not any more, and why."""
    rows = Plan.objects.filter(pk__in=list(plan_ids), kind=PlanKind.CYCLE, cycle__policy_version__isnull=False).annotate(
        policy=F("cycle__policy_version__policy__name"),
        number=F("cycle__policy_version__number"),
        active=F("cycle__policy_version__policy__active_version_id"),
        is_enabled=F("cycle__policy_version__policy__is_enabled"),
    )
    found: dict[int, str] = {}
    columns = ("pk", "policy", "number", "active", "is_enabled", "cycle__policy_version_id", "cycle__kind")
    for pk, policy, number, active, is_enabled, version, kind in rows.values_list(*columns):
        if active != version:
            found[pk] = f"{policy} v{number} is not the active version of the policy any more"
        elif not is_enabled and kind == CycleKind.AUTOMATIC:
            found[pk] = f"the policy {policy} was switched off since"
    return found


def partitions_changed_since(since: Mapping[int, datetime]) -> set[int]:
    """Return those partitions of *since* whose definition, or that of a part, was saved after the moment given for it."""
    changed: set[int] = set()
    for partition in Partition.objects.filter(pk__in=list(since)):
        concerned = {partition.pk, *(leaf.pk for leaf in leaf_partitions(partition))}
        if Partition.history.filter(id__in=concerned, history_date__gt=since[partition.pk]).exists():
            changed.add(partition.pk)
    return changed


def _grounds(row: dict[str, Any]) -> PlanGrounds:
    clock, snapshot_at = row["clock"], row["snapshot_at"]
    read_at = snapshot_at or row["frozen_at"]
    lag = 0.0 if clock is None or snapshot_at is None else max(0.0, (snapshot_at - clock).total_seconds())
    judged = [((found["limit"], found["subject"]), bool(found["is_tripped"])) for found in row["readings"]]
    return PlanGrounds(
        plan_id=row["pk"],
        kind=row["kind"],
        partition_id=row["partition_id"],
        cycle_id=row["cycle_id"],
        seen_at=read_at if clock is None else min(clock, read_at),
        read_at=read_at,
        clock_lag=lag,
        within=frozenset(name for name, is_tripped in judged if not is_tripped),
        waived=frozenset(name for name, is_tripped in judged if is_tripped),
    )
