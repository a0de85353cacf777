"""Free-form attributes of datasets: what documents gave, and over it what the feed of attributes has measured."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from inventory.selectors.snapshot import read_measured_attributes
from policies.evaluation.columns import OPTIONAL_COLUMNS
from policies.facts.request import FactRequest

ATTRIBUTES_VARIABLE = "dataset.attr"


def with_measured(request: FactRequest, *, is_fresh: bool) -> pl.Series:
    """Return the attributes of every dataset, JSON texts in the order of the inventory.

    What the feed measured stands before what a document gave under the same key. Unless the feed *is_fresh*, each key that it
    measured is left out: unknown, also where a document gave it, which may have been true long ago.
    """
    _, column, dtype = OPTIONAL_COLUMNS[ATTRIBUTES_VARIABLE]
    texts: list[str | None] = request.inventory.datasets[column].to_list()
    for row, text in read_measured_attributes(request.reader, request.inventory):
        measured: dict[str, Any] = json.loads(text)
        given: dict[str, Any] = json.loads(texts[row] or "{}")
        left = {key: value for key, value in given.items() if key not in measured}
        texts[row] = json.dumps(left | measured if is_fresh else left, sort_keys=True)
    return pl.Series(column, texts, dtype=dtype)
