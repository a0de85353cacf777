"""Contents of audit events: sums and examples, never a row per file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any


def reason_counts(reasons: Iterable[str]) -> dict[str, Any]:
    """Return how many items dropped out and, for the commonest reasons, how many each."""
    counts = Counter(reasons)
    return {"block_replicas": counts.total(), "reasons": dict(counts.most_common(20))}
