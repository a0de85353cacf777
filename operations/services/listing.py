"""Block replicas of the inventory as items of a list that is to be frozen."""

from __future__ import annotations

from inventory.selectors.replicas import BlockReplicaRow
from operations.constants import NOBODY
from policies.services.listed import ListedReplica


def listed_whole(row: BlockReplicaRow, why: str, *, may_be_last_copy: bool) -> ListedReplica:
    """Return *row* as an item that goes as a whole, as the inventory has it now; *why* is kept with it."""
    return ListedReplica(
        block_replica_key=row.key,
        site_name=row.site,
        dataset_name=row.dataset,
        block_name=row.block,
        owner=row.group or NOBODY,
        size_bytes=row.size_bytes,
        num_files=row.num_files,
        rule_text=why,
        may_be_last_copy=may_be_last_copy,
    )
