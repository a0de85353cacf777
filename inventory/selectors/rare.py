"""Lists whose filters leave next to nothing are found from what fits, not by a walk along the keys until a page is full.

PostgreSQL expects filters to be independent, so that a page of the newest of what fits looks cheap to find by walking the
table from its newest row. Where three usual filters hardly ever meet, that walk ends at the oldest of millions. How many rows
meet is known from the last count of statistics; it decides how a page is found, never what is on it.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, Subquery, Sum

from inventory.models import CountedPlace, IncompleteCopy

#: Rows of a usual page: a walk over *all* rows of which *some* fit sees ``PAGE_ROWS * all / some`` of them.
PAGE_ROWS = 50


class _Among(Func):
    """``key = ANY(ARRAY(SELECT ...))``: PostgreSQL evaluates the query once and for itself, whatever order is wanted outside."""

    output_field = BooleanField()
    conditional = True
    arg_joiner = " = ANY(ARRAY"
    template = "%(expressions)s)"


class _Keys(Subquery):
    """Where the query can find nothing, which Django knows for itself sometimes, the condition around it is false."""

    empty_result_set_value = NotImplemented


def collected(everything: QuerySet[Any], rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of *everything* that are *rows*, so that the database collects them before it puts them in order."""
    return everything.filter(_Among(F("pk"), _Keys(rows.order_by().select_related(None).values("pk"))))


def meet_rarely(*, condition: Q, site_ids: Collection[int] | None, tier: str = "", status: str = "") -> bool:
    """Tell whether the last count found so few block replicas of that kind that collecting them beats walking.

    *condition* is one on their owner, *site_ids* None is any site, *tier* may be a pattern. Two queries over sums, at most;
    False where nothing was counted yet, and on SQLite.
    """
    if connection.vendor != "postgresql":
        return False
    number = Sum("num_block_replicas", default=0)
    everything = CountedPlace.objects.order_by().aggregate(number=number)["number"]
    places = CountedPlace.objects.filter(condition).order_by()
    if site_ids is not None:
        places = places.filter(site_id__in=site_ids)
    if tier:
        places = places.filter(tier__wildcard=tier)
    if status:
        places = places.filter(status=status)
    return _is_rare(places.aggregate(number=number)["number"], everything)


def incomplete_are_rare() -> bool:
    """Tell whether the last count found few incomplete dataset replicas; one query that stops where they are many."""
    if connection.vendor != "postgresql":
        return False
    everything = CountedPlace.objects.order_by().aggregate(number=Sum("num_block_replicas", default=0))["number"]
    most = math.isqrt(PAGE_ROWS * everything)
    return everything > 0 and IncompleteCopy.objects.order_by().values("pk")[: most + 1].count() <= most


def _is_rare(some: int, everything: int) -> bool:
    """Collecting looks at *some* rows, walking at ``PAGE_ROWS * everything / some``: the smaller is taken."""
    return everything > 0 and some * some <= PAGE_ROWS * everything
