"""What a scan of a local folder takes beside a plain walk over the same files, and in how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from inventory.models import Block, Site
from operations.models import StorageScan
from tests.benchmarks.test_engine_speed import say
from tests.conftest import ROOT
from tests.factories.operations import NOW, World

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

FULL, SMALL = 1_000_000, 4_000
FILES_PER_FOLDER = 1_000
#: How much more memory four times the files may take.
FLAT = 1.05
#: Of each folder so many files are unknown, and so many missing.
NUM_DARK, NUM_MISSING = 3, 2

#: Runs a command and prints its processor time (s) and its largest memory (kB), in a process that is itself small.
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime, used.ru_maxrss); sys.exit(code)"
)


def filled(world: World, name: str, num_files: int) -> Site:
    """Make a site of so many files, a block replica for each folder."""
    site = world.site(name)
    for number in range(num_files // FILES_PER_FOLDER):
        block = world.block(f"/{name}/B-1/RAW", f"b{number:05}", num_files=0)
        Block.objects.filter(pk=block.pk).update(num_files=FILES_PER_FOLDER, size_bytes=FILES_PER_FOLDER)
        block.refresh_from_db()
        world.replica(block, site, with_files=False)
        folder = world.root(name) / f"store/{name}/{number:05}"
        folder.mkdir(parents=True)
        here = os.open(folder, os.O_RDONLY)
        for index in range(NUM_MISSING, FILES_PER_FOLDER + NUM_DARK):
            os.close(os.open(f"f{index:06}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.close(here)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inventory_file (block_id, lfn, size_bytes, checksum) "
            "SELECT b.id, '/store/' || %s || '/' || substr(b.name, 2) || '/f' || lpad(n::text, 6, '0'), 1, '' "
            "FROM inventory_block b JOIN inventory_dataset d ON d.id = b.dataset_id, generate_series(0, %s) n WHERE d.name = %s",
            [name, FILES_PER_FOLDER - 1, f"/{name}/B-1/RAW"],
        )
        cursor.execute("ANALYZE")
    return site


def walked(root: Path) -> tuple[int, float]:
    """Return the number of files that a plain walk with a look at each finds, and its processor time (s)."""
    start = time.process_time()
    number, folders = 0, [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    number += 1
    return number, time.process_time() - start


def scanned(name: str) -> tuple[StorageScan, float, float, float]:
    """Scan by the command as a person does; return the scan, its time and processor time (s) and its largest memory (MB)."""
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "dynamo_site.settings.base"}
    environment |= {"DYNAMO_VAR_DIR": str(settings.VAR_DIR), "DYNAMO_SCAN_FILES_PER_SECOND": "0"}
    command = [sys.executable, "-c", MEASURED, sys.executable, "manage.py", "scan", name]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    assert done.returncode == 0, done.stderr[-2000:]
    used, memory = done.stdout.splitlines()[-1].split()
    return StorageScan.objects.get(site_name=name), taken, float(used), int(memory) / 1024


def test_a_scan_takes_as_much_memory_for_four_times_the_files(
    tmp_path: Path, is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    memories = []
    for name, num_files in (("T3_QUARTER", (FULL if is_full else SMALL) // 4), ("T2_WHOLE", FULL if is_full else SMALL)):
        filled(world, name, num_files)
        there, plain = walked(world.root(name))
        scan, taken, used, memory = scanned(name)
        num_folders = num_files // FILES_PER_FOLDER
        assert (scan.state, scan.files_seen, scan.started_at > NOW) == ("DONE", there, True)
        assert (scan.files_missing, scan.files_young) == (NUM_MISSING * num_folders, NUM_DARK * num_folders)
        memories.append(memory)
        say(
            capsys,
            f"scan of {there:,} files: {taken:.0f} s, of which {used:.1f} s of processor time of the worker, "
            f"{there / used:,.0f} files a second of it; a plain walk {plain:.1f} s; {memory:.0f} MB",
        )
    if is_full:
        assert memories[1] <= memories[0] * FLAT
