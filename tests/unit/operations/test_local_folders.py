"""Deleting files of a local folder: outcomes, and nothing outside the root."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome
from operations.storage import FileResult, RefusingGateway, gateway_for
from operations.storage.local import MARKER_NAME, LocalFolderGateway
from tests.unit.operations.path_escapes import HARMLESS, escapes


def never() -> bool:
    return False


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def put(root: Path, *lfns: str) -> None:
    for lfn in lfns:
        path = root / lfn.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")


def gateway(root: Path, *rules: LfnRule, name: str = "T2_A"):
    return gateway_for(site_name=name, endpoint_url=root.as_uri(), lfn_rules=rules)


def delete(root: Path, *lfns: str) -> dict[str, FileOutcome]:
    return {result.lfn: result.outcome for result in gateway(root).delete(lfns, should_stop=never)}


def only(root: Path, lfn: str) -> FileResult:
    (result,) = gateway(root).delete([lfn], should_stop=never)
    return result


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != MARKER_NAME}


def test_deletes_files_and_says_which_were_absent(root: Path):
    put(root, "/store/a/1", "/store/a/2", "/store/b/3")
    assert delete(root, "/store/a/1", "/store/a/9", "/store/c/9") == {
        "/store/a/1": FileOutcome.DELETED,
        "/store/a/9": FileOutcome.ABSENT,
        "/store/c/9": FileOutcome.ABSENT,
    }
    assert contents(root) == {"store", "store/a", "store/a/2", "store/b", "store/b/3"}


def test_results_come_in_the_order_asked(root: Path):
    put(root, "/b/1", "/a/1", "/b/2")
    results = gateway(root).delete(["/b/2", "/a/1", "/../x", "/b/1"], should_stop=never)
    assert [result.lfn for result in results] == ["/b/2", "/a/1", "/../x", "/b/1"]


def test_empty_folders_go_up_to_the_first_that_is_not_empty_and_never_the_root(root: Path):
    put(root, "/store/mc/x/y/1", "/store/data/2")
    delete(root, "/store/mc/x/y/1")
    assert contents(root) == {"store", "store/data", "store/data/2"}
    delete(root, "/store/data/2")
    assert root.is_dir()
    assert contents(root) == set()


def test_folders_left_empty_by_a_killed_attempt_go_with_the_next(root: Path):
    put(root, "/keep/1", "/store/a/1")
    delete(root, "/keep/1")
    (root / "store/a/1").unlink()
    assert delete(root, "/store/a/1") == {"/store/a/1": FileOutcome.ABSENT}
    assert contents(root) == set()


def test_missing_root_is_no_proof_that_a_file_is_gone(root: Path):
    root.rmdir()
    results = gateway(root).delete(["/store/a", "/store/b", "/../c"], should_stop=never)
    assert [result.outcome for result in results] == [FileOutcome.RETRYABLE, FileOutcome.RETRYABLE, FileOutcome.REFUSED]
    assert results[0].message == f"storage folder {root} of T2_A is missing: is it mounted?"
    assert results[0].is_untouched


def test_root_that_is_a_file_is_no_proof_that_a_file_is_gone(root: Path):
    root.rmdir()
    root.write_text("not a folder")
    assert only(root, "/store/a").outcome == FileOutcome.RETRYABLE


def test_empty_mount_point_is_no_proof_that_files_are_gone(root: Path):
    """An unmounted file system leaves an empty folder: without the marker nothing in it is believed absent."""
    result = only(root, "/store/a")
    assert (result.outcome, result.is_untouched) == (FileOutcome.RETRYABLE, True)
    assert "nothing shows that" in result.message


def test_folder_that_loses_its_marker_by_unmounting_is_no_proof_either(root: Path, tmp_path: Path):
    put(root, "/store/a", "/store/b")
    assert delete(root, "/store/a") == {"/store/a": FileOutcome.DELETED}
    root.rename(tmp_path / "mounted elsewhere")
    root.mkdir()
    assert only(root, "/store/b").outcome == FileOutcome.RETRYABLE
    root.rmdir()
    (tmp_path / "mounted elsewhere").rename(root)
    assert only(root, "/store/b").outcome == FileOutcome.DELETED


def test_absent_is_believed_with_a_marker_that_a_person_put(root: Path):
    (root / MARKER_NAME).write_text("T2_A\n")
    assert only(root, "/store/a").outcome == FileOutcome.ABSENT


def test_folder_marked_as_another_sites_is_refused(root: Path):
    put(root, "/store/a")
    delete(root, "/store/a")
    put(root, "/store/b")
    (result,) = gateway(root, name="T3_B").delete(["/store/b"], should_stop=never)
    assert result.outcome == FileOutcome.REFUSED
    assert "is marked as the storage of T2_A" in result.message
    assert contents(root) == {"store", "store/b"}


def test_site_inside_another_sites_folder_is_not_touched_by_that_site(root: Path):
    put(root, "/inner/store/a")
    (root / "inner" / MARKER_NAME).write_text("T3_INNER")
    assert only(root, "/inner/store/a").message == "folder 'inner' is marked as the storage of T3_INNER"
    assert (root / "inner/store/a").exists()


def test_marker_that_was_cut_off_is_completed(root: Path):
    (root / MARKER_NAME).touch()
    put(root, "/a")
    delete(root, "/a")
    assert (root / MARKER_NAME).read_text() == "T2_A"


def test_symbolic_link_as_file_is_refused_and_its_target_stays(root: Path, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("keep")
    (root / "link").symlink_to(secret)
    assert only(root, "/link") == FileResult(
        "/link", FileOutcome.REFUSED, "is a symbolic link, only files are deleted", is_untouched=True
    )
    assert (secret.read_text(), (root / "link").is_symlink()) == ("keep", True)


@pytest.mark.parametrize("target", ["../outside", "inside"])
def test_symbolic_link_as_parent_is_refused(root: Path, tmp_path: Path, target: str):
    (tmp_path / "outside").mkdir()
    (root / "inside").mkdir()
    (root / target / "secret").write_text("keep")
    (root / "store").symlink_to(target, target_is_directory=True)
    result = only(root, "/store/secret")
    assert (result.outcome, result.message) == (FileOutcome.REFUSED, "folder 'store' is a symbolic link")
    assert (root / target / "secret").read_text() == "keep"


def test_root_that_is_itself_a_link_is_followed(root: Path, tmp_path: Path):
    put(root, "/store/a")
    (tmp_path / "alias").symlink_to(root)
    assert delete(tmp_path / "alias", "/store/a") == {"/store/a": FileOutcome.DELETED}


def test_folder_pipe_and_socket_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch):
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    messages = {result.lfn: result.message for result in gateway(root).delete(["/folder", "/pipe", "/socket"], should_stop=never)}
    assert messages == {
        "/folder": "is a folder, only files are deleted",
        "/pipe": "is a pipe, only files are deleted",
        "/socket": "is a socket, only files are deleted",
    }
    assert contents(root) == {"folder", "pipe", "socket"}


def test_file_where_a_folder_should_be_leaves_the_outcome_unknown(root: Path):
    put(root, "/store")
    assert only(root, "/store/a").outcome == FileOutcome.UNKNOWN


def test_folder_of_another_file_system_below_the_root_is_refused(tmp_path: Path):
    """``/proc`` is another file system than ``/``'s: stands for a mount below the root."""
    gate = LocalFolderGateway("T2_A", Path("//"))
    (result,) = gate.delete(["/proc/self/nothing"], should_stop=never)
    assert (result.outcome, result.message) == (FileOutcome.REFUSED, "another file system is mounted at folder 'proc'")


class _Files:
    """A local file system that raises what it is told, in front of the real one."""

    def __init__(self, error: OSError | None = None, before: Callable[[str], None] | None = None) -> None:
        self.error = error
        self.before = before

    def unlink(self, path: str, *, dir_fd: int) -> None:
        if self.before is not None:
            self.before(path)
        if self.error is not None:
            raise self.error
        os.unlink(path, dir_fd=dir_fd)

    def rmdir(self, path: str, *, dir_fd: int) -> None:
        os.rmdir(path, dir_fd=dir_fd)


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.EACCES, FileOutcome.REFUSED),
        (errno.EPERM, FileOutcome.REFUSED),
        (errno.EROFS, FileOutcome.REFUSED),
        (errno.EIO, FileOutcome.RETRYABLE),
        (errno.ESTALE, FileOutcome.RETRYABLE),
        (errno.ENOSPC, FileOutcome.RETRYABLE),
        (errno.EBUSY, FileOutcome.RETRYABLE),
        (errno.ETIMEDOUT, FileOutcome.RETRYABLE),
        (errno.ENOTCONN, FileOutcome.RETRYABLE),
        (errno.ENOENT, FileOutcome.ABSENT),
        (errno.EXDEV, FileOutcome.UNKNOWN),
        (errno.ENOTDIR, FileOutcome.UNKNOWN),
    ],
)
def test_errors_of_the_system_become_outcomes(root: Path, number: int, outcome: FileOutcome):
    put(root, "/store/a")
    gate = replace(gateway(root), files=_Files(error=OSError(number, os.strerror(number))))
    (result,) = gate.delete(["/store/a"], should_stop=never)
    assert result.outcome == outcome
    assert result.is_untouched == (outcome == FileOutcome.REFUSED)


def test_link_swapped_in_for_a_parent_in_the_last_moment_does_not_lead_outside(root: Path, tmp_path: Path):
    put(root, "/store/a/f")
    outside = tmp_path / "outside"
    put(outside, "/f")

    def swap(path: str) -> None:
        (root / "store/a").rename(root / "store/moved")
        (root / "store/a").symlink_to(outside)

    gate = replace(gateway(root), files=_Files(before=swap))
    (result,) = gate.delete(["/store/a/f"], should_stop=never)
    assert result.outcome == FileOutcome.DELETED
    assert (outside / "f").read_bytes() == b"data"
    assert not (root / "store/moved/f").exists()


def test_files_that_the_list_of_their_folder_does_not_reach_are_looked_at(root: Path):
    put(root, *(f"/a/{number}" for number in range(50)))
    (root / "a/link").symlink_to("1")
    results = gateway(root).delete(["/a/7", "/a/33", "/a/link", "/a/none"], should_stop=never)
    assert {result.lfn: result.outcome for result in results} == {
        "/a/7": FileOutcome.DELETED,
        "/a/33": FileOutcome.DELETED,
        "/a/link": FileOutcome.REFUSED,
        "/a/none": FileOutcome.ABSENT,
    }
    assert len(list((root / "a").iterdir())) == 49


def test_folder_swapped_in_for_a_file_after_the_list_stays(root: Path):
    put(root, "/a/f")

    def swap(path: str) -> None:
        (root / "a/f").unlink()
        put(root, "/a/f/inside")

    gate = replace(gateway(root), files=_Files(before=swap))
    (result,) = gate.delete(["/a/f"], should_stop=never)
    assert (result.outcome, result.is_untouched) == (FileOutcome.REFUSED, True)
    assert (root / "a/f/inside").read_bytes() == b"data"


def test_read_only_folder_refuses_for_a_worker_without_rights(root: Path):
    """Run as another user: to the superuser every folder is open."""
    put(root, "/store/a")
    (root / MARKER_NAME).write_text("T2_A")
    (root / "store").chmod(0o555)
    for folder in (root, *root.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    gate = gateway(root)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setuid(65534)
        (result,) = gate.delete(["/store/a"], should_stop=never)
        os.write(writer, f"{result.outcome}|{result.message}|{result.is_untouched}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(reader, 1000).decode()
    os.close(reader)
    os.close(writer)
    (root / "store").chmod(0o755)
    assert answer == "REFUSED|Permission denied|True"
    assert (root / "store/a").exists()


def test_stop_is_asked_before_each_file_and_files_not_tried_have_no_result(root: Path):
    put(root, "/a/1", "/a/2", "/b/3")
    answers = iter([False, False, True, True])
    results = gateway(root).delete(["/a/1", "/a/2", "/b/3"], should_stop=lambda: next(answers))
    assert [result.lfn for result in results] == ["/a/1"]
    assert contents(root) == {"a", "a/2", "b", "b/3"}


def test_more_than_a_thousand_files_in_one_call_are_an_error(root: Path):
    with pytest.raises(ValueError, match="1001 files in one call, at most 1000 are taken"):
        gateway(root).delete([f"/{index}" for index in range(1001)], should_stop=never)


def test_no_name_of_the_escape_corpus_touches_anything(root: Path, tmp_path: Path):
    corpus = escapes()
    assert len(corpus) >= 200
    put(tmp_path, "/outside/secret", "/outside/b", "/b", "/secret")
    put(root, "/store/a/b", "/store/f", "/b", "/store/outside/secret")
    (root / MARKER_NAME).write_text("T2_A")
    before = contents(tmp_path)
    results = gateway(root).delete(corpus, should_stop=never)
    assert len(results) == len(corpus)
    assert [result.lfn for result in results if result.outcome != FileOutcome.REFUSED or not result.is_untouched] == []
    assert contents(tmp_path) == before
    assert all(result.message for result in results)


def test_escape_corpus_behind_a_rule_that_takes_everything_touches_nothing(root: Path, tmp_path: Path):
    put(tmp_path, "/outside/secret")
    put(root, "/store/a")
    (root / MARKER_NAME).write_text("T2_A")
    before = contents(tmp_path)
    gate = gateway(root, LfnRule("(?s).*", "../outside/secret"), LfnRule("(?s)(.*)", "$1"))
    results = gate.delete(escapes(), should_stop=never)
    assert {result.outcome for result in results} == {FileOutcome.REFUSED}
    assert contents(tmp_path) == before


def test_harmless_names_that_look_odd_are_plain_files_below_the_root(root: Path):
    put(root, *HARMLESS)
    results = gateway(root).delete(HARMLESS, should_stop=never)
    assert {result.lfn: result.outcome for result in results} == dict.fromkeys(HARMLESS, FileOutcome.DELETED)
    assert contents(root) == set()


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("", "site T2_A has no endpoint: nothing is ever deleted there"),
        ("gsiftp://host/path", "no storage back end for scheme 'gsiftp' of site T2_A; known: dav, davs, file, http"),
        ("/data/site", "no storage back end for scheme '' of site T2_A; known: dav"),
        ("file://[", "is no URL"),
        ("file://host/data", "is no local folder"),
        ("file:///", "must name a folder below /"),
        ("file:////", "must name a folder below /"),
        ("file:///.", "must name a folder below /"),
        ("file:///data/../etc", "must name a folder below /"),
        ("file:///data/%2e%2e/etc", "must name a folder below /"),
        ("file:///data%00", "must name a folder below /"),
        ("file:///data?x=1", "is no local folder"),
        ("file:data", "must name a folder below /"),
    ],
)
def test_endpoints_that_cannot_be_used_refuse_every_file_and_say_why(endpoint: str, reason: str):
    gate = gateway_for(site_name="T2_A", endpoint_url=endpoint, lfn_rules=())
    assert isinstance(gate, RefusingGateway)
    (result,) = gate.delete(["/store/a"], should_stop=never)
    assert (result.outcome, result.is_untouched) == (FileOutcome.REFUSED, True)
    assert reason in result.message


def test_site_with_a_rule_that_is_no_regular_expression_refuses_every_file(root: Path):
    put(root, "/a")
    (result,) = gateway(root, LfnRule("(", "x")).delete(["/a"], should_stop=never)
    assert (result.outcome, result.message) == (
        FileOutcome.REFUSED,
        "site T2_A: LFN rule 1: '(' is not a regular expression",
    )


def test_endpoint_with_blanks_is_understood(tmp_path: Path):
    folder = tmp_path / "a site"
    put(folder, "/a")
    assert delete(folder, "/a") == {"/a": FileOutcome.DELETED}
