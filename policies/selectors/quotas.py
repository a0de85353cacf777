"""Quotas as a grid of sites and partitions, and the history of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from inventory.selectors.sites import site_storage
from policies.exceptions import PartitionInvalidError
from policies.models import Partition, Quota


@dataclass(frozen=True, slots=True)
class PartitionNode:
    """A partition with the parts without parts that it unites, itself if it has none."""

    key: int
    name: str
    is_superpartition: bool
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuotaGrid:
    """All quotas: ``size_bytes`` by (site, partition), negative = unlimited, absent = none (counts as 0).

    Superpartitions have their sums in it; a part without a quota adds 0.
    """

    sites: tuple[str, ...]
    partitions: tuple[PartitionNode, ...]
    size_bytes: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class QuotaMoment:
    """A quota from a moment on, None after it was removed; who set it and why."""

    at: datetime
    size_bytes: int | None
    user_name: str
    reason: str


def partition_nodes() -> dict[str, PartitionNode]:
    """Return every partition by name, parts before their unions; two queries, however deep they are.

    Raises `PartitionInvalidError` for one that is a part of itself or has neither a condition nor parts.
    """
    rows = {partition.pk: partition for partition in Partition.objects.order_by("name")}
    parts: dict[int, list[int]] = {}
    for union, part in Partition.parts.through._default_manager.values_list("from_partition_id", "to_partition_id"):
        parts.setdefault(union, []).append(part)
    found: dict[int, PartitionNode] = {}

    def visit(key: int, above: tuple[int, ...]) -> PartitionNode:
        if key in found:
            return found[key]
        row = rows[key]
        if key in above:
            raise PartitionInvalidError(f"the partition {row.name} is a part of itself")
        if not row.is_superpartition:
            node = PartitionNode(key, row.name, False, (row.name,))
        elif not parts.get(key):
            raise PartitionInvalidError(f"the partition {row.name} has neither a condition nor parts")
        else:
            leaves = {leaf for part in parts[key] for leaf in visit(part, (*above, key)).leaves}
            node = PartitionNode(key, row.name, True, tuple(sorted(leaves)))
        found[key] = node
        return node

    for key in rows:
        visit(key, ())
    return {node.name: node for node in found.values()}


def quota_grid() -> QuotaGrid:
    """Return all quotas with the sums of superpartitions; four queries, however many there are."""
    nodes = partition_nodes()
    sizes: dict[tuple[str, str], int] = {
        (site, partition): size
        for site, partition, size in Quota.objects.values_list("site__name", "partition__name", "size_bytes")
    }
    sites = tuple(site_storage())
    for node in nodes.values():
        if node.is_superpartition:
            sizes |= _sums(node, sites, sizes)
    ordered = sorted(nodes.values(), key=lambda node: (node.is_superpartition, node.name))
    return QuotaGrid(sites, tuple(ordered), sizes)


def quota_moments(partition_id: int, site_name: str) -> list[QuotaMoment]:
    """Return how a quota was set over time, oldest first."""
    rows = Quota.history.filter(partition_id=partition_id, site__name=site_name).select_related("history_user")
    return [
        QuotaMoment(
            row.history_date,
            None if row.history_type == "-" else row.size_bytes,
            row.history_user.get_username() if row.history_user else "",
            row.history_change_reason or "",
        )
        for row in rows.order_by("history_date", "history_id")
    ]


def _sums(node: PartitionNode, sites: Sequence[str], sizes: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    found = {}
    for site in sites:
        given = [sizes[site, leaf] for leaf in node.leaves if (site, leaf) in sizes]
        if given:
            found[site, node.name] = -1 if any(size < 0 for size in given) else sum(given)
    return found
