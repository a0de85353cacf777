"""The commands as an operator uses them: what they print, their exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inventory.models import Lock, Site
from tests.factories.inventory import BlockReplicaFactory, SiteFactory, small_document, write_document

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
        (["inject"], "name a file, - for standard input"),
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
    assert "the lock holds everywhere, because no site is called T9" in run("lock", "/B", "--site", "T9")[1]
    assert "thesis" in run("locks", "--dataset", "/A/")[1]
    assert "2 locks" in run("locks")[1]
    assert run("unlock", str(lock.pk), "4711")[0] == 1
    assert Lock.objects.filter(released_at__isnull=False).count() == 0
    assert run("unlock", str(lock.pk))[0] == 0
    assert "1 lock\n" in run("locks")[1]
    assert "2 locks" in run("locks", "--all")[1]


def test_locks_are_found_by_what_they_hold_and_say_how_much(run: Run) -> None:
    at = SiteFactory(name="T2_US_MIT")
    BlockReplicaFactory(block__dataset__name="/A/B/C", block__size_bytes=3 * 10**12, site=at)
    run("lock", "/A/*", "--days", "10", "--owner", "asmith")
    run("lock", "/B/*")
    (line,) = run("locks", "--holds", "/A/B/C", "--bytes", "--json")[1].splitlines()
    found = json.loads(line)
    assert (found["dataset_pattern"], found["owner"], found["holding"]["size_bytes"]) == ("/A/*", "asmith", 3 * 10**12)
    assert "3.00 TB" in run("locks", "--owner", "asmith", "--bytes")[1]
    assert "1 lock\n" in run("locks", "--expiring", "14")[1]
    assert "0 locks" in run("locks", "--expiring", "9")[1]
    assert "it holds 3.00 TB in 1 block replica" in run("lock", "/A/B/C")[1]


def test_locks_are_renewed_all_or_none(run: Run) -> None:
    run("lock", "/A", "--days", "3")
    run("lock", "/B", "--days", "3", "--comment", "old")
    first, second = Lock.objects.order_by("pk")
    assert run("lock", "--renew", str(first.pk), "4711", "--days", "90")[0] == 1
    assert set(Lock.objects.values_list("expires_at", flat=True)) == {first.expires_at, second.expires_at}
    assert run("lock", "--renew", str(first.pk), str(second.pk), "--until", "2100-01-31", "--reason", "still needed")[0] == 0
    assert {str(end.date()) for end in Lock.objects.values_list("expires_at", flat=True)} == {"2100-02-01"}
    assert Lock.objects.get(pk=second.pk).comment == "old"
    assert run("lock", "--renew", str(first.pk), "--until-released")[0] == 0
    assert Lock.objects.get(pk=first.pk).expires_at is None


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["/A", "--until", "tomorrow"], "no date"),
        (["/A", "--until", "2020-01-01"], "not after now"),
        (["/A", "--days", "-1"], "1 to 36,500 days"),
        ([], "name either"),
        (["/A", "--renew", "1", "--days", "3"], "name either"),
        (["--renew", "1"], "say how long"),
    ],
)
def test_wrong_use_of_lock_is_explained(run: Run, words: list[str], problem: str) -> None:
    code, _, err = run("lock", *words)
    assert code in (1, 2)
    assert problem in err
    assert Lock.objects.count() == 0


def test_one_record_is_no_records(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "one.json"
    document.write_text('{"group": [{"name": "G1"}]}')
    said = run("inject", str(document))[1]
    assert ("1 change\n" in said, "1 record in " in said) == (True, True)
    document.write_text('{"site": [{"name": "S1", "status": "up"}]}')
    assert "1 record was rejected" in str(run("inject", str(document)))
