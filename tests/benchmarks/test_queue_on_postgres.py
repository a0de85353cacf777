"""A claim takes as long from a queue of ten million files as from a short one; a worker's memory does not grow with its work."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from django.utils import timezone

from operations.choices import FileOutcome
from operations.models import Deletion
from operations.services.claim import claim
from operations.services.limits import QueueLimits
from operations.services.worker import work
from operations.storage import FileResult, ShouldStop, TrashedFile
from tests.benchmarks.long_queues import queue_of
from tests.benchmarks.test_engine_speed import say
from tests.factories.operations import seeded

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

FILES_PER_BLOCK = 100
CLAIMS = 9


@pytest.mark.parametrize("is_long", [False, True], ids=["short", "long"])
def test_claim_takes_no_longer_from_a_long_queue(
    tmp_path: Path, is_long: bool, is_full: bool, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    num_blocks = (100_000 if is_long else 1_000) if is_full else (400 if is_long else 100)
    limits = QueueLimits(batch_items=10, local_batch_factor=1, batches_per_site=100)
    queue_of(tmp_path, num_blocks, files_per_block=FILES_PER_BLOCK, num_named=10 * CLAIMS)
    durations = []
    for _ in range(CLAIMS):
        start = time.perf_counter()
        taken = claim(worker="w", now=timezone.now(), limits=limits)
        durations.append(time.perf_counter() - start)
        assert taken is not None
        assert len(taken.items) == 10
        Deletion.objects.filter(lease_token=taken.token).update(
            state="DONE", lease_token=None, lease_until=None, finished_at=timezone.now()
        )
    took = median(durations)
    say(
        capsys,
        f"claim of 1,000 files from a queue of {num_blocks * FILES_PER_BLOCK:,}: {took * 1000:.0f} ms (median of {CLAIMS})",
    )
    if is_full:
        short = request.config.stash.setdefault(SHORT, took)
        assert took <= 1.5 * short


SHORT = pytest.StashKey[float]()


class Answering:
    """A storage that is nothing but its answers: what grows is the worker."""

    can_trash = True

    def delete(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[FileResult]:
        return [FileResult(lfn, FileOutcome.DELETED) for lfn in lfns if not should_stop()]

    def trash(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        return [FileResult(file.lfn, FileOutcome.DELETED, is_in_trash=True) for file in files if not should_stop()]

    restore: Any = None
    purge: Any = None


def test_memory_of_a_worker_is_flat(tmp_path: Path, is_full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Measured after a tenth and at the end: batches come and go, nothing may stay."""
    num_blocks = 10_000 if is_full else 100
    queue_of(tmp_path, num_blocks, files_per_block=FILES_PER_BLOCK, num_named=num_blocks)
    peaks: list[int] = []
    done = Deletion.objects.filter(state="DONE")

    def way(site: object) -> Answering:
        if not peaks and done.count() >= num_blocks // 10:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return Answering()

    start = time.perf_counter()
    # The block that the copies were made of is one more.
    limits = QueueLimits() if is_full else QueueLimits(batch_items=10)
    assert work(worker="w", limits=limits, rng=seeded(), gateway=way).states["DONE"] == num_blocks + 1
    took = time.perf_counter() - start
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    files = num_blocks * FILES_PER_BLOCK
    say(
        capsys,
        f"peak memory after {files // 10:,} and {files:,} files: {peaks[0] / 1024:.0f} and {peaks[-1] / 1024:.0f} MB, "
        f"{files / took:,.0f} files/s without a storage",
    )
    assert peaks[-1] <= 1.05 * peaks[0] or not is_full
