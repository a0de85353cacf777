"""Free-form attributes of datasets: what of JSON every database keeps and gives back."""

from __future__ import annotations

import json
from typing import Any

from msgspec import UNSET, UnsetType

from inventory.ingest.rejects import Problem

#: Values in one another: what databases, programs and pages take that read them again.
_MAX_DEPTH = 20


def attributes_problem(given: dict[str, Any] | UnsetType | None) -> Problem | None:
    """Return what is wrong with attributes that a record gives, None where nothing is."""
    if given is UNSET or not given:
        return None
    if _depth(given) > _MAX_DEPTH:
        return Problem("attributes", "values that are nested too deep", f"at most {_MAX_DEPTH} in one another")
    if "\\u0000" in json.dumps(given):
        return Problem("attributes", "a NUL character", "text that every database can keep")
    return None


def _depth(value: object) -> int:
    """Return how many levels of lists and objects *value* has."""
    levels, inner = 0, [value]
    while inner := [each for each in inner if isinstance(each, dict | list)]:
        levels += 1
        inner = [part for each in inner for part in (each.values() if isinstance(each, dict) else each)]
    return levels
