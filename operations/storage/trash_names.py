"""Where things lie in the trash of a site: below ``.dynamo-trash``, by day, one flat folder per deletion."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from operations.storage.answers import Path

TRASH_NAME = ".dynamo-trash"
_MAX_NAME_BYTES = 200


def trash_name(lfn: str) -> str:
    """Return the name of a file in the folder of its deletion: a digest that makes it unique, and the end of its logical name.

    >>> trash_name("/store/a.root")
    '2cd88c30f30ca9bd=store=a.root'
    """
    tail = lfn.replace("/", "=").encode()[-_MAX_NAME_BYTES:].decode(errors="ignore")
    return f"{hashlib.sha256(lfn.encode()).hexdigest()[:16]}{tail}"


@lru_cache(maxsize=1024)
def trash_folder(folder: str) -> Path:
    """Return the path of a deletion's folder below the root of its site. Raises ``ValueError`` for one that leads elsewhere."""
    parts = folder.split("/")
    if {"", ".", ".."}.intersection(parts):
        raise ValueError(f"{folder!r} is no folder of a deletion in the trash")
    return (TRASH_NAME, *parts)


def trash_path(folder: str, name: str) -> Path:
    """Return the path of a file in the trash below the root of its site."""
    return (*trash_folder(folder), name)
