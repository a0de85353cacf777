"""Partitions as a cycle needs them: the conditions of their leaves, and the quotas summed over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from policies.exceptions import PartitionInvalidError, PartitionUnknownError, PolicyInvalidError
from policies.language.ast import Condition
from policies.language.checker import ConditionKind
from policies.language.parser import parse_condition
from policies.models import Guardrail, Partition, Quota
from policies.planning.outcome import GuardrailRule


@dataclass(frozen=True, slots=True)
class PartitionScope:
    """A partition resolved: ``conditions`` are ORed; ``quotas`` in bytes by site name, negative = unlimited, absent = 0."""

    id: int
    name: str
    leaves: tuple[str, ...]
    conditions: tuple[Condition, ...]
    quotas: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GuardrailScope:
    """A guardrail that applies to a partition, parsed."""

    rule: GuardrailRule
    is_protecting: bool


def partition_by_name(name: str) -> Partition:
    """Return the partition *name*. Raises `PartitionUnknownError`, naming those that exist."""
    partition = Partition.objects.filter(name=name).first()
    if partition is None:
        known = ", ".join(Partition.objects.order_by("name").values_list("name", flat=True)[:20])
        raise PartitionUnknownError(
            f"there is no partition {name!r}; "
            + (f"defined are: {known}" if known else "none is defined yet: load some with partitions_load")
        )
    return partition


@dataclass(frozen=True, slots=True)
class PartitionLimits:
    """The safety limits of a partition itself, as fractions; None: the general setting."""

    name: str
    max_site_fraction: float | None
    max_partition_fraction: float | None


def partition_limits() -> list[PartitionLimits]:
    """Return the own safety limits of all partitions, by name."""
    columns = ("name", "max_site_fraction", "max_partition_fraction")
    return [PartitionLimits(*row) for row in Partition.objects.order_by("name").values_list(*columns)]


def partition_names() -> list[str]:
    """Return the names of all partitions, in order."""
    return list(Partition.objects.order_by("name").values_list("name", flat=True))


def partition_scope(name: str) -> PartitionScope:
    """Return the partition *name* with the parsed conditions of its leaves and its quotas.

    Raises `PartitionUnknownError`, `PartitionInvalidError` for a part that is a part of itself or a part with a negative
    quota, and `PolicyInvalidError` where a stored condition does not parse.
    """
    partition = partition_by_name(name)
    leaves = leaf_partitions(partition)
    conditions = tuple(_condition(f"partition {leaf.name}", leaf.condition, "partition") for leaf in leaves)
    return PartitionScope(partition.pk, name, tuple(leaf.name for leaf in leaves), conditions, partition_quotas(leaves))


def partition_scope_by_id(partition_id: int) -> PartitionScope:
    """Return what `partition_scope` does, by key."""
    return partition_scope(Partition.objects.get(pk=partition_id).name)


def leaf_partitions(partition: Partition) -> list[Partition]:
    """Return the partitions without parts that *partition* unites, itself if it has none, each once, in order of name."""
    found: dict[int, Partition] = {}
    _collect(partition, (), found)
    return sorted(found.values(), key=lambda leaf: leaf.name)


def related_partition_ids(partition: Partition) -> set[int]:
    """Return the partitions that share a leaf with *partition*, itself included."""
    leaves = {leaf.pk for leaf in leaf_partitions(partition)}
    return {other.pk for other in Partition.objects.all() if leaves & {leaf.pk for leaf in leaf_partitions(other)}}


def partition_quotas(leaves: list[Partition]) -> dict[str, int]:
    """Return the quota by site name, summed over *leaves*. Raises `PartitionInvalidError` for a part without a limit."""
    rows = Quota.objects.filter(partition__in=[leaf.pk for leaf in leaves]).values_list(
        "site__name", "size_bytes", "partition__name"
    )
    total: dict[str, int] = {}
    for site, size_bytes, part in rows:
        if len(leaves) > 1 and size_bytes < 0:
            raise PartitionInvalidError(
                f"the part {part!r} has an unlimited quota at {site}: the sum with the other parts means nothing"
            )
        total[site] = total.get(site, 0) + size_bytes
    return total


def guardrails_of(partition_id: int | None) -> list[GuardrailScope]:
    """Return the enabled guardrails of the partition (of none: those of all partitions alone), by name, parsed."""
    rows = _enabled_guardrails(partition_id).order_by("name")
    return [
        GuardrailScope(GuardrailRule(row.name, _condition(f"guardrail {row.name}", row.condition, "replica")), row.is_protecting)
        for row in rows
    ]


def num_protecting_guardrails(partition_id: int) -> int:
    """Return how many enabled guardrails protect while the partition is planned."""
    return _enabled_guardrails(partition_id).filter(is_protecting=True).count()


def _enabled_guardrails(partition_id: int | None) -> QuerySet[Guardrail]:
    which = Q(partition=None) if partition_id is None else Q(partition=None) | Q(partition=partition_id)
    return Guardrail.objects.filter(which, is_enabled=True)


def _collect(partition: Partition, above: tuple[str, ...], found: dict[int, Partition]) -> None:
    if partition.name in above:
        raise PartitionInvalidError(f"the partition {partition.name} is a part of itself: {' > '.join([*above, partition.name])}")
    if not partition.is_superpartition:
        found[partition.pk] = partition
        return
    parts = list(partition.parts.order_by("name"))
    if not parts:
        raise PartitionInvalidError(f"the partition {partition.name} has neither a condition nor parts")
    for part in parts:
        _collect(part, (*above, partition.name), found)


def _condition(what: str, text: str, kind: ConditionKind) -> Condition:
    condition, diagnostics = parse_condition(text, kind=kind, file_name=what)
    if condition is None:
        raise PolicyInvalidError(what, diagnostics)
    return condition
