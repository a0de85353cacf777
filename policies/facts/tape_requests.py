"""Datasets for which somebody has asked for a copy on tape."""

from __future__ import annotations

from policies.facts.request import Provider, dataset_facts
from policies.language.variables import TAPE_REQUESTS

PROVIDER = Provider(TAPE_REQUESTS, dataset_facts({"dataset.tape_copy_requested": "tape_copy_requested"}))
