"""Lists and second looks, on a real server of each kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome
from operations.storage import Access, Entry, ListingError, SightKind, listing
from tests.factories.storages import FolderStorage, RealStorage, Servers
from tests.integration.storage.test_back_ends import never, trashed
from tests.unit.operations.path_escapes import HARMLESS, ODD, UNNAMEABLE


def listed(storage: RealStorage, folder: str = "", site_name: str = "T2_A") -> dict[str, Entry]:
    parts = tuple(folder.split("/")) if folder else ()
    pages = storage.gateway(site_name).list_folder(parts, should_stop=never)
    return {entry.name: entry for page in pages for entry in page}


def tree(storage: RealStorage, folder: str = "") -> set[str]:
    """Return the paths of all files below a folder, as a scan walks them."""
    found: set[str] = set()
    for name, entry in listed(storage, folder).items():
        path = f"{folder}/{name}".lstrip("/")
        found |= tree(storage, path) if entry.is_folder else {f"/{path}"}
    return found


def test_files_and_folders_with_sizes_and_times_without_dynamos_own(storage: RealStorage):
    storage.put("/store/x/a", b"12345")
    storage.put("/store/x/b", b"")
    storage.put("/store/alone")
    storage.put("/store/trashed")
    storage.gateway().trash([trashed("/store/trashed")], should_stop=never)
    assert set(listed(storage)) == {"store"}
    assert listed(storage)["store"].is_folder
    assert {name: entry.is_folder for name, entry in listed(storage, "store").items()} == {"x": True, "alone": False}
    entries = listed(storage, "store/x")
    assert {name: entry.size_bytes for name, entry in entries.items()} == {"a": 5, "b": 0}
    now = datetime.now(UTC)
    for entry in entries.values():
        assert entry.modified_at is not None
        assert abs(entry.modified_at - now) < timedelta(hours=1)
        assert entry.modified_at.microsecond == 0
        assert entry.problem == ""


def test_look_agrees_with_the_list_and_believes_absence_only_with_proof(storage: RealStorage):
    storage.put("/store/x/a", b"12345")
    (unproven,) = storage.gateway().look(["/store/x/gone"], should_stop=never)
    assert (unproven.kind, "nothing shows that" in unproven.message) == (SightKind.UNCLEAR, True)
    sights = {s.lfn: s for s in storage.gateway().look(["/store/x/a", "/store/x/gone", "/no/such", "/a/../b"], should_stop=never)}
    assert {lfn: sight.kind for lfn, sight in sights.items()} == {
        "/store/x/a": SightKind.THERE,
        "/store/x/gone": SightKind.MISSING,
        "/no/such": SightKind.MISSING,
        "/a/../b": SightKind.UNCLEAR,
    }
    entry = listed(storage, "store/x")["a"]
    assert (sights["/store/x/a"].size_bytes, sights["/store/x/a"].modified_at) == (5, entry.modified_at)
    storage.put("/.dynamo-storage", b"T2_A")
    assert [s.kind for s in storage.gateway().look(["/store/x/gone"], should_stop=never)] == [SightKind.MISSING]
    assert storage.names() == {"/store/x/a"}, "a look changed the storage"


def test_every_file_is_listed_once_whatever_its_name_and_however_many_pages_there_are(
    storage: RealStorage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listing, "PAGE_SIZE", 5)
    names = {name if name.startswith("/") else f"/{name}" for name in HARMLESS} | {f"/many/f{n:04d}" for n in range(13)}
    if storage.kind == "webdav":  # nginx lists no names that begin with a dot
        names = {name for name in names if "/." not in name}
    if storage.kind == "xrootd":  # nothing can be asked of a folder with such a name: see below
        names = {name for name in names if "?/" not in name}
    for name in names:
        storage.put(name, b"")
    assert tree(storage) == names
    assert len(listed(storage, "many")) == 13


def test_what_cannot_be_asked_for_by_its_name_is_listed_with_the_reason(storage: RealStorage):
    for name in ODD:
        storage.put(name, b"12345")
    for name, entry in listed(storage, "store").items():
        is_unnameable = any(text in name for text in UNNAMEABLE[storage.kind])
        assert ("which this storage cannot name" in entry.unaskable) == is_unnameable, name
        assert entry.is_folder or entry.size_bytes == 5
        assert entry.problem == ""


def test_folder_that_is_gone_is_empty_only_in_a_proven_root(storage: RealStorage):
    storage.put("/store/a")
    if storage.kind == "s3":
        assert listed(storage, "store/gone") == {}, "in S3 there are no folders: none is missing"
        return
    with pytest.raises(ListingError) as refused:
        listed(storage, "store/gone")
    assert refused.value.outcome == FileOutcome.RETRYABLE
    storage.put("/.dynamo-storage", b"T2_A")
    assert listed(storage, "store/gone") == {}


def test_missing_root_and_another_sites_root_are_no_empty_lists(storage: RealStorage):
    with pytest.raises(ListingError):
        listed(storage.beside("gone"))
    storage.put("/store/a")
    storage.put("/.dynamo-storage", b"T2_OTHER")
    with pytest.raises(ListingError, match="is marked as the storage of T2_OTHER"):
        listed(storage)
    assert [s.kind for s in storage.gateway().look(["/store/b"], should_stop=never)] == [SightKind.UNCLEAR]


def test_folder_of_another_site_inside_is_not_listed(storage: RealStorage):
    storage.put("/store/other/.dynamo-storage", b"T2_OTHER")
    storage.put("/store/other/a")
    with pytest.raises(ListingError, match="marked as the storage of"):
        listed(storage, "store/other")


def test_what_may_not_be_listed_is_an_error_and_not_an_empty_folder(storage: RealStorage):
    if not isinstance(storage, FolderStorage) or not storage.can_refuse:
        pytest.skip("nothing can be refused there")
    storage.put("/store/locked/a")
    (storage.root / "store/locked").chmod(0)
    with pytest.raises(ListingError):
        listed(storage, "store/locked")
    (storage.root / "store/locked").chmod(0o777)


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=getattr(pytest.mark, kind)) for kind in ("webdav", "s3")])
def test_server_that_is_down_gives_no_list(servers: Servers, kind: str):
    gateway = servers.storage(kind).elsewhere().gateway(access=Access(timeout_seconds=2))
    with pytest.raises(ListingError) as refused:
        list(gateway.list_folder((), should_stop=never))
    assert refused.value.outcome == FileOutcome.RETRYABLE
    assert [sight.kind for sight in gateway.look(["/store/a"], should_stop=never)] == [SightKind.UNCLEAR]


def test_links_of_a_local_folder_are_named_and_never_followed(servers: Servers):
    storage = servers.storage("local")
    assert isinstance(storage, FolderStorage)
    storage.put("/store/a")
    (storage.root / "store/out").symlink_to(storage.folder / "outside")
    (storage.root / "store/secret").symlink_to(storage.folder / "secret")
    entries = listed(storage, "store")
    assert {name: entry.problem for name, entry in entries.items()} == {
        "a": "",
        "out": "is a symbolic link",
        "secret": "is a symbolic link",
    }
    assert not any(entry.is_folder for entry in entries.values())
    with pytest.raises(ListingError, match="is a symbolic link"):
        listed(storage, "store/out")


def test_paths_are_taken_in_place_of_names_where_there_are_rules(servers: Servers):
    storage = servers.storage("local")
    storage.put("/pool/a")
    gateway = storage.gateway(rules=(LfnRule("/store/(.*)", "/pool/$1"),))
    assert [s.kind for s in gateway.look(["/store/a"], should_stop=never)] == [SightKind.THERE]
    assert [s.kind for s in gateway.by_path().look(["/pool/a"], should_stop=never)] == [SightKind.THERE]
