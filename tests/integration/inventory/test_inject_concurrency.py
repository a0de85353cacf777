"""Two processes inject overlapping data at once, over real connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections

from inventory.models import AuditEvent, Block, BlockReplica, Dataset, Site
from inventory.services.audit import Actor, audit_verify
from inventory.services.injections import inject
from tests.factories.inventory import NOW, write_document


def overlapping(start: int, stop: int) -> list[dict[str, Any]]:
    """Return lines about the datasets from *start* up to *stop*, each with three blocks at two sites."""
    lines: list[dict[str, Any]] = [{"site": [{"name": "S1"}, {"name": "S2"}]}]
    for number in range(start, stop):
        name = f"/A/{number}/C"
        blocks = [{"name": f"b{index}", "size": 10, "num_files": 1} for index in range(3)]
        parts = [{"block": block["name"]} for block in blocks]
        replicas = [{"dataset": name, "site": site, "blockreplicas": parts} for site in ("S1", "S2")]
        lines.append({"dataset": [{"name": name, "blocks": blocks}], "datasetreplica": replicas})
    return lines


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_injections_at_once_neither_deadlock_nor_double_anything(tmp_path: Path) -> None:
    first = write_document(tmp_path / "first.jsonl", *overlapping(0, 60))
    second = write_document(tmp_path / "second.jsonl", *reversed(overlapping(30, 90)[1:]))
    inject(source=write_document(tmp_path / "sites.jsonl", overlapping(0, 0)[0]), actor=Actor("tester"), now=NOW)
    together = Barrier(2)

    def run(source: str) -> int:
        try:
            together.wait(timeout=30)
            return inject(source=source, actor=Actor("tester"), now=NOW, batch_size=50).num_rejects
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, [first, second])) == [0, 0]
    assert (Site.objects.count(), Dataset.objects.count(), Block.objects.count(), BlockReplica.objects.count()) == (
        2,
        90,
        270,
        540,
    )
    assert set(Dataset.objects.values_list("size_bytes", "num_files", "num_blocks")) == {(30, 3, 3)}
    assert AuditEvent.objects.count() == 3
    assert audit_verify() is None
    assert connection.is_usable()
