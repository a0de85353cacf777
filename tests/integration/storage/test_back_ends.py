"""The one vocabulary of outcomes, on a real server of each kind."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from operations.choices import FileOutcome, RestoreOutcome
from operations.storage import Access, FileResult, TrashedFile
from operations.storage.trash_names import trash_name
from tests.factories.storages import RealStorage, S3Storage, Servers
from tests.unit.operations.path_escapes import HARMLESS, ODD, UNNAMEABLE

FOLDER = "2026-01-01/120000-17"


def never() -> bool:
    return False


def outcomes(results: Sequence[FileResult]) -> dict[str, str]:
    return {result.lfn: result.outcome for result in results}


def trashed(lfn: str, content: bytes = b"content", folder: str = FOLDER) -> TrashedFile:
    return TrashedFile(lfn, folder, trash_name(lfn), len(content), f"adler32:{zlib.adler32(content):08x}")


def restored(storage: RealStorage, *files: TrashedFile) -> dict[str, str]:
    return {result.lfn: result.outcome for result in storage.gateway().restore(files, should_stop=never)}


def test_deleted_absent_and_folders_are_told_apart_and_only_what_was_named_goes(storage: RealStorage):
    for name in ("a", "b", "c", "d", "e", "kept"):
        storage.put(f"/store/x/{name}")
    storage.put("/store/y/alone")
    lfns = [
        "/store/x/a",
        "/store/x/missing",
        "/nowhere/at/all",
        "/store/x/b",
        "/store/x/c",
        "/store/x/d",
        "/store/x/e",
        "/store/y/alone",
    ]
    results = storage.gateway().delete(lfns, should_stop=never)
    assert [result.lfn for result in results] == lfns
    absent = {"/store/x/missing", "/nowhere/at/all"}
    assert outcomes(results) == {lfn: "ABSENT" if lfn in absent else "DELETED" for lfn in lfns}
    assert all(result.is_untouched == (result.lfn in absent) for result in results)
    assert storage.names() == {"/store/x/kept"}


def test_folder_is_never_deleted_even_if_a_file_has_its_name(storage: RealStorage):
    storage.put("/store/x/kept")
    storage.put("/store/file")
    said = outcomes(storage.gateway().delete(["/store/x", "/store/file"], should_stop=never))
    # In S3 there are no folders: nothing has that name.
    assert said == {"/store/x": "ABSENT" if storage.kind == "s3" else "REFUSED", "/store/file": "DELETED"}
    said = outcomes(storage.gateway().trash([trashed("/store/x")], should_stop=never))
    assert said == {"/store/x": "ABSENT" if storage.kind == "s3" else "REFUSED"}
    assert storage.names() == {"/store/x/kept"}


def test_what_the_storage_does_not_permit_is_refused_and_stays(storage: RealStorage):
    if not storage.can_refuse:
        pytest.skip("this user may do anything in a local folder")
    for name in ("a", "b"):
        storage.put(f"/locked/{name}")
        storage.put(f"/open/{name}")
    storage.refuse("/locked")
    results = storage.gateway().delete(["/locked/a", "/open/a", "/locked/b", "/open/b"], should_stop=never)
    assert [result.outcome for result in results] == ["REFUSED", "DELETED", "REFUSED", "DELETED"]
    assert all(result.is_untouched and result.message for result in results if result.outcome == "REFUSED")
    assert storage.names() == {"/locked/a", "/locked/b"}


def test_absence_is_believed_only_where_the_root_is_proven(storage: RealStorage):
    (result,) = storage.gateway().delete(["/store/a"], should_stop=never)
    assert result.outcome == FileOutcome.RETRYABLE
    assert "nothing shows that" in result.message
    storage.put("/.dynamo-storage", b"T2_A\n")
    assert outcomes(storage.gateway().delete(["/store/a"], should_stop=never)) == {"/store/a": "ABSENT"}


def test_first_deletion_leaves_the_marker_and_another_site_is_refused(storage: RealStorage):
    storage.put("/store/a")
    storage.put("/store/b")
    assert outcomes(storage.gateway().delete(["/store/a"], should_stop=never)) == {"/store/a": "DELETED"}
    other = storage.gateway("T2_OTHER")
    for results in (other.delete(["/store/b"], should_stop=never), other.trash([trashed("/store/b")], should_stop=never)):
        assert outcomes(results) == {"/store/b": "REFUSED"}
        assert "is marked as the storage of T2_A" in results[0].message
    assert storage.names() == {"/store/b"}


def test_missing_root_is_not_taken_for_deleted_files(storage: RealStorage):
    gone = storage.beside("gone")
    gateway = gone.gateway()
    for results in (gateway.delete(["/a", "/b"], should_stop=never), gateway.trash([trashed("/a")], should_stop=never)):
        assert {result.outcome for result in results} == {FileOutcome.RETRYABLE}
        assert all(result.is_untouched for result in results)
    assert [result.outcome for result in gateway.restore([trashed("/a")], should_stop=never)] == [RestoreOutcome.RETRYABLE]


def test_harmless_names_take_the_one_file_that_they_name(storage: RealStorage):
    names = [name if name.startswith("/") else f"/{name}" for name in HARMLESS]
    bystanders = {"/store/[ab]", "/store/c", "/store/x", "/store/a", "/store/q", "/b"}
    for name in [*names, *bystanders]:
        storage.put(name)
    outside = storage.outside()
    said = outcomes(storage.gateway().delete(names, should_stop=never))
    unnameable = {name for name in names if any(text in name for text in UNNAMEABLE[storage.kind])}
    assert said == {name: "REFUSED" if name in unnameable else "DELETED" for name in names}
    assert storage.names() == bystanders | unnameable
    assert storage.outside() == outside


def test_odd_names_go_into_the_trash_and_come_back_from_it(storage: RealStorage):
    bystanders = {"/store/a": b"another", "/store/q": b"another"}
    for name in ODD:
        storage.put(name, name.encode())
    for name, content in bystanders.items():
        storage.put(name, content)
    before = storage.files()
    files = [trashed(name, name.encode()) for name in ODD if not any(text in name for text in UNNAMEABLE[storage.kind])]
    said = outcomes(storage.gateway().trash(files, should_stop=never))
    assert said == {file.lfn: "DELETED" for file in files}
    assert storage.names() == set(before) - set(said)
    assert restored(storage, *files) == {file.lfn: "RESTORED" for file in files}
    assert storage.files() == before


def test_nothing_more_is_tried_once_it_is_to_stop(storage: RealStorage):
    names = [f"/store/{index:03d}" for index in range(200)]
    for name in names:
        storage.put(name)
    asked = []

    def after_a_while() -> bool:
        asked.append(1)
        return len(asked) > 60

    results = storage.gateway().delete(names, should_stop=after_a_while)
    gone = {result.lfn for result in results if result.outcome == FileOutcome.DELETED}
    assert storage.names() == set(names) - gone
    assert all(result.outcome == FileOutcome.DELETED for result in results)
    # S3 takes a thousand in one request.
    assert len(results) < 200 or storage.kind == "s3"
    assert storage.gateway().delete(names, should_stop=lambda: True) == []


def test_trash_and_back_bit_for_bit(storage: RealStorage):
    content = {f"/store/x/f{index}": bytes([index]) * (1000 + index) for index in range(12)} | {
        "/store/\u00e9t\u00e9/a b%c": b"\0\xff"
    }
    for name, some in content.items():
        storage.put(name, some)
    storage.put("/store/x/stays")
    files = [trashed(name, some) for name, some in content.items()]
    results = storage.gateway().trash(files, should_stop=never)
    assert {(result.outcome, result.is_in_trash) for result in results} == {("DELETED", True)}
    assert storage.names() == {"/store/x/stays"}
    assert len(storage.trash_names()) == len(files)

    again = storage.gateway().trash(files, should_stop=never)
    assert {(result.outcome, result.is_in_trash) for result in again} == {("DELETED", True)}

    assert set(restored(storage, *files).values()) == {"RESTORED"}
    assert {name: storage.files()[name] for name in storage.names()} == content | {"/store/x/stays": b"content"}
    assert storage.trash_names() == set()
    assert set(restored(storage, *files).values()) == {"RESTORED"}


def test_absent_before_is_absent_and_not_in_the_trash(storage: RealStorage):
    storage.put("/store/a")
    results = storage.gateway().trash([trashed("/store/a"), trashed("/store/b")], should_stop=never)
    assert [(result.outcome, result.is_in_trash) for result in results] == [("DELETED", True), ("ABSENT", False)]


@pytest.mark.parametrize("num_others", [0, 100], ids=["alone", "among others"])
def test_many_of_one_folder_go_to_the_trash_as_they_are(storage: RealStorage, num_others: int):
    """So many that a folder is listed where the storage can do that, or so few among others that it is not."""
    files = [f"/store/x/f{index:02}" for index in range(20)]
    others = {f"/store/x/other-{index:03}-{'n' * 100}" for index in range(num_others)} | {"/store/x/folder/kept"}
    for name in [*files, *others]:
        storage.put(name)
    wanted = [*files, "/store/x/missing", "/store/x/folder"]
    said = outcomes(storage.gateway().trash([trashed(name) for name in wanted], should_stop=never))
    not_there = {"/store/x/missing": "ABSENT", "/store/x/folder": "ABSENT" if storage.kind == "s3" else "REFUSED"}
    assert said == dict.fromkeys(files, "DELETED") | not_there
    assert storage.names() == others
    assert len(storage.trash_names()) == len(files)


def test_nothing_in_the_trash_is_overwritten_by_a_second_attempt(storage: RealStorage):
    storage.put("/store/a", b"first")
    storage.put("/store/b")
    storage.gateway().trash([trashed("/store/a")], should_stop=never)
    storage.put("/store/a", b"second")
    (result,) = storage.gateway().trash([trashed("/store/a")], should_stop=never)
    assert (result.outcome, result.is_in_trash, result.is_untouched) == ("UNKNOWN", False, True)
    assert sorted(storage.files().values()) == [b"content", b"first", b"second"]


def test_restore_says_of_each_file_what_could_not_be(storage: RealStorage):
    for name in ("taken", "damaged", "lost", "purged", "fine"):
        storage.put(f"/store/{name}")
    files = {name: trashed(f"/store/{name}") for name in ("taken", "damaged", "lost", "purged", "fine")}
    storage.gateway().trash(list(files.values()), should_stop=never)
    storage.put("/store/taken", b"newcomer")
    storage.gateway().purge([files["lost"]], should_stop=never)
    storage.gateway().purge([files["purged"]], should_stop=never)
    storage.put("/store/purged")
    damaged = replace(files["damaged"], checksum="adler32:00000001")
    short = replace(files["fine"], size_bytes=3)
    assert restored(storage, files["taken"], damaged, files["lost"], files["purged"], short) == {
        "/store/taken": "TAKEN",
        "/store/damaged": "DAMAGED",
        "/store/lost": "LOST",
        "/store/purged": "RESTORED",
        "/store/fine": "DAMAGED",
    }
    assert restored(storage, files["fine"], files["damaged"]) == {"/store/fine": "RESTORED", "/store/damaged": "RESTORED"}
    assert storage.files()["/store/taken"] == b"newcomer"
    assert [name.rsplit("=", 1)[-1] for name in storage.trash_names()] == ["taken"]


def test_restore_that_is_stopped_anywhere_leaves_each_file_whole_and_goes_on_later(storage: RealStorage):
    files = [trashed(f"/store/f{i % 2}/{i}", f"{i}".encode() * 9) for i in range(6)]
    for file in files:
        storage.put(file.lfn, file.lfn[-1].encode() * 9)
    storage.gateway().trash(files, should_stop=never)
    content = set(storage.files().values())
    asked = rounds = 0
    while storage.names() != {file.lfn for file in files}:
        rounds += 1
        left = asked = asked + 1

        def tired() -> bool:
            nonlocal left
            left -= 1
            return left < 0

        results = storage.gateway().restore(files, should_stop=tired)
        assert {result.lfn for result in results if result.outcome == "RESTORED"} <= storage.names()
        assert set(storage.files().values()) == content
        assert len(storage.names()) + len(storage.trash_names()) == len(files)
    assert 1 < rounds < 40


def test_purge_takes_only_its_own_files_and_then_the_empty_folders(storage: RealStorage):
    storage.put("/store/a")
    storage.put("/store/b")
    one, other = trashed("/store/a"), trashed("/store/b", folder="2026-01-01/120000-18")
    storage.gateway().trash([one, other], should_stop=never)
    assert outcomes(storage.gateway().purge([one], should_stop=never)) == {"/store/a": "DELETED"}
    assert outcomes(storage.gateway().purge([one], should_stop=never)) == {"/store/a": "ABSENT"}
    assert [name.rsplit("=", 1)[-1] for name in storage.trash_names()] == ["b"]
    assert restored(storage, other) == {"/store/b": "RESTORED"}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=getattr(pytest.mark, kind)) for kind in ("xrootd", "webdav", "s3")])
def test_server_that_hangs_or_is_down_is_tried_again_and_nothing_is_lost(servers: Servers, kind: str):
    storage = servers.storage(kind)
    storage.put("/store/a")
    storage.put("/store/b")
    gateway = storage.gateway(access=Access(timeout_seconds=2))
    assert outcomes(gateway.delete(["/store/a"], should_stop=never)) == {"/store/a": "DELETED"}
    with servers.frozen(kind):
        assert outcomes(gateway.delete(["/store/b"], should_stop=never)) == {"/store/b": "RETRYABLE"}
    assert storage.names() == {"/store/b"}
    nobody = storage.elsewhere().gateway(access=Access(timeout_seconds=2))
    results = nobody.delete(["/store/b"], should_stop=never)
    assert [(result.outcome, result.is_untouched) for result in results] == [("RETRYABLE", True)]


@pytest.mark.s3
@pytest.mark.xrootd
def test_xrootd_looks_each_second_which_requests_are_over_time(servers: Servers):
    """Its own default of 15 s would let a request of 30 s take 45, and a pause wait for it."""
    from XRootD import client  # noqa: PLC0415 - not everybody has it

    servers.storage("xrootd").gateway()
    assert client.EnvGetInt("TimeoutResolution") == 1


def test_copy_to_or_from_the_trash_that_was_cut_short_is_finished(servers: Servers):
    """S3 has no renaming: a worker may die between the copy and the removal of the original."""
    storage = servers.storage("s3")
    file = trashed("/store/a", b"first")
    in_trash = f"/.dynamo-trash/{FOLDER}/{file.name}"
    for name in ("/store/a", in_trash):
        storage.put(name, b"first")
    (result,) = storage.gateway().trash([file], should_stop=never)
    assert (result.outcome, result.is_in_trash, storage.files()) == ("DELETED", True, {in_trash: b"first"})
    storage.put("/store/a", b"first")
    assert restored(storage, file) == {"/store/a": "RESTORED"}
    assert storage.files() == {"/store/a": b"first"}


@pytest.mark.webdav
def test_certificate_that_cannot_be_read_makes_the_site_wait_and_no_other(servers: Servers, tmp_path: Path):
    folder = tmp_path / "T2_A"
    folder.mkdir()
    (folder / "ca.pem").write_text("no certificate")
    (folder / "ca.pem").chmod(0o600)
    storage = servers.storage("webdav")
    storage.put("/store/a")
    (result,) = storage.gateway(access=Access(secrets=tmp_path)).delete(["/store/a"], should_stop=never)
    assert (result.outcome, result.is_untouched) == ("RETRYABLE", True)
    assert result.message.startswith("the credentials of site T2_A cannot be used on this host: SSLError")


@pytest.mark.s3
def test_bucket_with_versions_keeps_nothing_of_what_is_gone_for_good(servers: Servers):
    """Neither behind the markers of originals and of the trash, nor of what was deleted without it; others keep theirs."""
    storage = servers.storage("s3")
    assert isinstance(storage, S3Storage)
    storage.keep_versions()
    names = [f"/store/x/f{index}" for index in range(6)]
    for name in [*names, "/store/x/other"]:
        storage.put(name, b"old")
        storage.put(name)
    files = [trashed(name) for name in names[:4]]
    gateway = storage.gateway()
    assert set(outcomes(gateway.trash(files, should_stop=never)).values()) == {"DELETED"}
    assert set(restored(storage, files[0]).values()) == {"RESTORED"}
    assert storage.files()[names[0]] == b"content"
    assert set(outcomes(gateway.purge(files[1:], should_stop=never)).values()) == {"DELETED"}
    assert set(outcomes(gateway.delete(names[4:], should_stop=never)).values()) == {"DELETED"}
    assert storage.versions() == {names[0]: 1, "/store/x/other": 2}
