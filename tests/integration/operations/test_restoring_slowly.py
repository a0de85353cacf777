"""A file that takes longer to read than a lease lasts comes back all the same: who reads it stays alive meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from operations.models import Trash
from operations.services.sweep import sweep
from operations.services.trash_worker import restore_work
from operations.services.worker import real_gateway
from operations.storage import local_trash
from tests.factories.operations import seeded
from tests.factories.trash import Bin

pytestmark = pytest.mark.django_db


def test_a_file_that_is_read_for_longer_than_a_lease_is_restored_by_one_worker(bin: Bin, monkeypatch: pytest.MonkeyPatch) -> None:
    bin.delete()
    bin.ask(plan_id=bin.plan.pk)
    read, taken_back = local_trash._content, []

    def slowly(folder: int, name: str) -> Iterator[bytes]:
        for piece in read(folder, name):
            for byte in piece:
                bin.clock.advance(seconds=30)
                taken_back.append(sweep(now=bin.clock.now, limits=bin.limits, rng=seeded()).num_leases)
                yield bytes([byte])

    monkeypatch.setattr(local_trash, "_content", slowly)
    done = restore_work(worker="r", clock=bin.clock, limits=bin.limits, rng=seeded(), gateway=real_gateway)
    assert done.files == {"RESTORED": 3}
    assert (len(taken_back), set(taken_back), bin.limits.lease) == (30, {0}, timedelta(seconds=120))
    assert (Trash.objects.get().state, bin.inventory()) == ("RESTORED", bin.before)
