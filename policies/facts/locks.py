"""Block replicas that an active lock covers: the inventory's own table, so never stale."""

from __future__ import annotations

import polars as pl

from inventory.selectors.locks import locked_rows
from policies.evaluation.columns import NOBODY_NAME
from policies.facts.request import FactRequest, Facts, Provider
from policies.language.variables import LOCKS


def load(request: FactRequest) -> Facts:
    """Return ``blockreplica.is_locked`` for every block replica, by the locks that are active at the cycle's clock."""
    inventory = request.inventory
    replicas = inventory.replicas[inventory.block_replicas["replica"]]
    owners = pl.concat([pl.Series([NOBODY_NAME], dtype=pl.String), inventory.groups["name"]])
    frame = pl.DataFrame(
        {
            "dataset": inventory.datasets["name"].gather(replicas["dataset"]),
            "block": inventory.blocks["name"].gather(inventory.block_replicas["block"]),
            "site": inventory.sites["name"].gather(replicas["site"]),
            "group": owners.gather(inventory.block_replicas["group"] + 1),
        }
    )
    return {"blockreplica.is_locked": locked_rows(frame, now=request.now)}


PROVIDER = Provider(LOCKS, load, is_measured=False)
