"""Reading columns leaves alone what other connections of the process hold: two copies of SQLite in one process would not.

POSIX drops all locks of a process on a file when any of its descriptors on the file is closed. SQLite minds that within one copy
of the library; a second copy (as drivers bring one along) knows nothing of the first, and takes its locks away.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import polars as pl
import pytest
from django.db import connection

from inventory.models import Site
from inventory.selectors.reading import consistent_reader

#: Another process that wants to write; says whether it may.
WRITER = """
import sqlite3, sys
link = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    link.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as refused:
    print(refused)
else:
    print("may write")
"""


@pytest.mark.django_db(transaction=True)
def test_a_lock_of_this_process_is_still_there_after_columns_were_read() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("another server keeps its locks itself")
    path = str(connection.settings_dict["NAME"])
    Site.objects.create(name="T2_X")

    def another_process() -> str:
        return subprocess.run([sys.executable, "-c", WRITER, path], capture_output=True, text=True, check=True).stdout.strip()

    with closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        assert another_process() == "database is locked"
        with consistent_reader() as reader:
            assert reader.frame("SELECT name FROM inventory_site", {"name": pl.String}).height == 1
        assert another_process() == "database is locked"
        held.execute("ROLLBACK")
    assert another_process() == "may write"


@pytest.mark.django_db(transaction=True)
def test_every_frame_is_of_the_moment_of_the_first_whatever_is_written_meanwhile() -> None:
    Site.objects.create(name="T2_X")
    sql, schema = "SELECT name FROM inventory_site ORDER BY name", {"name": pl.String}
    with consistent_reader() as reader:
        before = reader.frame(sql, schema)
        Site.objects.create(name="T2_Y")
        assert reader.frame(sql, schema).equals(before)
    with consistent_reader() as reader:
        assert reader.frame(sql, schema).get_column("name").to_list() == ["T2_X", "T2_Y"]
