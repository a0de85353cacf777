"""Datasets that no catalogue of the experiment knows."""

from __future__ import annotations

from policies.facts.request import Provider, dataset_facts
from policies.language.variables import GLOBAL_CATALOGUES

PROVIDER = Provider(GLOBAL_CATALOGUES, dataset_facts({"dataset.unknown_in_all_dbs": "unknown_in_all_dbs"}))
