"""Items of a plan by the names of their datasets: what an exception, a lock or a person's question concerns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from policies.choices import PlanKind, PlanState
from policies.models import Plan, PlanItem

_WILD = re.compile(r"[*?]")
_NAMES_PER_QUERY = 1000


@dataclass(frozen=True, slots=True)
class NamedItem:
    """One item of a plan, as much of it as says what it is."""

    id: int
    dataset_name: str
    size_bytes: int


def plan_items_named(plan_id: int, patterns: Collection[str]) -> list[NamedItem]:
    """Return the items of a plan whose dataset's whole name fits one of *patterns* (``*``, ``?``), each once, in order."""
    exact = sorted({pattern for pattern in patterns if not _WILD.search(pattern)})
    wild = sorted({pattern for pattern in patterns if _WILD.search(pattern)})
    found: dict[int, NamedItem] = {}
    for condition in [*_exactly(exact), *_fitting(wild)]:
        rows = PlanItem.objects.filter(condition, plan_id=plan_id).order_by("sequence")
        for pk, dataset, size in rows.values_list("pk", "dataset_name", "size_bytes"):
            found[pk] = NamedItem(pk, dataset, size)
    return [found[pk] for pk in sorted(found)]


def plan_datasets_named(plan_id: int, patterns: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return number and bytes of a plan's items by dataset, of those whose whole name fits one of *patterns* (``*``, ``?``)."""
    exact = sorted({pattern for pattern in patterns if not _WILD.search(pattern)})
    wild = sorted({pattern for pattern in patterns if _WILD.search(pattern)})
    found: dict[str, tuple[int, int]] = {}
    for condition in [*_exactly(exact), *_fitting(wild)]:
        rows = PlanItem.objects.filter(condition, plan_id=plan_id).order_by().values("dataset_name")
        summed = rows.annotate(number=Count("pk"), size=Sum("size_bytes"))
        found |= {name: (number, size) for name, number, size in summed.values_list("dataset_name", "number", "size")}
    return found


def plan_kinds(plan_ids: Collection[int]) -> dict[int, str]:
    """Return where the lists of these plans come from."""
    return dict(Plan.objects.filter(pk__in=list(plan_ids)).values_list("pk", "kind"))


def plan_states(plan_ids: Collection[int]) -> dict[int, str]:
    """Return how these plans stand."""
    return dict(Plan.objects.filter(pk__in=list(plan_ids)).values_list("pk", "state"))


def keys_in_other_campaigns(*, except_plans: Collection[int]) -> QuerySet[PlanItem, int | None]:
    """Return the block replicas that open plans of other campaigns delete, of whatever partition: these may overlap."""
    is_open = [PlanState.FROZEN, PlanState.HELD, PlanState.RELEASED]
    items = PlanItem.objects.filter(plan__kind=PlanKind.CAMPAIGN, plan__state__in=is_open)
    return items.exclude(plan_id__in=list(except_plans)).order_by("block_replica_key").values_list("block_replica_key", flat=True)


def _exactly(names: list[str]) -> Iterator[Q]:
    for start in range(0, len(names), _NAMES_PER_QUERY):
        yield Q(dataset_name__in=names[start : start + _NAMES_PER_QUERY])


def _fitting(patterns: list[str]) -> Iterator[Q]:
    for start in range(0, len(patterns), 50):
        condition = Q()
        for pattern in patterns[start : start + 50]:
            condition |= Q(dataset_name__wildcard=pattern)
        yield condition
