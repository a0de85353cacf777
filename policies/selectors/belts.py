"""What the limits on plans read: of the newest plan of each partition, beside the limit that holds now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Max

from inventory.selectors.snapshot import inventory_standing
from inventory.selectors.wording import when_text
from policies.choices import PlanKind
from policies.models import Guardrail, Partition, Plan

#: What a guardrail is of that is not of one partition.
EVERY_PARTITION = "every partition"

_NAMES = {"site_fraction": "part of a site's quota", "partition_fraction": "part of the partition"}


@dataclass(frozen=True, slots=True)
class PlanBelt:
    """A limit on plans of a partition, and what the newest plan read: ``value`` at ``subject``, the worst site, or None."""

    name: str
    partition: str
    bound: float
    value: float | None
    subject: str
    text: str
    is_tripped: bool
    frozen_at: datetime | None
    setting: str


@dataclass(frozen=True, slots=True)
class GuardrailBelt:
    """A guardrail, and what it read in the newest plans."""

    name: str
    partition: str
    condition: str
    reading: str
    is_tripped: bool


@dataclass(frozen=True, slots=True)
class InventoryAge:
    """How old the inventory is, in hours, beside the limit (None: there is none)."""

    value: float | None
    bound: float | None
    is_tripped: bool
    text: str


def newest_plans() -> dict[int, Plan]:
    """Return the newest plan of a cycle of each partition, by partition."""
    newest = Plan.objects.filter(kind=PlanKind.CYCLE, num_items__gt=0).order_by().values("partition").annotate(newest=Max("pk"))
    rows = Plan.objects.filter(pk__in=[row["newest"] for row in newest]).only("partition_id", "readings", "frozen_at")
    return {plan.partition_id: plan for plan in rows if plan.partition_id is not None}


def plan_belts(newest: Mapping[int, Plan]) -> list[PlanBelt]:
    """Return, by partition, what part of a site's quota and of the partition its newest plan would delete."""
    found: list[PlanBelt] = []
    for partition in Partition.objects.order_by("name"):
        plan = newest.get(partition.pk)
        own = {"site_fraction": partition.max_site_fraction, "partition_fraction": partition.max_partition_fraction}
        found += [_belt(partition, plan, limit, own[limit]) for limit in own]
    return found


def plan_belts_at(site_name: str) -> list[PlanBelt]:
    """Return, by partition, the part of its quota at a site that the newest plan would delete; none where it deletes nothing."""
    plans = newest_plans()
    found = []
    for partition in Partition.objects.filter(pk__in=plans).order_by("name"):
        belt = _belt(partition, plans[partition.pk], "site_fraction", partition.max_site_fraction, site_name=site_name)
        if belt.subject:
            found.append(belt)
    return found


def guardrail_belts(newest: Mapping[int, Plan]) -> list[GuardrailBelt]:
    """Return the enabled guardrails by name, each with how many deletions of the newest plans met it when these were judged."""
    read: dict[str, int] = {}
    for plan in newest.values():
        for reading in _of(plan, "guardrail"):
            read[reading["subject"]] = read.get(reading["subject"], 0) + int(reading["value"] or 0)
    return [
        GuardrailBelt(
            name=rail.name,
            partition=rail.partition.name if rail.partition is not None else EVERY_PARTITION,
            condition=rail.condition,
            reading=f"{read[rail.name]} deletions of the newest plans met it" if rail.name in read else "no plan was judged yet",
            is_tripped=bool(read.get(rail.name)),
        )
        for rail in Guardrail.objects.filter(is_enabled=True).select_related("partition").order_by("name")
    ]


def inventory_age(now: datetime) -> InventoryAge:
    """Return how old the inventory is. Source: ``policies.services.limits.judge_inventory_age``, which judges plans by it."""
    bound = float(settings.DYNAMO_MAX_INVENTORY_AGE_HOURS)
    standing = inventory_standing()
    updated_at = standing.updated_at
    if standing.half_loaded:
        return InventoryAge(None, bound or None, is_tripped=True, text=standing.half_loaded)
    if updated_at is None:
        return InventoryAge(None, bound or None, bool(bound), "no document was ever injected")
    hours = (now - updated_at).total_seconds() / 3600
    return InventoryAge(hours, bound or None, bool(bound) and hours > bound, f"brought up to date {when_text(updated_at)}")


def _of(plan: Plan | None, limit: str) -> Iterable[dict[str, Any]]:
    return [reading for reading in (plan.readings if plan is not None else []) if reading.get("limit") == limit]


def _belt(partition: Partition, plan: Plan | None, limit: str, own: float | None, *, site_name: str = "") -> PlanBelt:
    """Return the worst reading of a limit, or that at one site."""
    readings = [reading for reading in _of(plan, limit) if not site_name or reading["subject"] == site_name]
    worst = max(readings, key=lambda reading: (reading["is_tripped"], reading["value"] or 0.0), default=None)
    setting = f"DYNAMO_MAX_{limit.upper()}"
    return PlanBelt(
        name=_NAMES[limit],
        partition=partition.name,
        bound=getattr(settings, setting) if own is None else own,
        value=None if worst is None else worst["value"],
        subject="" if worst is None or limit != "site_fraction" else worst["subject"],
        text="" if worst is None else worst["text"],
        is_tripped=worst is not None and bool(worst["is_tripped"]),
        frozen_at=None if plan is None else plan.frozen_at,
        setting=setting if own is None else "of the partition",
    )
