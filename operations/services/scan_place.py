"""Where the storage of a site is, in one value: what was seen in one place says nothing of another."""

from __future__ import annotations

import hashlib

from inventory.selectors.sites import SiteStorage


def place_digest(site: SiteStorage) -> str:
    """Return the SHA-256 of endpoint and LFN rules."""
    return hashlib.sha256(repr((site.endpoint_url, site.lfn_rules)).encode()).hexdigest()


def path_digest(path: str) -> str:
    """Return the SHA-256 of a path: what an index can hold of it, however long it is."""
    return hashlib.sha256(path.encode()).hexdigest()
