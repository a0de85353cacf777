"""Storages that take several spellings for one file, and files that lie under another spelling than the inventory has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inventory.models import Block, BlockReplica, File, Injection
from inventory.selectors.sites import SiteStorage
from operations.choices import DeletionState, FindingKind, ScanState
from operations.exceptions import InvalidTransitionError
from operations.models import Deletion, ScanFinding
from operations.storage import Entry, FileResult, Gateway, Sight, SightKind, TrashedFile
from tests.factories.operations import NOW, Clock, World, local_gateway
from tests.integration.operations.test_clean_ups import carry_out, create, paths, release
from tests.integration.operations.test_scans import findings, scan, write

#: Names as the inventory has them, and as a storage lists them.
SPELLINGS = {
    "case": ("/store/Data/Run1/File.ROOT", "store/Data/Run1/file.root"),
    "case of a folder": ("/store/Data/Run1/1.2", "store/data/Run1/1.2"),
    "normal form": ("/store/\u00e9t\u00e9/1", "store/e\u0301te\u0301/1"),
    "both": ("/store/\u00c9T\u00c9.root", "store/e\u0301te\u0301.root"),
}


def one(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass
class Folding:
    """A local folder that takes all spellings of a name for one file, as macOS, Windows and some file servers do."""

    site: SiteStorage
    real: Gateway

    def _real(self, name: str) -> str:
        """Return how the folder spells what a name means."""
        path = Path(self.site.endpoint_url.removeprefix("file://"))
        for part in name.strip("/").split("/"):
            names = [found.name for found in path.iterdir()] if path.is_dir() else []
            path = path / next((found for found in names if one(found) == one(part)), part)
        return "/" + str(path.relative_to(self.site.endpoint_url.removeprefix("file://")))

    def _as_asked(self, names: Sequence[str], act: Any) -> list[Any]:
        asked: dict[str, list[str]] = {}
        for name in names:
            asked.setdefault(self._real(name), []).append(name)
        answers = {answer.lfn: answer for answer in act(list(asked))}
        return [
            type(answer)(**{field: getattr(answer, field) for field in answer.__slots__} | {"lfn": name})
            for spelled, answer in answers.items()
            for name in asked[spelled]
        ]

    can_trash = shows_links = True

    def by_path(self) -> Folding:
        return self

    def list_folder(self, folder: tuple[str, ...], *, should_stop: Any) -> Iterator[list[Entry]]:
        return self.real.list_folder(folder, should_stop=should_stop)

    def look(self, lfns: Sequence[str], *, should_stop: Any) -> list[Sight]:
        return self._as_asked(lfns, lambda names: self.real.look(names, should_stop=should_stop))

    def delete(self, lfns: Sequence[str], *, should_stop: Any) -> list[FileResult]:
        return self._as_asked(lfns, lambda names: self.real.delete(names, should_stop=should_stop))

    def trash(self, files: Sequence[TrashedFile], *, should_stop: Any) -> list[FileResult]:
        return self._as_asked([file.lfn for file in files], lambda names: self.real.delete(names, should_stop=should_stop))


def folding(site: SiteStorage) -> Any:
    return Folding(site, local_gateway(site))


def known(world: World, lfn: str) -> None:
    """Have the inventory know a file at the site."""
    if not Block.objects.exists():
        world.replica(world.block(), world.site())
    block = world.block("/C/D-1/RAW", f"b{File.objects.count()}", num_files=1)
    block.files.update(lfn=lfn)
    world.replica(block, BlockReplica.objects.earliest("pk").site, with_files=False)


def scan_twice(clock: Clock, world: World, gateway: Any) -> Any:
    scan(world, clock, gateway=gateway)
    clock.advance(days=30)
    done = scan(world, clock, gateway=gateway)
    Injection.objects.create(state="COMPLETED", started_at=clock.now, finished_at=clock.now)
    assert done.state == ScanState.DONE
    return done


@pytest.mark.parametrize("gateway", [local_gateway, folding], ids=["tells them apart", "folds"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_known_file_that_lies_under_another_spelling_is_neither_missing_nor_ever_cleaned_up(
    world: World, clock: Clock, spelling: str, gateway: Any
):
    lfn, path = SPELLINGS[spelling]
    known(world, lfn)
    write(world, path, at=NOW - timedelta(days=90), size=10)
    done = scan_twice(clock, world, gateway)
    (found,) = ScanFinding.objects.filter(scan=done)
    assert (found.kind, found.path, done.files_missing) == (FindingKind.DARK, path, 0)
    assert found.problem.startswith(f"the inventory has {lfn} at this site, which is this name in another spelling")
    assert done.files_unclear == (0 if gateway is folding else 1)
    with pytest.raises(InvalidTransitionError, match="no dark file"):
        create(clock, gateway=gateway)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_file_that_becomes_known_under_another_spelling_stays_where_the_storage_folds(world: World, clock: Clock, spelling: str):
    """The list was frozen when nobody knew it; by names alone the database cannot find what it is called by now."""
    lfn, path = SPELLINGS[spelling]
    world.replica(world.block(), world.site())
    write(world, path, at=NOW - timedelta(days=90), size=10)
    scan_twice(clock, world, folding)
    row = release(create(clock, gateway=folding), clock)
    assert paths(row) == [path]
    known(world, lfn)
    carry_out(row, clock, gateway=folding)
    deletion = Deletion.objects.get()
    assert deletion.state == DeletionState.DROPPED
    assert "takes several spellings for one file" in deletion.reason
    assert f"/{path}" in world.files("T2_A")


def test_dark_file_beside_a_known_one_of_another_spelling_goes_where_both_are_there(world: World, clock: Clock):
    known(world, "/store/Data/File.root")
    write(world, "store/Data/File.root", at=NOW - timedelta(days=80), size=10)
    write(world, "store/Data/fILE.ROOT", at=NOW - timedelta(days=90), size=10)
    done = scan_twice(clock, world, local_gateway)
    assert findings(done) == {"DARK": {"store/Data/fILE.ROOT"}}
    row = release(create(clock), clock)
    carry_out(row, clock)
    assert Deletion.objects.get().state == DeletionState.DONE
    assert world.files("T2_A") == world.files_in_inventory("T2_A")


def test_storage_that_does_not_answer_for_another_spelling_is_asked_again(world: World, clock: Clock):
    world.replica(world.block(), world.site())
    write(world, "dark/old", at=NOW - timedelta(days=90))
    scan_twice(clock, world, local_gateway)
    row = release(create(clock), clock)

    class Silent(Folding):
        def look(self, lfns: Sequence[str], *, should_stop: Any) -> list[Sight]:
            sights = self.real.look(lfns, should_stop=should_stop)
            return [sight if sight.lfn == "/dark/old" else Sight(sight.lfn, SightKind.UNCLEAR, message="503") for sight in sights]

    carry_out(row, clock, gateway=lambda site: Silent(site, local_gateway(site)))
    assert Deletion.objects.get().state == DeletionState.QUEUED
    assert "/dark/old" in world.files("T2_A")
