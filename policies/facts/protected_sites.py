"""Datasets that have a copy at a protected site."""

from __future__ import annotations

from policies.facts.request import Provider, dataset_facts
from policies.language.variables import PROTECTED_SITES

PROVIDER = Provider(PROTECTED_SITES, dataset_facts({"dataset.on_protected_site": "on_protected_site"}))
