"""Copies that are on their way: what nobody should delete without knowing it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from inventory.models import DatasetFacts, DatasetReplica

#: Stands for the site of a copy that was asked for and that no site has begun to take.
ASKED_FOR = ""
_NAMES_PER_QUERY = 1000


def transfers_under_way(names: Collection[str] | None = None) -> dict[str, frozenset[str]]:
    """Return the sites to which a copy is on its way, by dataset; *names* None: of all datasets. Read fresh.

    That is a growing replica which has less than its dataset, or whose dataset still takes blocks; and `ASKED_FOR` where the feed
    of copy requests names one that is not handled yet.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for growing, asked in _parts(names):
        present = Coalesce(Sum("block_replicas__size_bytes"), 0)
        rows = growing.annotate(present=present).filter(Q(dataset__is_open=True) | Q(present__lt=F("dataset__size_bytes")))
        for dataset, site in rows.order_by().values_list("dataset__name", "site__name"):
            found[dataset].add(site)
        for dataset in asked.order_by().values_list("dataset__name", flat=True):
            found[dataset].add(ASKED_FOR)
    return {dataset: frozenset(sites) for dataset, sites in found.items()}


def _parts(names: Collection[str] | None) -> Iterator[tuple[QuerySet[DatasetReplica], QuerySet[DatasetFacts]]]:
    growing, asked = DatasetReplica.objects.filter(is_growing=True), DatasetFacts.objects.filter(unhandled_copy_exists=True)
    if names is None:
        yield growing, asked
        return
    wanted = sorted(names)
    for start in range(0, len(wanted), _NAMES_PER_QUERY):
        some = wanted[start : start + _NAMES_PER_QUERY]
        yield growing.filter(dataset__name__in=some), asked.filter(dataset__name__in=some)
