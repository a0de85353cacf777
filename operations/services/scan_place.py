"""Where the storage of a site is, in one value: what was seen in one place says nothing of another."""

from __future__ import annotations

import hashlib

from inventory.selectors.sites import SiteStorage
from operations.models import StorageScan


def place_digest(site: SiteStorage) -> str:
    """Return the SHA-256 of endpoint and LFN rules."""
    return hashlib.sha256(repr((site.endpoint_url, site.lfn_rules)).encode()).hexdigest()


def why_another_place(scan: StorageScan, site: SiteStorage) -> str:
    """Return why what a scan saw says nothing of the storage of its site as it is now, empty if it does."""
    if place_digest(site) == scan.place_digest:
        return ""
    return f"endpoint or LFN rules of {site.name} were changed since scan {scan.pk}: what it saw is of another place; scan again"


def path_digest(path: str) -> str:
    """Return the SHA-256 of a path: what an index can hold of it, however long it is."""
    return hashlib.sha256(path.encode()).hexdigest()
