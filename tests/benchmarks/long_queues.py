"""Queues of any length, made in the database: what the services would write for so many blocks, from one that they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connection, models

from inventory.models import Block, BlockReplica, File
from operations.models import Deletion
from operations.services.queue import plan_enqueue
from policies.models import PlanItem
from tests.factories.operations import World

FIRST_KEY = 1_000_000
#: Between the keys of the copies at the two sites.
AT_OTHER_SITE = 100_000_000


def queue_of(folder: Path, num_blocks: int, *, files_per_block: int, num_named: int) -> World:
    """Queue so many block replicas at T3_B for deletion, each with another copy; *num_named* blocks have files with names."""
    world = World(folder)
    kept_and_spare = world.two_copies(1, num_files=files_per_block)
    plan_enqueue(world.plan(kept_and_spare).pk)
    deletion = Deletion.objects.get()
    name = "'c' || lpad(n::text, 9, '0')"
    keys = f"{FIRST_KEY} + n"
    _copies(Block.objects.get(), num_blocks, {"id": keys, "name": name})
    for replica in BlockReplica.objects.order_by("pk"):
        offset = AT_OTHER_SITE if replica.site.name == "T2_A" else 0
        _copies(replica, num_blocks, {"id": f"{keys} + {offset}", "block_id": keys})
    item = PlanItem.objects.get()
    _copies(item, num_blocks, {"id": keys, "sequence": "n", "block_name": name, "block_replica_key": keys})
    _copies(deletion, num_blocks, {"id": keys, "plan_item_id": keys, "block_name": name, "block_replica_key": keys})
    for index, file in enumerate(File.objects.order_by("pk")):
        lfn = f"'/store/c/' || n || '/f{index}'"
        _copies(file, num_named, {"id": f"{FIRST_KEY} + n * {files_per_block} + {index}", "block_id": keys, "lfn": lfn})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return world


def _copies(row: models.Model, number: int, changed: Mapping[str, str]) -> None:
    """Insert copies of a row, n = 1 ... *number*, with other values (SQL) in some columns."""
    meta: Any = row._meta
    columns = [field.column for field in meta.concrete_fields if not field.generated]
    values = [changed.get(column, f'"{column}"') for column in columns]
    quoted = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {meta.db_table} ({quoted}) SELECT {', '.join(values)} "  # noqa: S608 - names of Django
            f"FROM {meta.db_table}, generate_series(1, %s) AS n WHERE {meta.db_table}.id = %s",
            [number, row.pk],
        )
