"""Local folders (``file://``): every step is taken relative to an open directory, so no link or rename leads outside.

A folder that is not mounted looks like one from which everything has been deleted. "Already absent" is therefore believed
only with a proof that the folder is the site's storage: the marker file ``.dynamo-storage`` in it, or a file of the same
call that was there. The marker is left before the first deletion in a folder; it names the site, so a folder that two
sites share by mistake is noticed too (the deletion at one would take the other's copy).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome, RestoreOutcome
from operations.constants import MAX_FILES_PER_CALL
from operations.storage.errors import message_of, outcome_of
from operations.storage.listing import Entry, ListingError, Sight, SightKind, demand_folder
from operations.storage.local_call import FOLDER, Blocked, Call, Deleting, Remover, Trashing, Way
from operations.storage.local_listing import list_opened, look_opened
from operations.storage.local_trash import purge_files, restore_files
from operations.storage.markers import MARKER_NAME, marker_owner
from operations.storage.paths import RESERVED_PREFIX, Placement, place
from operations.storage.results import FileResult, RestoreResult, ShouldStop, TrashedFile, refused


@dataclass(frozen=True, slots=True)
class LocalFolderGateway:
    """The storage of a site in a local folder: ``root`` is absolute and not ``/``; it may be a link, nothing below it may."""

    site_name: str
    root: Path
    rules: tuple[LfnRule, ...] = ()
    files: Remover = os

    @property
    def can_trash(self) -> bool:
        return True

    def delete(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files, then the folders below the root that this made empty (see ``Gateway``)."""
        return self._take(lfns, should_stop, Deleting)

    def trash(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Move files to the trash by renaming them, then remove the folders that this made empty (see ``Gateway``)."""
        by_name = {file.lfn: file for file in files}
        return self._take(list(by_name), should_stop, lambda call: Trashing(call, by_name))

    def restore(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[RestoreResult]:
        """Move files from the trash back to their places (see ``Gateway``)."""
        _check_number(files)
        placements = {p.lfn: p for p in place([file.lfn for file in files], self.rules)}
        try:
            root, is_proven = self._opened_root()
        except Blocked as blocked:
            return [RestoreResult(file.lfn, RestoreOutcome(blocked.outcome), blocked.message) for file in files]
        try:
            return restore_files(root, files, placements, is_proven=is_proven, should_stop=should_stop)
        finally:
            os.close(root)

    def purge(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files in the trash for good, then their folders (see ``Gateway``)."""
        _check_number(files)
        try:
            root, is_proven = self._opened_root()
        except Blocked as blocked:
            return [FileResult(file.lfn, blocked.outcome, blocked.message, is_untouched=True) for file in files]
        try:
            return purge_files(root, files, is_proven=is_proven, should_stop=should_stop)
        finally:
            os.close(root)

    @property
    def shows_links(self) -> bool:
        return True

    def by_path(self) -> LocalFolderGateway:
        """Return the same folder without rules: names are paths (see ``Gateway``)."""
        return replace(self, rules=())

    def list_folder(self, folder: tuple[str, ...], *, should_stop: ShouldStop) -> Iterator[list[Entry]]:
        """Yield the entries of a folder in pages, following no link (see ``Gateway``)."""
        demand_folder(folder)
        try:
            root, is_proven = self._opened_root()
        except Blocked as blocked:
            raise ListingError(blocked.outcome, blocked.message) from blocked
        try:
            opener = Call(self, root, should_stop).opened
            for page in list_opened(opener, folder, self.root, is_proven=is_proven):
                yield [entry for entry in page if folder or not entry.name.lower().startswith(RESERVED_PREFIX)]
        finally:
            os.close(root)

    def look(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[Sight]:
        """Look at files one by one (see ``Gateway``)."""
        _check_number(lfns)
        placements = place(lfns, self.rules)
        sights = [Sight(p.lfn, SightKind.UNCLEAR, message=p.problem) for p in placements if p.problem]
        good = [p for p in placements if not p.problem]
        try:
            root, is_proven = self._opened_root()
        except Blocked as blocked:
            return sights + [Sight(p.lfn, SightKind.UNCLEAR, message=blocked.message) for p in good]
        try:
            call = Call(self, root, should_stop)
            return sights + look_opened(call.opened, good, is_proven=is_proven, should_stop=should_stop)
        finally:
            os.close(root)

    def _take(self, lfns: Sequence[str], should_stop: ShouldStop, way: Callable[[Call], Way]) -> list[FileResult]:
        _check_number(lfns)
        placements = place(lfns, self.rules)
        good = [p for p in placements if not p.problem]
        results = {p.lfn: refused(p.lfn, p.problem) for p in placements if p.problem}
        if good and not should_stop():
            results |= {result.lfn: result for result in self._take_placed(good, should_stop, way)}
        return [results[lfn] for lfn in dict.fromkeys(lfns) if lfn in results]

    def _take_placed(
        self, placements: Sequence[Placement], should_stop: ShouldStop, way: Callable[[Call], Way]
    ) -> list[FileResult]:
        try:
            root = os.open(self.root, FOLDER)
        except OSError as error:
            blocked = self._root_failed(error)
            return [FileResult(p.lfn, blocked.outcome, blocked.message, is_untouched=True) for p in placements]
        try:
            call = Call(self, root, should_stop)
            taking = way(call)
            try:
                return call.run(placements, taking)
            finally:
                taking.close()
        finally:
            os.close(root)

    def _opened_root(self) -> tuple[int, bool]:
        """Return the opened root and whether it is proven to be the site's. Raises ``Blocked`` if it is another's or missing."""
        try:
            root = os.open(self.root, FOLDER)
        except OSError as error:
            raise self._root_failed(error) from error
        owner = marker_owner(root)
        if owner not in {None, "", self.site_name}:
            os.close(root)
            raise Blocked(FileOutcome.REFUSED, self.of_another(owner))
        return root, owner == self.site_name

    def of_another(self, owner: str | None) -> str:
        return (
            f"folder {self.root} is marked as the storage of {owner}; two sites must not share a folder (see {MARKER_NAME} in it)"
        )

    def _root_failed(self, error: OSError) -> Blocked:
        """Return the answer for the whole call: what a missing folder held is not known to be gone."""
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return Blocked(FileOutcome.RETRYABLE, f"storage folder {self.root} of {self.site_name} is missing: is it mounted?")
        return Blocked(outcome_of(error), f"storage folder {self.root} of {self.site_name} cannot be opened: {message_of(error)}")


def _check_number(names: Sequence[object]) -> None:
    if len(names) > MAX_FILES_PER_CALL:
        raise ValueError(f"{len(names)} files in one call, at most {MAX_FILES_PER_CALL} are taken")
