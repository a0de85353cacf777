"""What a provider of facts is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from inventory.selectors.reading import Reader
from inventory.selectors.snapshot import InventoryColumns, read_dataset_facts
from policies.evaluation.columns import OPTIONAL_COLUMNS

#: Values by variable name, each in the row order of the frame that ``OPTIONAL_COLUMNS`` names.
Facts = Mapping[str, pl.Series]


@dataclass(frozen=True, slots=True)
class FactRequest:
    """One consistent read of the inventory and the variables of the feed that a policy names; nothing else is to be loaded."""

    reader: Reader
    inventory: InventoryColumns
    variables: frozenset[str]
    now: datetime


@dataclass(frozen=True, slots=True)
class Provider:
    """Loads the variables of one feed.

    ``is_measured``: the feed comes from outside and may be stale; otherwise it is a table of the inventory's own, always fresh.
    """

    feed: str
    load: Callable[[FactRequest], Facts]
    is_measured: bool = True


def dataset_facts(columns: Mapping[str, str]) -> Callable[[FactRequest], Facts]:
    """Return a loader of variables that lie in columns of ``DatasetFacts``: variable name -> column."""

    def load(request: FactRequest) -> Facts:
        wanted = {variable: column for variable, column in columns.items() if variable in request.variables}
        schema = {column: OPTIONAL_COLUMNS[variable][2] for variable, column in wanted.items()}
        found = read_dataset_facts(request.reader, schema, request.inventory.dataset_ids, is_part=request.inventory.is_part)
        return {variable: found[column] for variable, column in wanted.items()}

    return load
