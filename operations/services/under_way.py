"""What is being deleted now, for those who want to keep it."""

from __future__ import annotations

from inventory.services.under_way import UnderWay
from operations.choices import DeletionState
from operations.constants import NOBODY
from operations.models import Deletion
from operations.services.turns import take_turn


def look_under_way() -> list[UnderWay]:
    """Return the block replicas under a lease; no further lease is taken before the caller's transaction ends."""
    take_turn()
    acting = Deletion.objects.filter(state=DeletionState.ACTING, path="").order_by("site_name", "dataset_name", "block_name")
    return [
        UnderWay(dataset, block, site, None if group == NOBODY else group)
        for dataset, block, site, group in acting.values_list("dataset_name", "block_name", "site_name", "group_name")
    ]
