"""Other spellings of a path: other letters' case, another Unicode normal form, which some storages take for the same file.

Such a storage lists a file by the spelling that it keeps, which need not be the one of the inventory: so what nobody knows by
its exact name may be a known file. Two things are done against that: what lies under another spelling of a file that was not
seen is never cleaned up, and right before a dark file goes the storage is asked whether it answers to other spellings of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from inventory.selectors.replicas import in_chunks
from inventory.selectors.sites import SiteStorage
from operations.choices import FindingKind
from operations.models import ScanFinding, StorageScan
from operations.services.scan_place import path_digest
from operations.storage import path_problem, place_each


def spelling_digest(path: str) -> str:
    """Return the SHA-256 that all spellings of a path have in common."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
    return path_digest(folded)


def other_spellings(name: str) -> Iterator[tuple[str, str]]:
    """Yield, for each folder of a name and for the name itself, (it, the name with its last component spelt in another way).

    A storage that takes one of two such spellings for the other does so for these, too.

    >>> list(other_spellings("/a/1/b"))
    [('/a', '/A/1/b'), ('/a/1/b', '/a/1/B')]
    """
    parts = name.split("/")
    for index, part in enumerate(parts):
        swapped = "".join(other if len(other := char.swapcase()) == 1 else char for char in part)
        for other in {swapped, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part)} - {part}:
            spelt = [*parts[:index], other, *parts[index + 1 :]]
            if not path_problem(spelt[1:]):
                yield "/".join(parts[: index + 1]), "/".join(spelt)


def spelt_otherwise(scan: StorageScan, lfns: Iterable[str], site: SiteStorage) -> dict[str, list[ScanFinding]]:
    """Return the dark files of a scan at other spellings of the paths to which logical names lead, by these names."""
    dark = ScanFinding.objects.filter(scan=scan, kind=FindingKind.DARK)
    if not dark.exists():
        return {}
    placed = place_each(list(lfns), site.lfn_rules)
    digests = {p.lfn: spelling_digest("/".join(p.parts)) for p in placed if not p.problem}
    found: dict[str, list[ScanFinding]] = {}
    for some in in_chunks(sorted(set(digests.values()))):
        for finding in dark.filter(spelling_digest__in=some).order_by("pk"):
            found.setdefault(finding.spelling_digest, []).append(finding)
    return {lfn: found[digest] for lfn, digest in digests.items() if digest in found}


def doubted(ways: dict[str, list[ScanFinding]]) -> Sequence[ScanFinding]:
    """Return these findings, saying why they can never be cleaned up."""
    said = {}
    for lfn, findings in ways.items():
        for finding in findings:
            finding.problem = (
                f"the inventory has {lfn[:300]} at this site, which is this name in another spelling: it may be this file; "
                "rename it there, or correct the inventory"
            )
            said[finding.pk] = finding
    return list(said.values())
