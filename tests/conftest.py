"""What every test may count on; what needs something that is not there skips and says why.

``DYNAMO_TEST_REQUIRE`` names markers that must not skip (blank-separated): CI sets it, so that a server that is missing
there is a failure and not a shorter run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin

from tests.factories.own_servers import find_postgres, find_redis
from tests.factories.storages import Servers, find_nginx, find_xrootd

# As the site's URLs do: tests are made for each of the admin's pages.
admin.autodiscover()

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return the path of the browser that ``CHROMIUM`` or the search path names."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


#: Marker -> whether its need is met, and what to do when it is not.
NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "postgres": (
        lambda: settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql",
        "needs PostgreSQL: set TEST_DATABASE_URL",
    ),
    "broker": (lambda: bool(os.environ.get("TEST_BROKER_URL")), "needs Redis or RabbitMQ: set TEST_BROKER_URL"),
    "browser": (lambda: find_chromium() is not None, "needs Chromium: install it or set CHROMIUM"),
    "own_servers": (
        lambda: find_postgres() is not None and find_redis() is not None,
        "needs the programs of a PostgreSQL server and redis-server: install them",
    ),
    "xrootd": (
        lambda: find_xrootd() is not None and find_spec("XRootD") is not None,
        "needs XRootD: install xrootd-server and requirements-storage.txt",
    ),
    "webdav": (
        lambda: find_nginx() is not None and find_spec("httpx") is not None,
        "needs nginx with WebDAV: install nginx and libnginx-mod-http-dav-ext",
    ),
    "s3": (lambda: find_spec("moto") is not None and find_spec("s3fs") is not None, "needs moto and s3fs: make venv-dev"),
    "shared_data": (SHARED_DATA.is_dir, f"needs the shared data at {SHARED_DATA}"),
}


#: Fixtures that give a test the database.
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server", "admin_client"}


def uses_database(item: pytest.Item) -> bool:
    """Tell whether a test can turn out otherwise on another database server."""
    return item.get_closest_marker("django_db") is not None or bool(DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if uses_database(item):
            item.add_marker("database")
    unmet = {marker: why for marker, (is_met, why) in NEEDS.items() if not is_met()}
    required = set(os.environ.get("DYNAMO_TEST_REQUIRE", "").split())
    if failed := sorted(required & set(unmet)):
        raise pytest.UsageError("; ".join(f"{marker} {unmet[marker]}" for marker in failed))
    for item in items:
        for marker, why in unmet.items():
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real policies and expected decisions; mark the test ``shared_data``."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Return the storage servers of this run; mark the test with the kinds that it asks for."""
    started = Servers()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        yield started
    started.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium; mark the test ``browser``."""
    path = find_chromium()
    assert path is not None, "mark the test with pytest.mark.browser"
    return path


@pytest.fixture(scope="session", autouse=True)
def _var_folder_goes_with_the_session() -> Iterator[None]:
    yield
    shutil.rmtree(settings.VAR_DIR, ignore_errors=True)
