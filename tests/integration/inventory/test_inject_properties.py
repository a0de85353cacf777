"""Whatever the document: injected again it changes nothing, and sums and completeness are right."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.models import BlockReplica, Dataset, PresentFile
from inventory.services.audit import Actor
from inventory.services.injections import inject
from tests.factories.inventory import NOW, write_document

pytestmark = pytest.mark.django_db
ACTOR = Actor("tester")
SITES = ("S1", "S2")
BLOCKS = ("b1", "b2")


@st.composite
def documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw lines that grow a dataset file by file, with replicas of what is known by then."""
    lines: list[dict[str, Any]] = [{"site": [{"name": name} for name in SITES], "dataset": [{"name": "/A/B/C"}]}]
    known: dict[str, list[str]] = {}
    for _ in range(draw(st.integers(1, 6))):
        block = draw(st.sampled_from(BLOCKS))
        if block not in known or draw(st.booleans()):
            files = [f"/{block}/{number}" for number in draw(st.sets(st.integers(0, 3)))]
            known[block] = sorted({*known.get(block, ()), *files})
            entry = {"name": block, "last_update": 1, "files": [{"name": lfn, "size": 1 + int(lfn[-1])} for lfn in files]}
            lines.append({"dataset": [{"name": "/A/B/C", "last_update": 1, "blocks": [entry]}]})
        else:
            part: dict[str, Any] = {"block": block, "last_update": 1}
            if known[block] and draw(st.booleans()):
                part["files"] = draw(st.lists(st.sampled_from(known[block]), unique=True))
            lines.append(
                {"datasetreplica": [{"dataset": "/A/B/C", "site": draw(st.sampled_from(SITES)), "blockreplicas": [part]}]}
            )
    return lines


@given(lines=documents(), batch_size=st.sampled_from([1, 3, 1000]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_last_line_again_changes_nothing_and_sums_are_right(lines: list[dict[str, Any]], batch_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder, transaction.atomic():
        source = write_document(Path(folder) / "document.jsonl", *lines)
        assert inject(source=source, actor=ACTOR, now=NOW, batch_size=batch_size).num_rejects == 0
        last = write_document(Path(folder) / "last.jsonl", lines[-1])
        assert inject(source=last, actor=ACTOR, now=NOW).num_changes == 0

        dataset = Dataset.objects.get()
        blocks = list(dataset.blocks.all())
        assert dataset.size_bytes == sum(block.size_bytes for block in blocks)
        assert dataset.num_blocks == len(blocks)
        for part in BlockReplica.objects.select_related("block"):
            present = list(PresentFile.objects.filter(block_replica=part).values_list("file__size_bytes", flat=True))
            is_complete = (part.size_bytes, part.num_files) == (part.block.size_bytes, part.block.num_files)
            assert (sum(present), len(present)) == ((0, 0) if is_complete else (part.size_bytes, part.num_files))
        assert not BlockReplica.objects.filter(num_files__gt=F("block__num_files")).exists()
        transaction.set_rollback(True)
