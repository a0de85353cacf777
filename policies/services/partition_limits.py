"""A partition's own safety limits, in the place of the general settings."""

from __future__ import annotations

from django.db import transaction

from inventory.services.audit import Actor, audit_record
from policies.models import Partition
from policies.permissions import CHANGE_PARTITION, require
from policies.selectors.partitions import partition_by_name


@transaction.atomic
def partition_limits_set(
    *, name: str, max_site_fraction: float | None, max_partition_fraction: float | None, actor: Actor, reason: str = ""
) -> Partition:
    """Set which part of a site's quota, and of the partition's bytes, an automatic cycle may delete; None: the general setting.

    Raises `PartitionUnknownError`, ``ValidationError`` for a fraction outside 0 to 1, ``PermissionDenied`` without
    ``policies.change_partition``.
    """
    partition = Partition.objects.select_for_update().get(pk=partition_by_name(name).pk)
    require(actor, CHANGE_PARTITION, partition)
    before = {"site": partition.max_site_fraction, "partition": partition.max_partition_fraction}
    partition.max_site_fraction, partition.max_partition_fraction = max_site_fraction, max_partition_fraction
    partition.full_clean(exclude=["parts"])
    partition.save()
    audit_record(
        actor=actor,
        action="policies.partition_limits_set",
        subject=name,
        reason=reason,
        details={"before": before, "after": {"site": max_site_fraction, "partition": max_partition_fraction}},
    )
    return partition
