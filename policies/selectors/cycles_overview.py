"""Read models of the cycle, plan and policy pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum

from policies.choices import CycleKind, CycleState, PlanState
from policies.models import Cycle, CycleRule, Plan, PlanItem, Policy, PolicyVersion


@dataclass(frozen=True, slots=True)
class CycleRow:
    """A cycle in a strip or list; ``deleted_bytes`` is what its plan deletes."""

    pk: int
    partition_name: str
    source: str
    kind: str
    kind_text: str
    state: str
    state_text: str
    started_at: datetime
    duration: timedelta | None
    deleted_bytes: int
    num_deleted_replicas: int
    plan_id: int | None
    plan_state: str
    error: str


@dataclass(frozen=True, slots=True)
class HeldPlan:
    """A plan that a safety limit or a guardrail holds; ``tripped``: their readings, each with its ``text``."""

    pk: int
    cycle_id: int | None
    partition_name: str
    size_bytes: int
    num_items: int
    frozen_at: datetime
    tripped: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of a policy text with what the rule on it decided in a cycle; counts are None where no rule stands."""

    number: int
    text: str
    num_replicas: int | None = None
    num_block_replicas: int | None = None
    size_bytes: int | None = None

    @property
    def is_dead(self) -> bool:
        """Tell whether a rule stands here that decided nothing."""
        return self.num_block_replicas == 0 and self.num_replicas == 0


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a policy in its timeline."""

    pk: int
    number: int
    comment: str
    created_at: datetime
    created_by: str
    activated_at: datetime | None
    activated_by: str
    is_active: bool
    tested_cycle_id: int | None


@dataclass(frozen=True, slots=True)
class DatasetPlanned:
    """What plans held for a dataset at a site: one row per plan and rule; no ``cycle_id`` where none made the plan."""

    cycle_id: int | None
    plan_id: int
    plan_state: str
    plan_state_text: str
    at: datetime
    site_name: str
    action: str
    line: int | None
    rule_text: str
    size_bytes: int
    source: str


def recent_cycles(limit: int = 14, *, partition_id: int | None = None) -> list[CycleRow]:
    """Return the latest *limit* cycles, newest first; one query."""
    cycles = Cycle.objects.select_related("partition", "plan").defer("text").order_by("-pk")
    if partition_id is not None:
        cycles = cycles.filter(partition_id=partition_id)
    return [_row(cycle) for cycle in cycles[:limit]]


def failed_cycles() -> list[CycleRow]:
    """Return, per partition, the latest automatic or manual cycle where that one failed."""
    failed = (
        Cycle.objects.filter(pk__in=_latest_keys(), state=CycleState.FAILED).select_related("partition", "plan").defer("text")
    )
    return [_row(cycle) for cycle in failed.order_by("partition__name")]


def latest_cycles() -> list[CycleRow]:
    """Return, per partition, the latest automatic or manual cycle, by partition."""
    cycles = Cycle.objects.filter(pk__in=_latest_keys()).select_related("partition", "plan").defer("text")
    return [_row(cycle) for cycle in cycles.order_by("partition__name")]


def open_plan_counts() -> dict[str, int]:
    """Return how many plans are held and how many released and not done, by state."""
    counts = dict.fromkeys((PlanState.HELD.value, PlanState.RELEASED.value), 0)
    rows = Plan.objects.filter(state__in=list(counts)).order_by().values_list("state").annotate(number=Count("pk"))
    return counts | dict(rows)


def held_plans() -> list[HeldPlan]:
    """Return the plans that wait for a person, oldest first."""
    plans = Plan.objects.filter(state=PlanState.HELD).select_related("partition").order_by("pk")
    return [
        HeldPlan(
            plan.pk,
            plan.cycle_id,
            plan.title if plan.partition is None else plan.partition.name,
            plan.size_bytes,
            plan.num_items,
            plan.frozen_at,
            tuple(plan.tripped),
        )
        for plan in plans
    ]


def comparable_with(cycle: Cycle, *, limit: int = 30) -> list[CycleRow]:
    """Return the latest cycles of its partition before *cycle* with which it can be compared; none where it has no record."""
    if cycle.state != CycleState.COMPLETED or not cycle.evidence_file:
        return []
    earlier = Cycle.objects.filter(partition_id=cycle.partition_id, state=CycleState.COMPLETED, pk__lt=cycle.pk)
    rows = earlier.exclude(evidence_file="").select_related("partition", "plan").defer("text").order_by("-pk")[:limit]
    return [_row(row) for row in rows]


def coverage_lines(text: str, cycle_id: int | None) -> list[TextLine]:
    """Return *text* line by line with what the rule on each decided in the cycle; without a cycle no counts."""
    rules = {r.line: r for r in CycleRule.objects.filter(cycle_id=cycle_id)} if cycle_id is not None else {}
    default = rules.get(0)
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        rule = rules.get(number)
        if rule is None and default is not None and _is_default(line, default):
            rule = default
        counts = (rule.num_replicas, rule.num_block_replicas, rule.size_bytes) if rule else (None, None, None)
        lines.append(TextLine(number, line, *counts))
    return lines


def guardrail_rules(cycle_id: int) -> list[CycleRule]:
    """Return what protecting guardrails decided in the cycle: its rules with negative lines."""
    return list(CycleRule.objects.filter(cycle_id=cycle_id, line__lt=0))


def counting_test_runs() -> QuerySet[Cycle]:
    """Return the completed test runs that count for activation: those of the text alone, without guardrails on top."""
    return Cycle.objects.filter(kind=CycleKind.TEST_RUN, state=CycleState.COMPLETED, with_guardrails=False)


def policy_versions(policy_id: int) -> list[VersionRow]:
    """Return the versions of a policy, newest first, each with its latest completed test run; two queries."""
    active = Policy.objects.values_list("active_version_id", flat=True).get(pk=policy_id)
    tested = dict(
        counting_test_runs()
        .filter(policy_version__policy_id=policy_id)
        .order_by()
        .values_list("policy_version_id")
        .annotate(last=Max("pk"))
    )
    return [
        VersionRow(
            pk=version.pk,
            number=version.number,
            comment=version.comment,
            created_at=version.created_at,
            created_by=version.created_by,
            activated_at=version.activated_at,
            activated_by=version.activated_by,
            is_active=version.pk == active,
            tested_cycle_id=tested.get(version.pk),
        )
        for version in PolicyVersion.objects.filter(policy_id=policy_id).defer("text").order_by("-number")
    ]


def latest_cycle_of_version(version_id: int) -> int | None:
    """Return the key of the latest completed cycle that evaluated the version, test runs included."""
    cycles = Cycle.objects.filter(policy_version_id=version_id, state=CycleState.COMPLETED)
    return cycles.order_by("-pk").values_list("pk", flat=True).first()


def dataset_in_plans(dataset_name: str, *, limit: int = 200) -> list[DatasetPlanned]:
    """Return what plans held for the dataset, newest first."""
    rows = (
        PlanItem.objects.filter(dataset_name=dataset_name)
        .order_by()
        .values(
            "plan_id",
            "plan__state",
            "plan__cycle_id",
            "plan__title",
            "plan__frozen_at",
            "site_name",
            "action",
            "line",
            "rule_text",
        )
        .annotate(size=Sum("size_bytes"))
        .order_by("-plan_id", "site_name", "line")[:limit]
    )
    return [
        DatasetPlanned(
            cycle_id=row["plan__cycle_id"],
            plan_id=row["plan_id"],
            plan_state=row["plan__state"],
            plan_state_text=PlanState(row["plan__state"]).label,
            at=row["plan__frozen_at"],
            site_name=row["site_name"],
            action=row["action"],
            line=row["line"],
            rule_text=row["rule_text"],
            size_bytes=row["size"],
            source=row["plan__title"],
        )
        for row in rows
    ]


def largest_deletions(plan_id: int, *, limit: int = 10) -> Sequence[Mapping[str, Any]]:
    """Return the largest (dataset, site) sums of a plan: keys dataset_name, site_name, size, num_files."""
    items = PlanItem.objects.filter(plan_id=plan_id, action="DELETE").order_by().values("dataset_name", "site_name")
    return list(
        items.annotate(size=Sum("size_bytes"), files=Sum("num_files")).order_by("-size", "dataset_name", "site_name")[:limit]
    )


def _latest_keys() -> QuerySet[Cycle, Any]:
    cycles = Cycle.objects.exclude(kind=CycleKind.TEST_RUN).order_by().values("partition_id")
    return cycles.annotate(last=Max("pk")).values("last")


def _is_default(line: str, default: CycleRule) -> bool:
    return line.split("#", maxsplit=1)[0].split() == default.text.split("#")[0].split()


def _row(cycle: Cycle) -> CycleRow:
    plan = getattr(cycle, "plan", None)
    return CycleRow(
        pk=cycle.pk,
        partition_name=cycle.partition.name,
        source=cycle.source,
        kind=cycle.kind,
        kind_text=cycle.get_kind_display(),
        state=cycle.state,
        state_text=cycle.get_state_display(),
        started_at=cycle.started_at,
        duration=cycle.finished_at - cycle.started_at if cycle.finished_at else None,
        deleted_bytes=cycle.deleted_bytes,
        num_deleted_replicas=cycle.num_deleted_replicas,
        plan_id=plan.pk if plan else None,
        plan_state=plan.state if plan else "",
        error=cycle.error,
    )
