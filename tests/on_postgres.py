"""``python -m tests.on_postgres ARGUMENTS``: run Python with these arguments, on a PostgreSQL of its own if none is named.

Where neither ``TEST_DATABASE_URL`` names a server nor the programs of one are on this machine, it says so: what needs one skips.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.factories.own_servers import OwnPostgres, find_postgres

#: What is measured is not to wait for a disk because of the smallest memory that PostgreSQL starts with.
SETTINGS = {"shared_buffers": "1GB", "max_connections": "400"}


def main() -> int:
    """Return the exit code of what was run."""
    command = [sys.executable, *sys.argv[1:]]
    if os.environ.get("TEST_DATABASE_URL"):
        return subprocess.run(command, check=False).returncode
    if find_postgres() is None:
        sys.stdout.write("no PostgreSQL: neither TEST_DATABASE_URL nor its programs on this machine; what needs it is skipped\n")
        return subprocess.run(command, check=False).returncode
    with OwnPostgres.running(**SETTINGS) as server:
        return subprocess.run(command, env=os.environ | {"TEST_DATABASE_URL": server.url("postgres")}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
