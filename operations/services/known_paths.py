"""Which files of the inventory lie at a path below the root of a site: by all logical names that its LFN rules lead there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inventory.selectors.site_files import KnownFile, files_known
from inventory.selectors.sites import SiteStorage
from operations.choices import FindingKind
from operations.models import ScanFinding
from operations.storage import Backwards


def known_at(paths: Sequence[str], names: Backwards, site: SiteStorage) -> dict[str, list[KnownFile]]:
    """Return the files of the inventory, wherever they are said to be, to whose paths logical names lead; others are absent.

    Raises ``BadRules`` where the LFN rules cannot be read backwards.
    """
    leading = names.names_of(paths)
    known = files_known({name for some in leading.values() for name in some}, site.key)
    found = {path: [known[name] for name in some if name in known] for path, some in leading.items()}
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
