"""What it takes to preview the invalidation of 10,000 files, beside asking the database for these files once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File, Site
from inventory.selectors.named import Target
from operations.services.invalidation_preview import invalidation_preview
from tests.benchmarks.test_engine_speed import say

pytestmark = pytest.mark.django_db

#: Files of a block, and sites that have each block.
PER_BLOCK, COPIES = 20, 3
#: Seconds that the preview of 10,000 files may take on a quiet machine.
LIMIT = 2.0


def store(num_files: int) -> list[Target]:
    """Write so many files, a tenth of them in blocks that are whole in the list, and name them all."""
    now = timezone.now()
    sites = Site.objects.bulk_create(Site(name=f"T2_{number}", endpoint_url="file:///x") for number in range(COPIES))
    num_blocks = num_files // PER_BLOCK
    datasets = Dataset.objects.bulk_create(
        Dataset(name=f"/D{number}/A-v1/RAW", last_update=now, num_blocks=10) for number in range(max(num_blocks // 10, 1))
    )
    blocks = Block.objects.bulk_create(
        Block(dataset=datasets[n % len(datasets)], name=f"b{n}", size_bytes=PER_BLOCK * 10, num_files=PER_BLOCK, last_update=now)
        for n in range(num_blocks)
    )
    files = File.objects.bulk_create(
        (File(block=block, lfn=f"/store/{block.name}/{n}.root", size_bytes=10) for block in blocks for n in range(PER_BLOCK)),
        batch_size=5000,
    )
    places = DatasetReplica.objects.bulk_create(DatasetReplica(dataset=d, site=s) for d in datasets for s in sites)
    of = {(place.dataset_id, place.site_id): place for place in places}
    BlockReplica.objects.bulk_create(
        (
            BlockReplica(
                dataset_replica=of[block.dataset_id, site.pk],
                block=block,
                site=site,
                size_bytes=block.size_bytes,
                num_files=block.num_files,
                last_update=now,
            )
            for block in blocks
            for site in sites
        ),
        batch_size=5000,
    )
    return [Target(file=file.lfn) for file in files]


def seconds(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def test_a_preview_of_many_files_is_quick(is_full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    targets = store(10_000 if is_full else 200)
    names = [target.file for target in targets]
    found = invalidation_preview(targets=targets, now=timezone.now())
    assert (found.num_files, len(found.copies)) == (len(names), COPIES * len(names) // PER_BLOCK)
    with CaptureQueriesContext(connection) as queries:
        invalidation_preview(targets=targets, now=timezone.now())
    took = seconds(lambda: invalidation_preview(targets=targets, now=timezone.now()))
    floor = seconds(lambda: [list(File.objects.filter(lfn__in=names[at : at + 5000])) for at in range(0, len(names), 5000)])
    say(
        capsys,
        f"preview of invalidating {len(names):,} files on {connection.vendor}: {took:.2f} s, {len(queries)} queries; "
        f"the files alone, by name: {floor:.2f} s",
    )
    assert took < LIMIT or not is_full
