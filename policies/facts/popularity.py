"""How often datasets are read; a fresh feed says 0 accesses and never (1970) of what it does not name."""

from __future__ import annotations

from policies.facts.request import Provider, dataset_facts
from policies.language.variables import POPULARITY

PROVIDER = Provider(
    POPULARITY,
    dataset_facts(
        {
            "replica.num_access": "num_accesses",
            "dataset.last_access": "last_access_at",
            "dataset.usage_rank": "usage_rank",
            "dataset.demand_rank": "demand_rank",
        }
    ),
)
