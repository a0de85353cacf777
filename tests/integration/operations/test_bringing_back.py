"""A document that is older than a deletion does not bring back what was deleted, unless somebody says so."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inventory.models import BlockReplica
from inventory.services.audit import Actor
from inventory.services.injections import InjectionReport, inject
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from tests.factories.inventory import write_document
from tests.factories.operations import EAGER, Clock, World, seeded

pytestmark = pytest.mark.django_db


@pytest.fixture
def put(tmp_path: Path, world: World, clock: Clock) -> Any:
    """Return what injects the deleted and the kept replica as of a moment, after the first was deleted."""
    deleted, kept = world.two_copies(num_blocks=2)
    where = {part.pk: (part.block.dataset.name, part.block.name, part.site.name) for part in (deleted, kept)}
    plan_enqueue(world.plan([deleted]).pk, now=clock())
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())

    def inject_as_of(age: timedelta, *, only_kept: bool = False, **options: Any) -> InjectionReport:
        lines: list[dict[str, Any]] = [{"meta": {"now": (clock() - age).timestamp()}}]
        for part in [kept] if only_kept else [deleted, kept]:
            dataset, block, site = where[part.pk]
            lines.append({"datasetreplica": [{"dataset": dataset, "site": site, "blockreplicas": [{"block": block}]}]})
        source = write_document(tmp_path / "old.jsonl", *lines)
        return inject(source=source, actor=Actor("tester"), now=clock(), **options)

    return inject_as_of


def test_an_older_document_is_refused_with_when_it_was_deleted(put: Any) -> None:
    report = put(timedelta(days=1))
    assert (report.is_kept, report.num_rejects) == (False, 1)
    text = str(report.rejects[0])
    assert "blockreplicas[0].block: found" in text
    assert "were deleted on 20" in text
    assert "--bring-back" in text
    assert BlockReplica.objects.filter(site__name="T3_B").count() == 1


def test_what_was_not_deleted_is_taken_from_an_older_document(put: Any) -> None:
    assert put(timedelta(days=1), only_kept=True).num_changes == 0


def test_a_newer_document_knows_better(put: Any) -> None:
    report = put(timedelta(days=-1))
    assert report.is_kept
    assert BlockReplica.objects.filter(site__name="T3_B").count() == 2


def test_somebody_who_says_so_brings_it_back_and_the_audit_trail_keeps_it(put: Any) -> None:
    from inventory.models import AuditEvent  # noqa: PLC0415

    assert put(timedelta(days=1), brings_back=True).is_kept
    assert BlockReplica.objects.filter(site__name="T3_B").count() == 2
    assert AuditEvent.objects.filter(action="inventory.inject").latest("pk").details["brings_back"] is True
