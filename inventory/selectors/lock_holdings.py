"""How much locks hold: counted in the database for a page of them at once, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.db.models import Count, Q, QuerySet, Sum, Value

from inventory.models import BlockReplica, Group, Lock, Site
from inventory.selectors.locks import matches
from inventory.selectors.locks_in_force import NOBODY
from inventory.selectors.wording import some_of

#: Locks counted by one query: SQLite takes at most 500 parts of a compound.
_PER_QUERY = 250
_SITES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a lock is on; ``*`` is any text and ``?`` any character."""

    dataset: str
    block: str = "*"
    site: str = "*"
    group: str = "*"

    @classmethod
    def of(cls, lock: Lock) -> Patterns:
        return cls(lock.dataset_pattern, lock.block_pattern, lock.site_pattern, lock.group_pattern)


@dataclass(frozen=True, slots=True)
class Holding:
    """What patterns match now: block replicas, bytes physically present, and how many datasets these belong to.

    ``is_site_unknown``: the site pattern fits no site, so that the lock holds everywhere (fail safe). ``site_names`` are the
    sites that it fits, empty where it is ``*`` or fits none.
    """

    num_datasets: int
    num_block_replicas: int
    size_bytes: int
    is_site_unknown: bool
    site_names: tuple[str, ...]


def lock_holdings(patterns: Sequence[Patterns]) -> list[Holding]:
    """Return what each of *patterns* matches, in their order: sites, groups, and one query for all of them.

    It costs what there is to count: patterns that begin with a text are found by the index of the names, ``*`` alone counts the
    whole inventory at its sites. That they would hold does not depend on a lock being in force.
    """
    sites = dict(Site.objects.order_by("name").values_list("name", "pk"))
    groups: dict[str, int | None] = {NOBODY: None, **dict(Group.objects.order_by("name").values_list("name", "pk"))}
    fitting = {pattern: _fitting(sites, pattern) for pattern in {one.site for one in patterns}}
    owners = {pattern: [groups[name] for name in _fitting(groups, pattern)] for pattern in {one.group for one in patterns}}
    counted: dict[int, tuple[int, int, int]] = {}
    for start in range(0, len(patterns), _PER_QUERY):
        parts = [
            _counts(number, one, [sites[name] for name in fitting[one.site]], owners[one.group])
            for number, one in enumerate(patterns[start : start + _PER_QUERY], start)
        ]
        for number, datasets, blocks, size in parts[0].union(*parts[1:], all=True):
            counted[number] = (datasets, blocks, size or 0)
    return [
        Holding(
            *counted.get(number, (0, 0, 0)),  # a part that can match nothing is not even asked
            is_site_unknown=one.site != "*" and not fitting[one.site],
            site_names=tuple(fitting[one.site]) if one.site != "*" else (),
        )
        for number, one in enumerate(patterns)
    ]


def holdings_of(locks: Iterable[Lock]) -> dict[int, Holding]:
    """Return what each of *locks* matches, by its key; see `lock_holdings`."""
    locks = list(locks)
    return dict(zip([lock.pk for lock in locks], lock_holdings([Patterns.of(lock) for lock in locks]), strict=True))


def where_texts(patterns: Sequence[Patterns]) -> list[str]:
    """Return where each of *patterns* holds, in words, without counting what."""
    sites = list(Site.objects.order_by("name").values_list("name", flat=True)) if any(one.site != "*" for one in patterns) else []
    found = [() if one.site == "*" else tuple(_fitting(sites, one.site)) for one in patterns]
    return [
        where_text(one, Holding(0, 0, 0, is_site_unknown=one.site != "*" and not names, site_names=names))
        for one, names in zip(patterns, found, strict=True)
    ]


def where_text(patterns: Patterns, holding: Holding) -> str:
    """Return where a lock holds, in words: what its site pattern fits, and plainly if that is nothing."""
    if holding.is_site_unknown:
        return f"everywhere, because no site is called {patterns.site}"
    if patterns.site == "*":
        return "everywhere"
    names = holding.site_names
    if names == (patterns.site,):
        return patterns.site
    return f"{patterns.site} ({some_of(names, _SITES_SHOWN)})"


def _fitting(names: Iterable[str], pattern: str) -> list[str]:
    known = pl.Series(list(names), dtype=pl.String)
    return known.filter(matches(known, pattern)).to_list()


def _counts(number: int, patterns: Patterns, site_ids: list[int], group_ids: list[int | None]) -> QuerySet[BlockReplica, Any]:
    rows = BlockReplica.objects.order_by()
    if patterns.dataset != "*":
        rows = rows.filter(block__dataset__name__wildcard=patterns.dataset)
    if patterns.block != "*":
        rows = rows.filter(block__name__wildcard=patterns.block)
    if patterns.site != "*" and site_ids:
        rows = rows.filter(site_id__in=site_ids)
    if patterns.group != "*":
        named = Q(group_id__in=[key for key in group_ids if key is not None])
        rows = rows.filter(named | Q(group_id__isnull=True) if None in group_ids else named)
    counted = rows.values(number=Value(number)).annotate(
        datasets=Count("block__dataset_id", distinct=True), blocks=Count("pk"), size=Sum("size_bytes")
    )
    return counted.values_list("number", "datasets", "blocks", "size")
