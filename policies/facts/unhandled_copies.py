"""Datasets with a copy request that is not handled yet."""

from __future__ import annotations

from policies.facts.request import Provider, dataset_facts
from policies.language.variables import UNHANDLED_COPIES

PROVIDER = Provider(UNHANDLED_COPIES, dataset_facts({"dataset.unhandled_copy_exists": "unhandled_copy_exists"}))
