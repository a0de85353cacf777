"""Whether block replicas belong to partitions that somebody answers for, as the inventory is now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from guardian.shortcuts import get_objects_for_user

from policies.language.ast import predicates
from policies.models import Partition
from policies.selectors.partitions import partition_scope
from policies.services.guarding import GuardedScope
from policies.services.snapshots import snapshot_take_part

APPROVE_DELETION = "policies.approve_deletion"

#: Variables that only a reading of the whole inventory can tell.
_OF_EVERYTHING = frozenset({"blockreplica.age_relative_to_newest"})


def replicas_outside(user: Any, replicas: Mapping[int, str], *, now: datetime) -> set[int]:
    """Return the keys of *replicas* (key -> dataset) that are in no partition on which *user* may approve deletions.

    The right counts in general or on the partition. Only the datasets concerned are read. A partition whose condition asks for
    what only the whole inventory can tell holds nothing here: in doubt a right is missing.
    """
    partitions = get_objects_for_user(user, APPROVE_DELETION, klass=Partition).order_by("name")
    left = set(replicas)
    for name in partitions.values_list("name", flat=True):
        if left:
            left -= _held_by(name, {replicas[key] for key in left}, now=now)
    return left


def _held_by(partition: str, datasets: Collection[str], *, now: datetime) -> set[int]:
    scope = partition_scope(partition)
    variables = {p.variable.name for condition in scope.conditions for p in predicates(condition.expression)}
    if variables & _OF_EVERYTHING:
        return set()
    snapshot = snapshot_take_part(datasets=datasets, variables=variables, now=now).snapshot
    guarded = GuardedScope(snapshot=snapshot, membership=scope.conditions, target_sites=None, now=now.timestamp())
    return set(guarded.members())
