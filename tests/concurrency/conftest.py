from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.factories.own_servers import OwnPostgres


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[OwnPostgres]:
    """Return a server of the module alone."""
    with OwnPostgres.running() as server:
        yield server


ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = {"DJANGO_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "dynamo_site.settings.test"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of processes on a database of their own, which has the tables."""
    ready: str | Path = request.getfixturevalue(f"ready_{request.param}")
    if request.param == "sqlite":
        path = tmp_path / "killed.sqlite3"
        shutil.copyfile(ready, path)
        yield os.environ | SETTINGS | {"TEST_DATABASE_URL": f"sqlite:///{path}"}
        return
    name = f"killed_{uuid.uuid4().hex[:12]}"
    _on_server(f'CREATE DATABASE "{name}" TEMPLATE "{ready}"')
    yield os.environ | SETTINGS | {"TEST_DATABASE_URL": _url(name)}
    _on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def ready_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database file that has the tables."""
    path = tmp_path_factory.mktemp("ready") / "ready.sqlite3"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def ready_postgres() -> Iterator[str]:
    """Return the name of a database that has the tables, on the server of the tests."""
    name = f"ready_{uuid.uuid4().hex[:12]}"
    _on_server(f'CREATE DATABASE "{name}"')
    _migrate(_url(name))
    yield name
    _on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


def _migrate(url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | SETTINGS | {"TEST_DATABASE_URL": url}, check=True)


def _url(database: str) -> str:
    return urlunsplit(urlsplit(os.environ["TEST_DATABASE_URL"])._replace(scheme="postgresql", path=f"/{database}"))


def _on_server(statement: str) -> None:
    with psycopg.connect(_url("postgres"), autocommit=True) as connection:
        connection.execute(statement)
