"""The last look at files of clean-ups, which nobody knows: whatever speaks against a deletion now makes it drop out.

Runs inside the transaction of the claim. Whether the file is still as it was seen is asked of the storage, right before it goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from inventory.selectors.replicas import FileRow
from inventory.selectors.sites import SiteStorage
from operations.choices import DeletionState, FileOutcome
from operations.constants import MAX_FILES_PER_CALL
from operations.models import CleanUp, Deletion
from operations.services.known_paths import known_at, path_names
from operations.services.recheck import Rechecked, begun_among
from operations.services.scan_place import why_another_place
from operations.services.spellings import other_spellings
from operations.services.verdict import Verdict
from operations.storage import Entry, FileResult, Gateway, RestoreResult, Sight, SightKind, TrashedFile
from operations.storage.results import ShouldStop
from policies.selectors.plans import executable_plans

#: What a file that is not as it was seen is told by: it drops out, and the storage is not to blame.
CHANGED = "not the file that the scan saw any more"
#: The same of one that may be known by a name that only the storage takes for this one.
SPELT = "the storage takes several spellings for one file, and the inventory may know this one by another"
_STAYS = frozenset({CHANGED, SPELT})


def name_of(path: str) -> str:
    """Return a path below the root as the name by which a gateway without rules knows it."""
    return f"/{path}"


def recheck_paths(rows: Sequence[Deletion], site: SiteStorage) -> Rechecked:
    """Look again at files that nobody knew; the keys of the result are those of the deletions. Locks their plans."""
    executable = executable_plans({row.plan_id for row in rows})
    against = {row.pk: f"plan {row.plan_id} is not released any more" for row in rows if row.plan_id not in executable}
    moved = _moved({row.plan_id for row in rows}, site)
    against |= {row.pk: moved[row.plan_id] for row in rows if row.pk not in against and row.plan_id in moved}
    left = [row for row in rows if row.pk not in against]
    against |= {row.pk: reason for row, reason in _known(left, site)}
    begun = begun_among([row for row in rows if row.pk in against])
    files: dict[int, tuple[FileRow, ...]] = {
        row.pk: (FileRow(name_of(row.path), row.size_bytes, ""),) for row in rows if row.pk not in against
    }
    return Rechecked(
        files=files,
        partial=frozenset(),
        dropped={pk: reason for pk, reason in against.items() if pk not in begun},
        failed={
            pk: f"{reason}; but it may be in the trash already: bring it back" for pk, reason in against.items() if pk in begun
        },
    )


def _moved(plan_ids: Collection[int], site: SiteStorage) -> dict[int, str]:
    """Return those plans whose files were seen in another place than the storage of the site is now, and why."""
    reasons = {
        row.plan_id: why_another_place(row.scan, site)
        for row in CleanUp.objects.filter(plan_id__in=plan_ids).select_related("scan")
    }
    return {plan_id: reason for plan_id, reason in reasons.items() if reason}


def _known(rows: Sequence[Deletion], site: SiteStorage) -> list[tuple[Deletion, str]]:
    """Return those rows that somebody knows by now, and as what."""
    names = path_names(site)
    if names.problem:
        return [(row, names.problem) for row in rows]
    found = known_at([row.path for row in rows], names)
    return [(row, f"the inventory knows it by now, as {found[row.path][0].lfn}") for row in rows if row.path in found]


class UnchangedGateway:
    """A way to the storage on which only files go that are as a scan saw them; names are paths.

    ``seen``: bytes and time by name. A file of which the storage does not say that it is the same stays.
    """

    def __init__(self, real: Gateway, seen: dict[str, tuple[int, datetime]]) -> None:
        self._real = real.by_path()
        self._seen = seen

    @property
    def can_trash(self) -> bool:
        return self._real.can_trash

    @property
    def shows_links(self) -> bool:
        return self._real.shows_links

    def by_path(self) -> UnchangedGateway:
        """Return itself: its names are paths."""
        return self

    def look(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[Sight]:
        """Look at files as ever."""
        return self._real.look(lfns, should_stop=should_stop)

    def list_folder(self, folder: tuple[str, ...], *, should_stop: ShouldStop) -> Iterator[list[Entry]]:
        """List as ever."""
        return self._real.list_folder(folder, should_stop=should_stop)

    def restore(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[RestoreResult]:
        """Move files from the trash back as ever."""
        return self._real.restore(files, should_stop=should_stop)

    def purge(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files in the trash as ever."""
        return self._real.purge(files, should_stop=should_stop)

    def delete(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete those files that are as they were seen."""
        going, others = self._parted(lfns, should_stop)
        return [*others, *(self._real.delete(going, should_stop=should_stop) if going else [])]

    def trash(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Put those files aside that are as they were seen."""
        going, others = self._parted([file.lfn for file in files], should_stop)
        wanted = [file for file in files if file.lfn in set(going)]
        return [*others, *(self._real.trash(wanted, should_stop=should_stop) if wanted else [])]

    def _parted(self, lfns: Sequence[str], should_stop: ShouldStop) -> tuple[list[str], list[FileResult]]:
        """Part the files that may go, also those that are gone already, from the answers for those that must not be touched."""
        going: list[str] = []
        there: list[str] = []
        others: list[FileResult] = []
        for sight in self._real.look(lfns, should_stop=should_stop):
            if sight.kind == SightKind.UNCLEAR:
                others.append(FileResult(sight.lfn, FileOutcome.RETRYABLE, sight.message, is_untouched=True))
            elif sight.kind == SightKind.THERE and (sight.size_bytes, sight.modified_at) != self._seen[sight.lfn]:
                others.append(FileResult(sight.lfn, FileOutcome.REFUSED, CHANGED, is_untouched=True))
            else:
                (there if sight.kind == SightKind.THERE else going).append(sight.lfn)
        for lfn, problem in self._by_other_spellings(there, should_stop).items():
            if problem is None:
                going.append(lfn)
            else:
                others.append(problem)
        return going, others

    def _by_other_spellings(self, lfns: Sequence[str], should_stop: ShouldStop) -> dict[str, FileResult | None]:
        """Return for each file why it must stay, None if it may go: the storage has none of its size and time at other spellings.

        Each folder is tried with one of its files. What was not asked any more is absent.
        """
        wanted: dict[str, list[tuple[str, str]]] = {}
        for lfn in lfns:
            for place, name in other_spellings(lfn):
                if place not in wanted or wanted[place][0][0] == lfn:
                    wanted.setdefault(place, []).append((lfn, name))
        names = [name for some in wanted.values() for _, name in some]
        sights: dict[str, Sight] = {}
        for start in range(0, len(names), MAX_FILES_PER_CALL - 1):
            # One that is there goes along: it shows that the storage is, when it says that others are not.
            some = [lfns[0], *names[start : start + MAX_FILES_PER_CALL - 1]]
            sights |= {sight.lfn: sight for sight in self._real.look(some, should_stop=should_stop)}
        said: dict[str, FileResult | None] = {}
        for lfn in lfns:
            tries = [one for place, _ in other_spellings(lfn) for one in wanted[place]]
            if all(name in sights for _, name in tries):
                answers = (self._why_stays(lfn, sights[name], self._seen[other]) for other, name in tries)
                said[lfn] = next((answer for answer in answers if answer is not None), None)
        return said

    @staticmethod
    def _why_stays(lfn: str, sight: Sight, seen: tuple[int, datetime]) -> FileResult | None:
        if sight.kind == SightKind.UNCLEAR:
            message = f"asked for the spelling {sight.lfn}: {sight.message}"
            return FileResult(lfn, FileOutcome.RETRYABLE, message, is_untouched=True)
        is_same = sight.kind == SightKind.THERE and (sight.size_bytes, sight.modified_at) == seen
        return FileResult(lfn, FileOutcome.REFUSED, SPELT, is_untouched=True) if is_same else None


def late_news(
    rows: Sequence[Deletion], verdicts: Mapping[int, Verdict], results: Mapping[int, Sequence[FileResult]], site: SiteStorage
) -> dict[int, Verdict]:
    """Return other verdicts on files of clean-ups: what stays for a reason of its own drops out, what is known by now fails.

    What somebody has injected while it was on its way into the trash must not be counted as deleted: a person brings it back.
    """
    news: dict[int, Verdict] = {}
    for row in rows:
        said = results[row.pk]
        if said and all(result.message in _STAYS for result in said):
            news[row.pk] = replace(
                verdicts[row.pk], state=DeletionState.DROPPED, reason=said[0].message, is_failure=False, says_of_storage=False
            )
    left = [row for row in rows if row.pk not in news and verdicts[row.pk].may_have_deleted]
    for row, reason in _known(left, site):
        text = f"{reason}; it came while the file was being deleted: bring it back from the trash"
        news[row.pk] = replace(verdicts[row.pk], state=DeletionState.FAILED, reason=text)
    return news
