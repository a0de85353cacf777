"""How fast the whole pipeline deletes or puts aside, beside the same client doing the same with nothing around it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

import fsspec
import pytest
from django.core.management import call_command

from dynamo_site.celery import spare_the_collector
from inventory.models import BlockReplica
from operations.models import Deletion
from operations.services.limits import QueueLimits
from operations.services.worker import work
from operations.storage import trash_name
from operations.storage.local import LocalFolderGateway
from operations.storage.remote import RemoteGateway
from operations.storage.trash_names import trash_path
from tests.benchmarks.test_engine_speed import say
from tests.factories.operations import Clock, World, local_gateway, seeded
from tests.factories.storages import RealStorage, Servers
from tests.integration.storage.conftest import KINDS
from tests.integration.storage.test_shows import plan, world_at

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

#: Files in all, in blocks of a hundred; at a local folder more, because claims grow where all goes well, and it is fast. One by
#: one an S3 server of Python is slow.
FULL, FULL_LOCAL, FULL_S3_TRASH, SMALL = 10_000, 50_000, 1_000, 200
FILES_PER_BLOCK = 100
#: What takes a second is over before a busy machine is itself again: the median of some counts.
ROUNDS_LOCAL = 5


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a call takes by the clock, and those of the processor that it takes of this process."""
    start, start_cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - start_cpu


def bare(storage: RealStorage, names: list[str], *, is_to_trash: bool, looks: list[float]) -> Callable[[], object]:
    """Return what the client of a storage does to files, all at once and with nothing around it.

    That of a local folder is fsspec's; the pipeline itself removes relative to open folders, which costs less. That of a storage
    which answers a removal of nothing as one of something looks first, at as many as it then removes; *looks* gets how long (s).
    """
    gateway = storage.gateway()
    if isinstance(gateway, LocalFolderGateway):
        root = gateway.root
        if is_to_trash:
            (root / ".bare").mkdir()
            return lambda: [(root / name[1:]).rename(root / ".bare" / trash_name(name)) for name in names]
        client = fsspec.filesystem("file")
        return lambda: [client.rm_file(str(root / name[1:])) for name in names]
    assert isinstance(gateway, RemoteGateway)
    store = gateway.store
    paths = [tuple(name[1:].split("/")) for name in names]
    if is_to_trash:
        store.make_folder(trash_path("bare/1", "x")[:-1])
        pairs = [(path, trash_path("bare/1", trash_name(name))) for path, name in zip(paths, names, strict=True)]
        return lambda: store.move(pairs, lambda: True)

    def remove(some: list[tuple[str, ...]]) -> None:
        if store.removes_blindly:
            looks.append(seconds(lambda: store.look(some, lambda: True))[0])
        store.remove(some, lambda: True)

    return lambda: [remove(paths[start : start + 1000]) for start in range(0, len(paths), 1000)]


@pytest.fixture
def as_in_a_worker() -> Iterator[None]:
    """Do what a worker does at its start."""
    spare_the_collector()
    yield
    gc.unfreeze()


def test_a_first_deletion_loads_and_starts_what_later_ones_use(request: pytest.FixtureRequest, servers: Servers) -> None:
    assert share_of_bare(request, servers, "local", number=SMALL, is_to_trash=False) > 0


@pytest.mark.parametrize("is_to_trash", [False, True], ids=["delete", "trash"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_pipeline_reaches_half_the_rate_of_the_bare_client(
    request: pytest.FixtureRequest, servers: Servers, kind: str, is_to_trash: bool, is_full: bool
) -> None:
    full = FULL_LOCAL if kind == "local" else FULL_S3_TRASH if kind == "s3" and is_to_trash else FULL
    number = full if is_full else SMALL
    shares = []
    for _ in range(ROUNDS_LOCAL if kind == "local" and is_full else 1):
        shares.append(share_of_bare(request, servers, kind, number=number, is_to_trash=is_to_trash))
        call_command("flush", interactive=False)
    assert median(shares) >= 0.5 or not is_full


def share_of_bare(request: pytest.FixtureRequest, servers: Servers, kind: str, *, number: int, is_to_trash: bool) -> float:
    """Let *number* files be deleted, by the bare client and by the pipeline; return the time of the one by that of the other."""
    storage = servers.storage(kind)
    folder = Path(mkdtemp(dir=request.getfixturevalue("tmp_path")))
    world: World = world_at(storage, folder, num_blocks=number // FILES_PER_BLOCK, num_files=FILES_PER_BLOCK)
    names = sorted(world.files_in_inventory("T3_B"))
    other = servers.storage(kind)
    for name in names:
        storage.put(name, b"x")
        other.put(name, b"x")
    looks: list[float] = []
    bare_s, bare_cpu_s = seconds(bare(other, names, is_to_trash=is_to_trash, looks=looks))
    assert other.names() - {f"/.bare/{trash_name(name)}" for name in names} == set()
    clock = Clock(step=timedelta(0))
    plan(world, clock)
    limits = QueueLimits(trash_days=7 if is_to_trash else None)
    request.getfixturevalue("as_in_a_worker")
    whole_s, whole_cpu_s = seconds(lambda: work(worker="w", limits=limits, rng=seeded(), gateway=local_gateway))
    assert set(Deletion.objects.values_list("state", flat=True)) == {"DONE"}
    assert not BlockReplica.objects.filter(site__name="T3_B").exists()
    assert storage.names() == set()
    share = bare_s / whole_s
    say(
        request.getfixturevalue("capsys"),
        f"{kind}, {number} files {'to the trash' if is_to_trash else 'deleted'}: bare client {number / bare_s:,.0f}/s, "
        f"pipeline {number / whole_s:,.0f}/s: {share:.0%}; by time of this process {bare_cpu_s / whole_cpu_s:.0%}"
        + (f"; of one that does not look first {(bare_s - sum(looks)) / whole_s:.0%}" if looks else ""),
    )
    return share
