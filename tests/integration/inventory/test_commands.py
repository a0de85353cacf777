"""The commands as an operator uses them: what they print, their exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inventory.models import Lock, Site
from tests.factories.inventory import SiteFactory, small_document, write_document

pytestmark = pytest.mark.django_db

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command and gives exit code, output and errors."""

    def call(*words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(*words, stdout=out, stderr=err)
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except CommandError as error:
            code = error.returncode
            err.write(str(error))
        return code, out.getvalue(), err.getvalue()

    return call


def test_inject_shows_what_changed_and_exits_with_0(run: Run, tmp_path: Path) -> None:
    source = write_document(tmp_path / "document.json", small_document())
    code, out, err = run("inject", source)
    assert (code, err) == (0, "")
    assert "10 changes" in out.replace("\n", " ")
    code, out, _ = run("inject", source)
    assert code == 0
    assert " 0 changes" in out.replace("\n", " ")


def test_inject_exits_with_1_and_names_the_record_when_one_is_bad(run: Run, tmp_path: Path) -> None:
    code, out, err = run("inject", write_document(tmp_path / "bad.json", {"site": [{"name": "S", "status": "up"}]}))
    assert code == 1
    assert 'record 1: site[0].status: found "up", expected one of ready, waitroom, morgue, unknown' in err
    assert "nothing was taken" in out
    assert Site.objects.count() == 0


def test_inject_takes_one_file_when_the_other_is_bad(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"site":\n [{"name"')
    code, _, err = run("inject", str(tmp_path / "cut.json"), write_document(tmp_path / "good.json", small_document()))
    assert code == 1
    assert "cut.json: not taken" in err
    assert Site.objects.count() == 2


def test_inject_writes_skipped_records_to_a_new_file(run: Run, tmp_path: Path) -> None:
    source = write_document(tmp_path / "document.jsonl", small_document(), {"site": [{"name": "S", "status": "up"}]})
    bad = tmp_path / "bad.jsonl"
    assert run("inject", "--skip-bad", str(bad), source)[0] == 1
    assert json.loads(bad.read_text().splitlines()[1]) == {"site": [{"name": "S", "status": "up"}]}
    code, _, err = run("inject", "--skip-bad", str(bad), source)
    assert code == 2
    assert "name a file that does not exist yet" in err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["inject", "/no/such/file.json"], "no such file: /no/such/file.json"),
        (["inject", "-", "-"], "only once"),
        (["inject", "--now=yesterday", "x"], "no ISO 8601 time"),
        (["inject", "--batch-size=0", "x"], "no positive whole number"),
        (["inject"], "required: FILE"),
    ],
)
def test_wrong_use_of_inject_is_explained(run: Run, words: list[str], problem: str) -> None:
    _, _, err = run(*words)
    assert problem in err


def test_dry_run_changes_nothing(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("inject", "--dry-run", write_document(tmp_path / "document.json", small_document()))
    assert code == 0
    assert "10 changes would be made" in " ".join(out.split())
    assert Site.objects.count() == 0


def test_lock_list_and_unlock(run: Run) -> None:
    SiteFactory(name="T2_US_MIT")
    code, out, _ = run("lock", "/A/*#b1", "--site", "T2_*", "--days", "3", "--comment", "thesis")
    assert code == 0
    assert "note" not in out
    lock = Lock.objects.get()
    assert (lock.dataset_pattern, lock.block_pattern, lock.site_pattern) == ("/A/*", "b1", "T2_*")
    assert "holds everywhere" in run("lock", "/B", "--site", "T9")[1]
    assert "thesis" in run("locks", "--dataset", "/A/")[1]
    assert "2 locks" in run("locks")[1]
    assert run("unlock", str(lock.pk), "4711")[0] == 1
    assert Lock.objects.filter(released_at__isnull=False).count() == 0
    assert run("unlock", str(lock.pk))[0] == 0
    assert "1 locks" in run("locks")[1]
    assert "2 locks" in run("locks", "--all")[1]


def test_wrong_use_of_lock_is_explained(run: Run) -> None:
    assert "no date" in run("lock", "/A", "--until", "tomorrow")[2]
    assert "not after now" in run("lock", "/A", "--days", "-1")[2]
    assert Lock.objects.count() == 0
