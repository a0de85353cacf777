"""Which files of the inventory lie at a path below the root of a site: by all logical names that lead there.

Names lead there by the LFN rules of the site, and by those of any other site whose storage may be the same: with other rules,
below another root, by another protocol. A file that the inventory knows by one of those must never be taken for dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from inventory.selectors.site_files import KnownFile, files_known
from inventory.selectors.sites import SiteStorage, site_storage
from operations.choices import FindingKind
from operations.models import ScanFinding
from operations.storage import Backwards, backwards
from operations.storage.roots import SharedRoot, shared_root


@dataclass(frozen=True, slots=True)
class PathNames:
    """All ways from paths below the root of a site to logical names; ``others``: of sites whose storage may be the same.

    ``problem``: why that is not certain. Then no path is known to nobody, and no scan of the site may go on.
    """

    site: SiteStorage
    own: Backwards
    others: tuple[tuple[SharedRoot, Backwards], ...] = ()
    problem: str = ""


def path_names(site: SiteStorage) -> PathNames:
    """Return the ways from the paths of a site to logical names, by the rules of all sites as they are now. One query."""
    own = backwards(site.lfn_rules)
    problem = own.problem
    others: dict[tuple[SharedRoot, Backwards], None] = {}
    for other in site_storage().values():
        root = shared_root(site.endpoint_url, other.endpoint_url) if other.key != site.key else None
        if root is None:
            continue
        names = backwards(other.lfn_rules)
        if names.problem:
            problem = problem or f"its storage may be that of {other.name}, too, whose {names.problem}"
        elif root != SharedRoot() or names != own:
            others[root, names] = None
    return PathNames(site, own, tuple(others), problem)


def known_at(paths: Sequence[str], names: PathNames) -> dict[str, list[KnownFile]]:
    """Return the files of the inventory, wherever they are said to be, to whose paths logical names lead; others are absent.

    What only the rules of another site lead to is never said to be at this one.
    Raises ``BadRules`` where the LFN rules of the site cannot be read backwards.
    """
    found = _known(paths, names.own.names_of(paths), names.site)
    for root, backward in names.others:
        there = {path: root.path_there(path) for path in paths if path not in found}
        leading = backward.names_of([path for path in there.values() if path is not None])
        ways = {path: leading[other] for path, other in there.items() if other is not None}
        elsewhere = _known(list(ways), ways, names.site)
        found |= {path: [replace(file, block_replica_key=None) for file in files] for path, files in elsewhere.items()}
    return found


def _known(paths: Sequence[str], leading: dict[str, tuple[str, ...]], site: SiteStorage) -> dict[str, list[KnownFile]]:
    known = files_known({name for path in paths for name in leading[path]}, site.key)
    found = {path: [known[name] for name in leading[path] if name in known] for path in paths}
    return {path: files for path, files in found.items() if files}


def file_here(ways: Iterable[KnownFile]) -> KnownFile | None:
    """Return the first of the files known at one path that the inventory says is at the site, None without one."""
    return next((one for one in ways if one.block_replica_key is not None), None)


def mark_unknown_here(finding: ScanFinding, ways: Sequence[KnownFile]) -> None:
    """Let a finding tell of a file that is known elsewhere alone, or to nobody."""
    if ways:
        finding.kind, finding.lfn = FindingKind.STRAY, ways[0].lfn
        finding.dataset_name, finding.block_name = ways[0].dataset, ways[0].block
    else:
        finding.kind, finding.lfn, finding.dataset_name, finding.block_name = FindingKind.DARK, "", "", ""
