"""How full the partitions are at their sites, and what the last cycle decided there: what the bars show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Max, OuterRef, Q, Subquery

from policies.choices import CycleKind, CycleState
from policies.models import Cycle, CycleSite, Partition, Quota
from policies.selectors.watermarks import NO_MARKS, Watermarks, watermarks_of


@dataclass(frozen=True, slots=True)
class SiteBar:
    """Bytes of a partition at a site as a cycle found and left them; ``quota_bytes`` negative = unlimited, 0 = none.

    ``is_stuck``: it was over the mark of ``When`` and stays over that of ``Until``,
    because what is left is protected. ``previous_bytes`` is what the cycle before found, None where there was none.
    """

    site_name: str
    quota_bytes: int
    bytes_before: int
    bytes_after: int
    protected_bytes: int
    kept_bytes: int
    deleted_bytes: int
    ignored_bytes: int
    is_triggered: bool
    is_released: bool
    is_stuck: bool
    previous_bytes: int | None = None

    @property
    def fraction_before(self) -> float | None:
        """Part of the quota in use before, None without a quota."""
        return self.bytes_before / self.quota_bytes if self.quota_bytes > 0 else None

    @property
    def fraction_after(self) -> float | None:
        """Part of the quota in use when the plan is done, None without a quota."""
        return self.bytes_after / self.quota_bytes if self.quota_bytes > 0 else None


@dataclass(frozen=True, slots=True)
class PartitionOccupancy:
    """The latest completed cycle of a partition with its bars; ``cycle_id`` None: never evaluated."""

    partition_id: int
    partition_name: str
    cycle_id: int | None = None
    cycle_kind: str = ""
    source: str = ""
    seen_at: datetime | None = None
    plan_id: int | None = None
    plan_state: str = ""
    bars: tuple[SiteBar, ...] = ()
    marks: Watermarks = NO_MARKS

    @property
    def bytes_before(self) -> int:
        return sum(bar.bytes_before for bar in self.bars)

    @property
    def quota_bytes(self) -> int:
        """Sum of the limited quotas."""
        return sum(bar.quota_bytes for bar in self.bars if bar.quota_bytes > 0)

    @property
    def num_over(self) -> int:
        """How many sites the policy's ``When`` found too full."""
        return sum(bar.is_triggered for bar in self.bars)


def partition_occupancies(partition_ids: Sequence[int] | None = None) -> list[PartitionOccupancy]:
    """Return every partition (or those named by key) by name with its latest completed cycle; five queries, whatever the number.

    A test run counts only where no other cycle has completed: it shows what would be, not what is.
    """
    partitions = Partition.objects.order_by("name")
    if partition_ids is not None:
        partitions = partitions.filter(pk__in=partition_ids)
    names = dict(partitions.values_list("pk", "name"))
    latest = _latest_cycles(list(names))
    cycles = {c.partition_id: c for c in Cycle.objects.filter(pk__in=latest.values()).select_related("plan").defer("error")}
    bars = site_bars(list(latest.values()))
    return [
        PartitionOccupancy(key, name) if key not in cycles else _occupancy(name, cycles[key], bars.get(cycles[key].pk, ()))
        for key, name in names.items()
    ]


def site_bars(cycle_ids: Sequence[int]) -> dict[int, tuple[SiteBar, ...]]:
    """Return the bars of each cycle: sites over the mark first, then the fullest."""
    previous = _previous_bytes(cycle_ids)
    marks = {key: watermarks_of(text) for key, text in Cycle.objects.filter(pk__in=cycle_ids).values_list("pk", "text")}
    rows: dict[int, list[SiteBar]] = {}
    for site in CycleSite.objects.filter(cycle_id__in=cycle_ids).order_by("site_name"):
        bar = SiteBar(
            site_name=site.site_name,
            quota_bytes=site.quota_bytes,
            bytes_before=site.bytes_before,
            bytes_after=site.bytes_after,
            protected_bytes=site.protected_bytes,
            kept_bytes=site.kept_bytes,
            deleted_bytes=site.deleted_bytes,
            ignored_bytes=site.ignored_bytes,
            is_triggered=site.is_triggered,
            is_released=site.is_released,
            is_stuck=_is_stuck(site, marks[site.cycle_id]),
            previous_bytes=previous.get((site.cycle_id, site.site_name)),
        )
        rows.setdefault(site.cycle_id, []).append(bar)
    return {key: tuple(sorted(found, key=_urgency)) for key, found in rows.items()}


def site_in_partitions(site_name: str) -> list[PartitionOccupancy]:
    """Return the partitions that a cycle has seen at a site, each with the bar of that site alone."""
    found = []
    for occupancy in partition_occupancies():
        bars = tuple(bar for bar in occupancy.bars if bar.site_name == site_name)
        if bars:
            found.append(replace(occupancy, bars=bars))
    return found


def quotas_without_cycle(partition_id: int) -> list[tuple[str, int]]:
    """Return (site, quota in bytes) of a partition that was never evaluated, by site."""
    return list(Quota.objects.filter(partition_id=partition_id).order_by("site__name").values_list("site__name", "size_bytes"))


def _is_stuck(site: CycleSite, marks: Watermarks) -> bool:
    if not site.is_triggered or site.is_released or site.quota_bytes <= 0 or not marks.until:
        return False
    return site.bytes_after / site.quota_bytes > max(marks.until)


def _urgency(bar: SiteBar) -> tuple[bool, bool, float, str]:
    return (not bar.is_stuck, not bar.is_triggered, -(bar.fraction_before or 0.0), bar.site_name)


def _latest_cycles(partition_ids: Sequence[int]) -> dict[int, int]:
    completed = Cycle.objects.filter(state=CycleState.COMPLETED, partition_id__in=partition_ids).order_by()
    real = Max("pk", filter=~Q(kind=CycleKind.TEST_RUN))
    rows = completed.values_list("partition_id").annotate(real=real, any=Max("pk"))
    return {partition: real_id or any_id for partition, real_id, any_id in rows}


def _previous_bytes(cycle_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    """Return (cycle, site) -> bytes that the completed cycle of the same partition before it had found."""
    earlier = Cycle.objects.filter(partition_id=OuterRef("partition_id"), state=CycleState.COMPLETED, pk__lt=OuterRef("pk"))
    latest = earlier.exclude(kind=CycleKind.TEST_RUN).order_by("-pk").values("pk")[:1]
    pairs = Cycle.objects.filter(pk__in=cycle_ids).annotate(previous=Subquery(latest)).values_list("previous", "pk")
    before = {previous: key for previous, key in pairs if previous is not None}
    rows = CycleSite.objects.filter(cycle_id__in=before).values_list("cycle_id", "site_name", "bytes_before")
    return {(before[cycle_id], site): size for cycle_id, site, size in rows}


def _occupancy(name: str, cycle: Cycle, bars: tuple[SiteBar, ...]) -> PartitionOccupancy:
    plan = getattr(cycle, "plan", None)
    return PartitionOccupancy(
        partition_id=cycle.partition_id,
        partition_name=name,
        cycle_id=cycle.pk,
        cycle_kind=cycle.kind,
        source=cycle.source,
        seen_at=cycle.snapshot_at or cycle.started_at,
        plan_id=plan.pk if plan else None,
        plan_state=plan.state if plan else "",
        bars=bars,
        marks=watermarks_of(cycle.text),
    )
