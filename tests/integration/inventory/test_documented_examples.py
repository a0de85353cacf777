"""The examples of the documentation, word for word: by command, and by curl against a server."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from inventory.models import Block, BlockReplica, Dataset, DatasetFacts, FactFeed, File, Site
from tests.conftest import ROOT
from tests.factories.api import token_of
from tests.factories.inventory import write_document

DOCUMENT = (ROOT / "docs" / "inject.md").read_text(encoding="utf-8")


def examples(chapter: str) -> list[str]:
    """Return the commands in the code blocks of a chapter, one each, however many lines it has."""
    (text,) = re.findall(rf"^## {chapter}$(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in re.split(r"\n(?=manage\.py|curl)", block.strip())]


def check_example() -> None:
    """Say that there is what the documentation says: two sites, a dataset with a block of two files, and its replica."""
    assert set(Site.objects.values_list("name", "storage_type")) == {("T2_US_MIT", "DISK"), ("T3_US_MIT", "DISK")}
    assert Dataset.objects.values_list("name", "status", "size_bytes", "num_files").get() == ("/A/B/C", "VALID", 100, 2)
    assert Block.objects.get().name == "b1"
    assert File.objects.get(lfn="/store/a/1.root").checksum == "adler32:8a23b1c4"
    assert BlockReplica.objects.values_list("site__name", "size_bytes", "num_files").get() == ("T2_US_MIT", 100, 2)


@pytest.mark.django_db
def test_small_things_by_hand() -> None:
    commands = examples("Small things by hand")
    assert len(commands) == 2
    for command in commands:
        call_command(*shlex.split(command.replace("\\\n", " "))[1:])
    check_example()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.django_db(transaction=True)
def test_by_api(live_server: Any, tmp_path: Path) -> None:
    write_document(tmp_path / "inventory.jsonl.xz", {"site": [{"name": "T9"}]})
    user = User.objects.create_superuser("producer")
    environment = os.environ | {"TOKEN": token_of(user, "inventory:write"), "DYNAMO": live_server.url}
    commands = examples("By API") + [command for command in examples("The document") if command.startswith("curl")]
    assert len(commands) == 4
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        assert '"state":"COMPLETED"' in done.stdout, (command, done.stdout)
    check_example()


@pytest.mark.django_db
def test_a_document_of_one_feed(tmp_path: Path) -> None:
    (line,) = re.findall(r'^\{"meta".*"attrs".*\}$', DOCUMENT, re.MULTILINE)
    Dataset.objects.create(name="/A/B/C", last_update="2026-01-01T00:00:00Z")
    path = tmp_path / "feed.json"
    path.write_text(line)
    call_command("inject", str(path))
    assert DatasetFacts.objects.get().num_accesses == 7
    assert FactFeed.objects.values_list("name", "source").get() == ("popularity", "access counts")
