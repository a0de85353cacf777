"""Two lists held against each other: what one has and the other has not, to the byte."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from django.core.files.storage import default_storage

from campaigns.models import Revision


@dataclass(frozen=True, slots=True)
class ListDifference:
    """Block replicas and bytes that the new list has on top of the old one, and those that it has no more."""

    added_items: int
    added_bytes: int
    gone_items: int
    gone_bytes: int

    @property
    def is_none(self) -> bool:
        return not (self.added_items or self.gone_items)


def list_difference(items: pl.DataFrame, revision: Revision) -> ListDifference:
    """Return how *items* (of a ``StudiedList``) differ from the list of a revision. Raises ``FileNotFoundError``."""
    with default_storage.open(revision.items_file) as file:
        old = pl.read_parquet(file, columns=["key", "size"])
    added = items.join(old, on="key", how="anti")
    gone = old.join(items, on="key", how="anti")
    return ListDifference(added.height, int(added["size"].sum()), gone.height, int(gone["size"].sum()))
