"""Free-form attributes of datasets: what of JSON every database keeps and gives back."""

from __future__ import annotations

import json
from typing import Any

from msgspec import UNSET, UnsetType

from inventory.ingest.rejects import Problem


def attributes_problem(given: dict[str, Any] | UnsetType | None) -> Problem | None:
    """Return what is wrong with attributes that a record gives, None where nothing is."""
    if given is UNSET or not given or "\\u0000" not in json.dumps(given):
        return None
    return Problem("attributes", "a NUL character", "text that every database can keep")
