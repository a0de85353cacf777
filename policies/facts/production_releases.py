"""Datasets that were made with the latest production release of their cycle."""

from __future__ import annotations

from policies.facts.request import Provider, dataset_facts
from policies.language.variables import RELEASES

PROVIDER = Provider(RELEASES, dataset_facts({"dataset.is_latest_production_release": "is_latest_production_release"}))
