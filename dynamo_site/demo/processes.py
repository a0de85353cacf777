"""The demo's three processes, as a real installation would start them, on smaller numbers."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from dynamo_site.demo.folders import DemoError, DemoFolders
from dynamo_site.demo.supervisor import ProcessSpec

CODE = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"


def web(folders: DemoFolders, port: int) -> ProcessSpec:
    """Return the web server: one process with threads, on this machine only."""
    bind = ("--bind", f"{HOST}:{port}", "--workers", "1", "--threads", "4", "--access-logfile", "-", "--no-control-socket")
    return ProcessSpec("web", (sys.executable, "-m", "gunicorn", *bind, "dynamo_site.wsgi:application"), folders.log / "web.log")


def worker(folders: DemoFolders) -> ProcessSpec:
    """Return the worker. Threads: the solo pool stalls on the local broker, and processes would only wait for SQLite."""
    options = ("--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return ProcessSpec("worker", (*_celery(), "worker", *options), folders.log / "worker.log")


def beat(folders: DemoFolders) -> ProcessSpec:
    """Return the scheduler."""
    return ProcessSpec("beat", (*_celery(), "beat", "--loglevel", "INFO"), folders.log / "beat.log")


def environment() -> dict[str, str]:
    """Return the environment of the processes: the caller's, with the code's folder first on the path."""
    path = os.pathsep.join(filter(None, (str(CODE), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def demand_free_port(port: int) -> None:
    """Raise ``DemoError`` when something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise DemoError(f"port {port} cannot be used ({error}). Choose another one: make demo PORT={port + 1}") from error


def is_listening(port: int) -> bool:
    """Tell whether something answers on the port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def _celery() -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "--app", "dynamo_site", "--workdir", str(CODE))
