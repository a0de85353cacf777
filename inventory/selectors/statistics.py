"""Statistics of the inventory, out of the sums of the last count: by what, of what, with the average number of copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet, Sum

from inventory.choices import StatisticsBasis, StatisticsDimension
from inventory.exceptions import InvalidInput
from inventory.models import StatisticsCell, StatisticsCount, StatisticsUnique
from inventory.selectors.locks_in_force import NOBODY

#: Parts of a bar that are told apart; the others are one part.
NUM_PARTS = 6

#: What the parts beyond those are called.
OTHERS = "others"

_PATHS = {
    **{dimension: dimension.value for dimension in StatisticsDimension},
    StatisticsDimension.SITE: "site__name",
    StatisticsDimension.GROUP: "group__name",
}


@dataclass(frozen=True, slots=True)
class StatisticsRow:
    """Sums of one value. ``replication`` is stored bytes over the bytes of the blocks that have a replica, each counted once.

    Where sites are asked for or by, it is how many copies, at all sites together, there are of what lies there: 1.0 at a site
    that has the only ones. ``unique_bytes`` are then the bytes of the blocks that lie there. None: nothing has any bytes.
    ``parts`` are bytes by ``split``.
    """

    value: str
    size_bytes: int
    num_files: int
    num_block_replicas: int
    unique_bytes: int
    replication: float | None
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A table of sums, largest first, and the moment of the inventory that it is of (None: it was never counted)."""

    by: StatisticsDimension
    split: StatisticsDimension
    basis: StatisticsBasis
    counted_at: datetime | None
    #: ``replication`` of the rows is of what lies at sites, at all sites together.
    is_of_sites: bool
    part_names: tuple[str, ...]
    rows: tuple[StatisticsRow, ...]
    total: StatisticsRow


def default_split(by: StatisticsDimension) -> StatisticsDimension:
    """Return what the bars are split by if nobody says: the tiers, or of tiers the status."""
    return StatisticsDimension.STATUS if by == StatisticsDimension.TIER else StatisticsDimension.TIER


def statistics(
    *,
    by: StatisticsDimension,
    split: StatisticsDimension | None = None,
    basis: StatisticsBasis = StatisticsBasis.PHYSICAL,
    wanted: Mapping[StatisticsDimension, str] | None = None,
) -> Statistics:
    """Return the sums by *by* of what fits *wanted* (names or patterns; ``None`` is the group nobody).

    Physical sums are of what is present, projected ones of what there will be once incomplete and growing replicas are whole.
    A fixed number of queries over the sums, none over replicas. Raises ``InvalidInput`` where *split* is *by*.
    """
    split = split or default_split(by)
    if split == by:
        raise InvalidInput(f"bars by {by.label} cannot be split by {split.label}: choose another")
    conditions = dict(wanted or {})
    cells = StatisticsCell.objects.filter(*_conditions(conditions)).order_by()
    is_projected = basis == StatisticsBasis.PROJECTED
    sums = {
        "size": Sum("projected_bytes" if is_projected else "size_bytes"),
        "files": Sum("projected_files" if is_projected else "num_files"),
        "replicas": Sum("num_block_replicas"),
    }
    found = list(cells.values_list(_PATHS[by], _PATHS[split]).annotate(**sums))
    copies = _copies(by, conditions, is_projected=is_projected)
    part_names = _largest_parts(found)
    rows = sorted(_rows(found, copies, part_names), key=lambda row: (-row.size_bytes, row.value))
    counted = StatisticsCount.objects.filter(pk=1).first()
    return Statistics(
        by=by,
        split=split,
        basis=basis,
        counted_at=counted.counted_at if counted is not None else None,
        is_of_sites=by == StatisticsDimension.SITE or StatisticsDimension.SITE in conditions,
        part_names=part_names,
        rows=tuple(rows),
        total=_total(rows, copies.get(None)),
    )


def _conditions(wanted: Mapping[StatisticsDimension, str]) -> Iterator[Q]:
    for dimension, pattern in wanted.items():
        if dimension == StatisticsDimension.GROUP and pattern == NOBODY:
            yield Q(group__isnull=True)
        else:
            yield Q(**{f"{_PATHS[dimension]}__wildcard": pattern})


@dataclass(frozen=True, slots=True)
class _Copies:
    """Bytes of blocks, each counted once, and what there is of these blocks; None: as many as the sums beside say."""

    unique_bytes: int
    stored_bytes: int | None = None


def _copies(
    by: StatisticsDimension, wanted: Mapping[StatisticsDimension, str], *, is_projected: bool
) -> dict[str | None, _Copies]:
    """Return by value what average copies are made of, and under None that of everything."""
    found: dict[str | None, _Copies] = {}
    if by == StatisticsDimension.SITE or StatisticsDimension.SITE in wanted:
        cells = StatisticsCell.objects.filter(*_conditions(wanted)).order_by()
        sums = {"whole": Sum("whole_bytes"), "stored": Sum("anywhere_projected_bytes" if is_projected else "anywhere_bytes")}
        found = {
            _name(by, value): _Copies(whole, stored) for value, whole, stored in cells.values_list(_PATHS[by]).annotate(**sums)
        }
        if StatisticsDimension.SITE in wanted:
            whole = sum(copies.unique_bytes for copies in found.values())
            return {**found, None: _Copies(whole, sum(copies.stored_bytes or 0 for copies in found.values()))}
    of_groups = StatisticsDimension.GROUP in wanted or by == StatisticsDimension.GROUP
    rows = StatisticsUnique.objects.filter(*_conditions(wanted), is_any_group=not of_groups).order_by()
    if by != StatisticsDimension.SITE:
        found = {_name(by, value): _Copies(size) for value, size in _sizes(rows, _PATHS[by])}
    if by == StatisticsDimension.GROUP and StatisticsDimension.GROUP not in wanted:
        # A block in the hands of two groups is in the sums of both, and once in that of all.
        rows = StatisticsUnique.objects.filter(*_conditions(wanted), is_any_group=True).order_by()
    found[None] = _Copies(rows.aggregate(size=Sum("size_bytes", default=0))["size"])
    return found


def _sizes(rows: QuerySet[Any], path: str) -> Iterator[tuple[Any, int]]:
    yield from rows.values_list(path).annotate(size=Sum("size_bytes"))


def _name(by: StatisticsDimension, value: Any) -> str:
    return NOBODY if by == StatisticsDimension.GROUP and value is None else str(value or "")


def _largest_parts(found: list[tuple[Any, ...]]) -> tuple[str, ...]:
    """Return the names of the largest parts over all rows, and ``others`` if there are more."""
    sizes: dict[str, int] = {}
    for _, part, size, *_rest in found:
        name = NOBODY if part is None else str(part)
        sizes[name] = sizes.get(name, 0) + size
    ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
    return (*ordered[:NUM_PARTS], *([OTHERS] if len(ordered) > NUM_PARTS else []))


def _rows(
    found: list[tuple[Any, ...]], copies: dict[str | None, _Copies], part_names: tuple[str, ...]
) -> Iterator[StatisticsRow]:
    position = {name: place for place, name in enumerate(part_names)}
    sums: dict[str, list[int]] = {}
    parts: dict[str, list[int]] = {}
    for value, part, size, files, replicas in found:
        name = NOBODY if value is None else str(value)
        total = sums.setdefault(name, [0, 0, 0])
        for place, number in enumerate((size, files, replicas)):
            total[place] += number
        place = position.get(NOBODY if part is None else str(part), len(part_names) - 1)
        parts.setdefault(name, [0] * len(part_names))[place] += size
    for name, (size, files, replicas) in sums.items():
        of_these = copies.get(name, _Copies(0))
        yield StatisticsRow(name, size, files, replicas, of_these.unique_bytes, _ratio(size, of_these), tuple(parts[name]))


def _total(rows: list[StatisticsRow], copies: _Copies | None) -> StatisticsRow:
    size = sum(row.size_bytes for row in rows)
    parts = tuple(sum(column) for column in zip(*(row.parts for row in rows), strict=True))
    files, replicas = sum(row.num_files for row in rows), sum(row.num_block_replicas for row in rows)
    of_these = copies or _Copies(0)
    return StatisticsRow("", size, files, replicas, of_these.unique_bytes, _ratio(size, of_these), parts)


def _ratio(size: int, copies: _Copies) -> float | None:
    stored = size if copies.stored_bytes is None else copies.stored_bytes
    return stored / copies.unique_bytes if copies.unique_bytes else None
