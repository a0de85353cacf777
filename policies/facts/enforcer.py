"""Replicas that the enforcer wants to stay."""

from __future__ import annotations

from inventory.selectors.snapshot import read_enforced_replicas
from policies.facts.request import FactRequest, Facts, Provider
from policies.language.variables import ENFORCER


def load(request: FactRequest) -> Facts:
    """Return ``replica.enforcer_protected`` for every replica."""
    return {"replica.enforcer_protected": read_enforced_replicas(request.reader, request.inventory)}


PROVIDER = Provider(ENFORCER, load)
