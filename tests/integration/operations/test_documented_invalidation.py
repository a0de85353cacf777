"""The examples of docs/invalidate.md, word for word in a shell: by command, and by curl against a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection

from inventory.models import AuditEvent, Block, BlockReplica, File
from inventory.services.audit import Actor
from inventory.services.injections import inject
from operations.choices import InvalidationState
from operations.models import Invalidation
from operations.services.sweep import sweep
from operations.services.worker import work
from tests.conftest import ROOT
from tests.factories.api import token_of
from tests.factories.clock import SiteClock
from tests.factories.inventory import write_document
from tests.factories.operations import EAGER, seeded

PAGE = (ROOT / "docs" / "invalidate.md").read_text(encoding="utf-8")
BY_COMMAND, BY_API = (part.split("```")[0] for part in PAGE.split("```sh\n")[1:])
LFNS = ["/store/a/1.root", "/store/a/2.root"]


@pytest.fixture
def storage(tmp_path: Path, transactional_db: None) -> Path:
    """Return the folder of a site that has both files of the one block that docs/inject.md brings."""
    root = tmp_path / "T2_US_MIT"
    for lfn, size in zip(LFNS, (60, 40), strict=True):
        path = root / lfn.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    blocks = [{"name": "b1", "files": [{"name": lfn, "size": size} for lfn, size in zip(LFNS, (60, 40), strict=True)]}]
    document = {
        "site": [{"name": "T2_US_MIT", "storage_type": "disk", "status": "ready", "endpoint": root.as_uri()}],
        "dataset": [{"name": "/A/B/C", "status": "valid", "blocks": blocks}],
        "datasetreplica": [{"dataset": "/A/B/C", "site": "T2_US_MIT", "blockreplicas": [{"block": "b1"}]}],
    }
    inject(source=write_document(tmp_path / "inventory.json", document), actor=Actor("test"))
    return root


def run(script: str, folder: Path, **environment: str) -> str:
    """Run *script* in a shell of its own that stops at the first failure; return what it said."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def database_url() -> str:
    """Return where another process finds the database of this test."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{name}"))


def check(storage: Path) -> None:
    """Say, once the worker was there, that the file is gone from storage and inventory, and the other one whole in both."""
    clock = SiteClock()
    sweep(now=clock(), limits=EAGER, rng=seeded())
    work(worker="test", clock=clock)
    sweep(now=clock(), limits=EAGER, rng=seeded())
    assert Invalidation.objects.get().state == InvalidationState.DONE
    found = {f"/{path.relative_to(storage)}" for path in storage.rglob("*.root") if ".dynamo-" not in str(path)}
    assert found == {"/store/a/2.root"}
    assert File.objects.values_list("lfn", flat=True).get() == "/store/a/2.root"
    assert Block.objects.values_list("size_bytes", "num_files").get() == (40, 1)
    assert BlockReplica.objects.values_list("size_bytes", "num_files").get() == (40, 1)
    assert AuditEvent.objects.get(action="operations.invalidate").reason == "truncated"


@pytest.mark.django_db(transaction=True)
def test_by_command(storage: Path, tmp_path: Path) -> None:
    script = BY_COMMAND.replace(".venv/bin/python manage.py", f"{sys.executable} {ROOT / 'manage.py'}")
    settings = {"DJANGO_SETTINGS_MODULE": "dynamo_site.settings.test", "TEST_DATABASE_URL": database_url()}
    said = run(script, tmp_path, **settings)
    assert "LAST COPIES: 1" in said
    check(storage)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.django_db(transaction=True)
def test_by_api(storage: Path, tmp_path: Path, live_server: Any) -> None:
    token = token_of(User.objects.create_superuser("operator"), "read", "operations:write")
    said = run(BY_API, tmp_path, TOKEN=token, DYNAMO=live_server.url)
    assert '"num_last_copies":1' in said
    check(storage)
