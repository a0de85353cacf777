"""Conditions of lists that need more than one column: sites and groups by pattern, complete, locked, number of copies.

Each is one expression whose cost is that of the rows that a page looks at, not of the table: sub-queries stop at the first
row that they find, and patterns of sites and groups become keys before the list is asked.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.db.models import CharField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from inventory.choices import StorageType
from inventory.models import Block, BlockReplica, DatasetReplica, FactFeed, Group, IncompleteCopy, Lock, Site, StatisticsCount
from inventory.selectors.locks import active_locks
from inventory.selectors.locks_in_force import NOBODY, locks_in_force

#: Locks beyond this many are not written into a query.
MAX_LOCKS_IN_QUERY = 300

_IS_WILD = re.compile(r"[*?]")

#: A block replica that has all of its block.
IS_WHOLE = Q(size_bytes=F("block__size_bytes"), num_files=F("block__num_files"))


def sites_named(pattern: str) -> list[int]:
    """Return the keys of the sites that fit *pattern*."""
    return list(Site.objects.filter(name__wildcard=pattern).order_by("pk").values_list("pk", flat=True))


def owned_by(pattern: str, field: str = "group") -> Q:
    """Return the condition that the owner under *field* fits *pattern*; ``None`` is nobody, as in policies."""
    if pattern == NOBODY:
        return Q(**{f"{field}__isnull": True})
    return Q(**{f"{field}__in": list(Group.objects.filter(name__wildcard=pattern).order_by("pk").values_list("pk", flat=True))})


def dataset_at_sites(sites: list[int]) -> Q:
    """Return the condition that a dataset has a copy at one of *sites*."""
    return Q(Exists(DatasetReplica.objects.filter(dataset_id=OuterRef("pk"), site_id__in=sites)))


def dataset_owned_by(pattern: str) -> Q:
    """Return the condition that a block of the dataset belongs to a group that fits *pattern* somewhere."""
    return Q(Exists(BlockReplica.objects.filter(owned_by(pattern), block__dataset_id=OuterRef("pk"))))


def dataset_on_tape() -> Q:
    """Return the condition that a dataset has a copy, complete or not, at a tape site."""
    tape = list(Site.objects.filter(storage_type=StorageType.MSS).order_by("pk").values_list("pk", flat=True))
    return dataset_at_sites(tape)


def has_copies(*, at_least: int = 0, at_most: int | None = None) -> Q:
    """Return the condition on the number of copies of a dataset, complete ones or not; see ``as_counted``."""
    copies = DatasetReplica.objects.filter(dataset_id=OuterRef("pk")).order_by()
    condition = Q()
    if at_least > 0:
        condition &= as_counted(num_copies__gte=at_least) & Q(Exists(copies[at_least - 1 : at_least]))
    if at_most is not None:
        condition &= as_counted(num_copies__lte=at_most) & ~Q(Exists(copies[at_most : at_most + 1]))
    return condition


def as_counted(**numbers: int) -> Q:
    """Return the condition that the last count of statistics found *numbers* of a dataset; all fit before the first count.

    It only narrows, so that what is rare is found without a look at every dataset; what is asked of the inventory as it is
    goes beside it. What has come to fit since the last count is missing until the next.
    """
    if not _was_counted():
        return Q()
    return Q(**{f"counted__{name}": number for name, number in numbers.items()})


def copy_is_complete() -> Q:
    """Return the condition that a dataset replica has every block of its dataset, each with all of its files."""
    here = BlockReplica.objects.filter(IS_WHOLE, block_id=OuterRef("pk"), dataset_replica_id=OuterRef(OuterRef("pk")))
    return ~Q(Exists(Block.objects.filter(~Exists(here), dataset_id=OuterRef("dataset_id"))))


def dataset_is_complete() -> Q:
    """Return the condition that a dataset has a complete copy somewhere."""
    return Q(Exists(DatasetReplica.objects.filter(copy_is_complete(), dataset_id=OuterRef("pk"))))


def copy_counted_incomplete(field: str) -> Q:
    """Return the condition that the last count found the dataset replica under *field* incomplete; see ``as_counted``."""
    if not _was_counted():
        return Q()
    return Q(**{f"{field}__in": IncompleteCopy.objects.order_by().values("dataset_replica_id")})


def locked(now: datetime, *, dataset: str, block: str = "", site: str = "", group: str = "") -> Q:
    """Return the condition that a lock in force at *now* holds the row.

    *dataset*, *block*, *site* and *group* are the paths to the names; what is not given is not compared: a dataset is locked
    if a lock names it, whatever the block or site. Up to a few hundred locks become part of the query, so that indexes find
    what they name; more are tried one by one.
    """
    paths = {"dataset": dataset, "block": block, "site": site, "group": group}
    paths = {column: path for column, path in paths.items() if path}
    locks = active_locks(now)
    kinds = {tuple(getattr(lock, column) for column in paths) for lock in locks}
    if len(kinds) > MAX_LOCKS_IN_QUERY:
        in_force = locks_in_force(now).order_by()
        return Q(Exists(_fitting(in_force, {f"{column}_pattern": path for column, path in paths.items()})))
    plain = {kind for kind in kinds if set(kind[1:]) <= {"*"} and not _IS_WILD.search(kind[0])}
    condition = Q(**{f"{dataset}__in": sorted(kind[0] for kind in plain)})
    for kind in sorted(kinds - plain):
        parts = [_name_fits(path, pattern) for path, pattern in zip(paths.values(), kind, strict=True) if pattern != "*"]
        condition |= Q(*parts) if parts else ~Q(pk__in=[])
    return condition


def known_or_never(field: str, condition: Q, *, feed: str, now: datetime) -> Q:
    """Return *condition* on a fact, or that the fact is absent while its feed is fresh, when it means never (or none).

    With a stale feed an absent fact is unknown, and what is unknown fits nothing.
    """
    return condition | Q(**{f"{field}__isnull": True}) if is_feed_fresh(feed, now) else condition


def is_feed_fresh(feed: str, now: datetime) -> bool:
    """Tell whether the facts of *feed* may be believed; what a fresh one does not name is 0, never or no."""
    found = FactFeed.objects.filter(name=feed, measured_at__isnull=False).first()
    return found is not None and found.measured_at is not None and abs(now - found.measured_at) <= found.max_age


def _fitting(locks: QuerySet[Lock], paths: dict[str, str]) -> QuerySet[Lock]:
    """Return those of *locks* whose patterns fit the names of the row outside; nobody is called ``None``."""
    for column, path in paths.items():
        name = ExpressionWrapper(OuterRef(path), output_field=CharField())
        locks = locks.alias(**{f"name_of_{column}": name})
        fits = Q(**{f"name_of_{column}__wildcard": F(column)}) | Q(**{column: "*"})
        if column == "site_pattern":
            # A pattern that fits no site locks everywhere (fail safe).
            some_site = Site.objects.annotate(pattern=ExpressionWrapper(OuterRef(column), output_field=CharField()))
            fits |= ~Q(Exists(some_site.filter(name__wildcard=F("pattern"))))
        if column == "group_pattern":
            fits |= Q(**{f"name_of_{column}__isnull": True}) & Q(group_pattern=NOBODY)
        locks = locks.filter(fits)
    return locks


def _name_fits(path: str, pattern: str) -> Q:
    nobody = Q(**{f"{path}__isnull": True}) if path.startswith("group") and pattern == NOBODY else Q()
    return Q(**{f"{path}__wildcard": pattern}) | nobody if nobody else Q(**{f"{path}__wildcard": pattern})


def _was_counted() -> bool:
    return StatisticsCount.objects.filter(counted_at__isnull=False).exists()
