"""Partitions and quotas: definitions that hold together, whichever of them comes first (language page, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction

from inventory.services.audit import Actor, audit_record
from policies.exceptions import PartitionInvalidError, PolicyInvalidError
from policies.language.ast import PartitionDefinition
from policies.language.parser import parse_condition
from policies.language.partitions import parse_partitions
from policies.models import Partition, Quota, WaitingQuota
from policies.permissions import ADD_PARTITION, CHANGE_PARTITION, require
from policies.selectors.partitions import leaf_partitions, partition_by_name
from policies.services.quotas import quota_problem, quota_set

__all__ = ["ChangeKind", "PartitionChange", "partition_define", "partitions_load", "quota_problem", "quota_set"]


class ChangeKind(StrEnum):
    """What loading a definition does to a partition."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_IN_FILE = "not in the file, left as it is"


@dataclass(frozen=True, slots=True)
class PartitionChange:
    """One partition before and after a file was loaded; ``before`` is empty for a new one."""

    name: str
    kind: ChangeKind
    before: str
    after: str
    num_adopted_quotas: int = 0


@transaction.atomic
def partition_define(*, name: str, condition: str = "", parts: Sequence[str] = (), actor: Actor) -> PartitionChange:
    """Define or redefine a partition by a condition or as the union of *parts*, and give it the quotas that waited for it.

    Raises `PolicyInvalidError` where the condition does not parse, `PartitionInvalidError` where both or neither are given or a
    rule of superpartitions is broken, `PartitionUnknownError` for a part that is not defined, ``PermissionDenied``.
    """
    if bool(condition) == bool(parts):
        raise PartitionInvalidError(f"the partition {name!r} needs either a condition or parts")
    if condition:
        parsed, diagnostics = parse_condition(condition, kind="partition", file_name=f"partition {name}")
        if parsed is None:
            raise PolicyInvalidError(f"the condition of the partition {name}", diagnostics)
        condition = parsed.text
    change = _define(name, condition, parts, actor)
    _check_together([name])
    return change


def partitions_load(*, text: str | bytes, file_name: str, actor: Actor, is_dry_run: bool = False) -> list[PartitionChange]:
    """Define all partitions of a file in one transaction and return what changed; a dry run checks the same and changes nothing.

    Partitions that the file does not name stay. Raises `PolicyInvalidError` with every finding where the file has errors, and
    what `partition_define` raises.
    """
    definitions, diagnostics = parse_partitions(text, file_name=file_name)
    if any(diagnostic.is_error for diagnostic in diagnostics):
        raise PolicyInvalidError(file_name, diagnostics)
    changes: list[PartitionChange] = []
    with transaction.atomic():
        for definition in _parts_first(definitions):
            condition = definition.condition.text if definition.condition is not None else ""
            changes.append(_define(definition.name, condition, definition.parts, actor))
        _check_together([definition.name for definition in definitions])
        if is_dry_run:
            transaction.set_rollback(True)
    named = {change.name for change in changes}
    others = Partition.objects.exclude(name__in=named).order_by("name")
    changes.extend(PartitionChange(p.name, ChangeKind.NOT_IN_FILE, _text(p), _text(p)) for p in others)
    return changes


def _define(name: str, condition: str, parts: Sequence[str], actor: Actor) -> PartitionChange:
    # Whoever sets a quota locks the same rows, so that neither can slip past the other's rules.
    list(Partition.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
    partition = Partition.objects.filter(name=name).first()
    before = "" if partition is None else _text(partition)
    after = condition or f"[{', '.join(parts)}]"
    require(actor, CHANGE_PARTITION if partition is not None else ADD_PARTITION, partition or Partition(name=name))
    if before == after:
        return PartitionChange(name, ChangeKind.UNCHANGED, before, after)
    partition = partition or Partition(name=name)
    partition.condition = condition
    partition.full_clean(exclude=["parts"])
    partition.save()
    partition.parts.set([partition_by_name(part) for part in parts])
    adopted = _adopt_quotas(partition)
    kind = ChangeKind.CHANGED if before else ChangeKind.CREATED
    audit_record(
        actor=actor,
        action="policies.partition_define",
        subject=name,
        details={"before": before, "after": after, "adopted_quotas": adopted},
    )
    return PartitionChange(name, kind, before, after, adopted)


def _adopt_quotas(partition: Partition) -> int:
    """Turn the quotas that waited for *partition* into its own; one that it has already is newer and stays."""
    waiting = list(WaitingQuota.objects.filter(partition_name=partition.name).order_by("site_id"))
    owned = set(Quota.objects.filter(partition=partition).values_list("site_id", flat=True))
    for row in waiting:
        if row.site_id not in owned:
            Quota.objects.create(partition=partition, site_id=row.site_id, size_bytes=row.size_bytes)
    WaitingQuota.objects.filter(pk__in=[row.pk for row in waiting]).delete()
    return len(waiting)


def _check_together(names: Iterable[str]) -> None:
    """Check the rules of superpartitions over all that *names* touch, and that none is a part of itself."""
    touched = Partition.objects.filter(name__in=list(names))
    for union in Partition.objects.filter(condition="").order_by("name"):
        leaves = leaf_partitions(union)
        if Quota.objects.filter(partition=union).exists():
            raise PartitionInvalidError(
                f"{union.name} has quotas of its own, but as a union of partitions it has the sum of theirs"
            )
        unlimited = Quota.objects.filter(partition__in=leaves, size_bytes__lt=0).select_related("partition", "site").first()
        if unlimited is not None:
            raise PartitionInvalidError(
                f"{unlimited.partition.name} is unlimited at {unlimited.site.name}, so it cannot be a part of {union.name}"
            )
    for partition in touched:
        leaf_partitions(partition)


def _parts_first(definitions: Sequence[PartitionDefinition]) -> list[PartitionDefinition]:
    """Return *definitions* with every part before its unions; the parser has refused circles."""
    by_name = {definition.name: definition for definition in definitions}
    ordered: dict[str, PartitionDefinition] = {}

    def place(definition: PartitionDefinition) -> None:
        for part in definition.parts:
            if part in by_name:
                place(by_name[part])
        ordered.setdefault(definition.name, definition)

    for definition in definitions:
        place(definition)
    return list(ordered.values())


def _text(partition: Partition) -> str:
    if partition.condition:
        return partition.condition
    return f"[{', '.join(partition.parts.order_by('name').values_list('name', flat=True))}]"
