"""Is there enough storage? The latest reading of each partition and site, with when protected data reach the quota."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Max

from policies.models import Partition, Quota, StorageReading
from policies.selectors.forecast import Forecast, Growth, Outlook, forecast

#: A site is warned of when its quota is expected to be reached within this time and the whole range of the growth is upwards.
WARN_WITHIN_DAYS = 60.0


@dataclass(frozen=True, slots=True)
class StorageRow:
    """A partition at a site by its latest reading, in bytes; None: no cycle has said it.

    ``free_bytes`` is what the quota, as it is now, leaves beside ``used_bytes``; None without a limit, negative where it is over.
    """

    partition_id: int
    partition: str
    site: str
    day: date
    quota_bytes: int
    used_bytes: int
    protected_bytes: int | None
    kept_bytes: int | None
    to_delete_bytes: int | None
    growth: Growth | None
    forecast: Forecast

    @property
    def free_bytes(self) -> int | None:
        return self.quota_bytes - self.used_bytes if self.quota_bytes >= 0 else None

    @property
    def is_warning(self) -> bool:
        """Tell whether protected data reach the quota soon, by an estimate that is clearly upwards, or have reached it."""
        found = self.forecast
        if found.outlook is Outlook.REACHED:
            return True
        return found.days is not None and found.days <= WARN_WITHIN_DAYS and found.latest is not None


@dataclass(frozen=True, slots=True)
class DayReading:
    """The sums of a day; ``protected_bytes`` None where a site of it is not known."""

    day: date
    quota_bytes: int
    used_bytes: int
    protected_bytes: int | None


def storage_rows(*, partition: str = "", site: str = "") -> list[StorageRow]:
    """Return the latest readings, the most urgent first, of all or of the named partition or site; three queries."""
    readings = StorageReading.objects.all()
    if partition:
        readings = readings.filter(partition__name=partition)
    if site:
        readings = readings.filter(site_name=site)
    last = readings.aggregate(last=Max("day"))["last"]
    rows = readings.filter(day=last).select_related("partition") if last else []
    quotas = {(key, name): size for key, name, size in Quota.objects.values_list("partition_id", "site__name", "size_bytes")}
    unions = set(Partition.objects.filter(condition="").values_list("pk", flat=True))

    def quota_of(row: StorageReading) -> int:
        return row.quota_bytes if row.partition_id in unions else quotas.get((row.partition_id, row.site_name), 0)

    return sorted([_row(row, quota_of(row)) for row in rows], key=_urgency)


def storage_days(*, partition_id: int, site: str = "", since: datetime) -> list[DayReading]:
    """Return the readings of a partition since a day, oldest first: of one site, or summed over all of them."""
    rows = StorageReading.objects.filter(partition_id=partition_id, day__gte=since.date()).order_by("day")
    if site:
        rows = rows.filter(site_name=site)
    days: dict[date, list[tuple[int, int, int | None]]] = {}
    for day, quota, used, protected in rows.values_list("day", "quota_bytes", "used_bytes", "protected_bytes"):
        days.setdefault(day, []).append((quota, used, protected))
    return [
        DayReading(day, sum(max(quota, 0) for quota, _, _ in found), sum(used for _, used, _ in found), _protected(found))
        for day, found in days.items()
    ]


def _protected(found: Sequence[tuple[int, int, int | None]]) -> int | None:
    """Return the sum over the sites that cycles see; None on a day without a cycle."""
    known = [protected for _, _, protected in found if protected is not None]
    return sum(known) if known else None


def _row(row: StorageReading, quota_bytes: int) -> StorageRow:
    growth = None
    if row.growth_per_day is not None and row.growth_low is not None and row.growth_high is not None:
        growth = Growth(row.growth_per_day, row.growth_low, row.growth_high)
    return StorageRow(
        partition_id=row.partition_id,
        partition=row.partition.name,
        site=row.site_name,
        day=row.day,
        quota_bytes=quota_bytes,
        used_bytes=row.used_bytes,
        protected_bytes=row.protected_bytes,
        kept_bytes=row.kept_bytes,
        to_delete_bytes=row.to_delete_bytes,
        growth=growth,
        forecast=forecast(quota_bytes=quota_bytes, protected_bytes=row.protected_bytes, growth=growth),
    )


def _urgency(row: StorageRow) -> tuple[bool, float, bool, float, str, str]:
    """Order by whether to warn, then by when the quota is reached, then by how full the quota is; without a quota last."""
    days = 0.0 if row.forecast.outlook is Outlook.REACHED else row.forecast.days
    # Where protected data are over the quota, what else is there does not matter any more.
    there = row.protected_bytes if row.forecast.outlook is Outlook.REACHED else row.used_bytes
    fullness = (there or 0) / row.quota_bytes if row.quota_bytes > 0 else 0.0
    return not row.is_warning, float("inf") if days is None else days, row.quota_bytes <= 0, -fullness, row.partition, row.site
