"""The daily reading of storage: what is there, counted from the inventory, and what is protected, as cycles decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from policies.choices import CycleKind, CycleState
from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.membership import Membership
from policies.language.ast import predicates
from policies.models import Cycle, CycleSite, Partition, StorageReading
from policies.selectors.forecast import Growth, growth_of
from policies.selectors.partitions import PartitionScope, partition_scope
from policies.services.snapshots import snapshot_take

#: Readings that the growth is taken from.
GROWTH_WINDOW = timedelta(weeks=8)

_Key = tuple[int, str]


def readings_record(*, now: datetime) -> int:
    """Record the readings of the day of *now* (UTC) for every partition and site, in the place of the day's earlier ones.

    Return how many there are. A site without a quota in a partition and without bytes of it has none. The inventory is read once.
    Older readings than ``DYNAMO_READING_DAYS`` go. Raises what partitions with errors raise; then nothing is recorded.
    """
    scopes = [partition_scope(name) for name in Partition.objects.order_by("name").values_list("name", flat=True)]
    day = now.astimezone(timezone.get_fixed_timezone(0)).date()
    used = _used_bytes(scopes, now)
    decided = _decided(day_start=datetime.combine(day, time.min, tzinfo=timezone.get_fixed_timezone(0)))
    rows = []
    for scope in scopes:
        sites = set(scope.quotas) | {site for key, site in [*used, *decided] if key == scope.id}
        for site in sorted(sites):
            row = StorageReading(partition_id=scope.id, site_name=site, day=day, taken_at=now)
            row.quota_bytes, row.used_bytes = scope.quotas.get(site, 0), used.get((scope.id, site), 0)
            _take_decided(row, decided.get((scope.id, site)))
            rows.append(row)
    history = _history(day)
    for row in rows:
        growth = _growth(history.get((row.partition_id, row.site_name), []), row)
        if growth is not None:
            row.growth_per_day, row.growth_low, row.growth_high = growth.per_day, growth.low, growth.high
    with transaction.atomic():
        StorageReading.objects.filter(day=day).delete()
        StorageReading.objects.bulk_create(rows, batch_size=500)
        StorageReading.objects.filter(day__lt=day - timedelta(days=settings.DYNAMO_READING_DAYS)).delete()
    return len(rows)


def _take_decided(row: StorageReading, decided: CycleSite | None) -> None:
    if decided is not None:
        row.protected_bytes, row.kept_bytes = decided.protected_bytes, decided.kept_bytes
        row.to_delete_bytes, row.cycle_id = decided.deleted_bytes, decided.cycle_id


def _used_bytes(scopes: list[PartitionScope], now: datetime) -> dict[_Key, int]:
    """Return the bytes of each partition at each site; (partition, site) without any is absent."""
    variables = {p.variable.name for scope in scopes for c in scope.conditions for p in predicates(c.expression)}
    snapshot = snapshot_take(quotas={}, variables=variables, now=now).snapshot
    arrays = InventoryArrays(snapshot)
    names = snapshot.sites.get_column("name").to_list()
    site_of_row = arrays.replica_site[arrays.row_replica]
    found: dict[_Key, int] = {}
    for scope in scopes:
        members = Membership(scope.conditions, arrays, now.timestamp()).members()
        for site in np.unique(site_of_row[members]):
            here = members & (site_of_row == site)
            found[scope.id, names[site]] = int(arrays.row_size[here].sum(dtype=np.int64))
    return found


def _decided(*, day_start: datetime) -> dict[_Key, CycleSite]:
    """Return what the last cycle that really ran since *day_start* decided, by (partition, site)."""
    cycles = Cycle.objects.filter(state=CycleState.COMPLETED, started_at__gte=day_start).exclude(kind=CycleKind.TEST_RUN)
    latest = {cycle.partition_id: cycle.pk for cycle in cycles.order_by("pk").only("pk", "partition_id")}
    partitions = {key: partition for partition, key in latest.items()}
    rows = CycleSite.objects.filter(cycle_id__in=partitions)
    return {(partitions[row.cycle_id], row.site_name): row for row in rows}


def _history(day: Any) -> Mapping[_Key, list[tuple[Any, int]]]:
    """Return the protected bytes of earlier days by (partition, site), oldest first."""
    rows = StorageReading.objects.filter(day__gte=day - GROWTH_WINDOW, day__lt=day, protected_bytes__isnull=False)
    columns = rows.order_by("day").values_list("partition_id", "site_name", "day", "protected_bytes")
    found: dict[_Key, list[tuple[Any, int]]] = {}
    for partition, site, at, size in columns.iterator(chunk_size=5000):
        found.setdefault((partition, site), []).append((at, size or 0))
    return found


def _growth(history: list[tuple[Any, int]], row: StorageReading) -> Growth | None:
    points = [*history, *([(row.day, row.protected_bytes)] if row.protected_bytes is not None else [])]
    return growth_of([float(at.toordinal()) for at, _ in points], [float(size) for _, size in points]) if points else None
