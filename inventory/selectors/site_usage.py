"""How much is stored where, counted now."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Sum

from inventory.models import BlockReplica


@dataclass(frozen=True, slots=True)
class SiteUsage:
    """What a site holds, over all partitions; ``size_bytes`` are bytes physically present."""

    site_name: str
    size_bytes: int
    num_datasets: int
    num_block_replicas: int
    num_files: int


def site_usage() -> dict[str, SiteUsage]:
    """Return the usage of every site that holds something, by name; one query over all block replicas."""
    rows = (
        BlockReplica.objects.order_by()
        .values("site__name")
        .annotate(
            size=Sum("size_bytes"),
            datasets=Count("dataset_replica", distinct=True),
            blocks=Count("pk"),
            files=Sum("num_files"),
        )
        .order_by("site__name")
    )
    return {
        row["site__name"]: SiteUsage(row["site__name"], row["size"], row["datasets"], row["blocks"], row["files"]) for row in rows
    }
