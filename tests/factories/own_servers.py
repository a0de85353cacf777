"""A PostgreSQL and a Redis of one test alone, which it may stop, restart and empty: on free ports of 127.0.0.1, in its folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import psycopg

#: How long a server may take to start, on a loaded machine.
PATIENCE_SECONDS = 120


def free_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens."""
    with closing(socket()) as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


def find_postgres() -> Path | None:
    """Return the folder of the newest PostgreSQL server's programs."""
    in_path = shutil.which("initdb")
    found = [Path(in_path)] if in_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    return found[-1].parent if found else None


def _version(path: Path) -> int:
    name = path.parent.parent.name
    return int(name) if name.isdecimal() else 0


def _user() -> str:
    """Return the account that runs the server where the tests run as root, which it refuses."""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:  # a container without the account of the package
        return "nobody"


def find_redis() -> str | None:
    return shutil.which("redis-server")


@dataclass(frozen=True)
class OwnPostgres:
    """A server in a folder that its user may enter; as safe against a crash as one in production (``fsync`` apart)."""

    folder: Path
    port: int

    @classmethod
    @contextmanager
    def running(cls, **settings: str) -> Iterator[OwnPostgres]:
        """Have a server in a folder of its own, which goes with it; *settings* are added to those of every server here."""
        # Not below pytest's own folder: the server's user may not enter that.
        folder = Path(tempfile.mkdtemp(prefix="dynamo-postgres-"))
        folder.chmod(0o755)
        try:
            server = cls.start(folder / "postgres", **settings)
            try:
                yield server
            finally:
                server.stop()
        finally:
            shutil.rmtree(folder)

    @classmethod
    def start(cls, folder: Path, **settings: str) -> OwnPostgres:
        """Make a server in a new folder and start it."""
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(data, _user())
        server = cls(folder, free_port())
        server._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        all_settings = {
            "listen_addresses": "127.0.0.1",
            "port": server.port,
            "unix_socket_directories": data,
            "fsync": "off",
            "max_connections": 100,
            **settings,
        }
        options = " ".join(f"-c {name}={value}" for name, value in all_settings.items())
        server._run("pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
        return server

    def restart(self, mode: str) -> None:
        """Stop the server, ``fast`` (connections are cut) or ``immediate`` (as if it had crashed), and start it again."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "-l", str(self.folder / "data" / "log"), "restart")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def make(self, database: str, template: str = "template1") -> str:
        """Make a database, empty or as *template* is, and return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        programs = find_postgres()
        assert programs is not None
        as_user = ["runuser", "-u", _user(), "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_user, str(programs / program), *arguments],
            cwd=self.folder,
            capture_output=False,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}")


@dataclass(frozen=True)
class OwnRedis:
    """A broker that keeps nothing on disk."""

    process: subprocess.Popen[bytes]
    port: int

    @classmethod
    def start(cls, folder: Path) -> OwnRedis:
        """Start a broker that writes its log into a folder."""
        port = free_port()
        command: Sequence[str] = [
            str(find_redis()),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        with (folder / "redis.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            with closing(socket()) as some:
                if some.connect_ex(("127.0.0.1", port)) == 0:
                    return cls(process, port)
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
