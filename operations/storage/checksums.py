"""Whether content is what the inventory says it is."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable

_HASHES = frozenset({"md5", "sha1", "sha256", "sha512"})


def content_problem(
    chunks: Iterable[bytes], *, size_bytes: int, checksum: str, between: Callable[[], object] = lambda: None
) -> str:
    """Return how content differs from the size and checksum (algorithm:value, or empty) that it should have; empty if it fits.

    A checksum of an algorithm that is not known here is a problem too: it was not checked. *between* is called after each chunk:
    a large file takes longer to read than a lease lasts, and whoever asks whether to go on keeps the lease.
    """
    algorithm, _, expected = checksum.lower().partition(":")
    total, rolling = 0, 1 if algorithm == "adler32" else 0
    digest = hashlib.new(algorithm, usedforsecurity=False) if algorithm in _HASHES else None
    if checksum and digest is None and algorithm not in {"adler32", "crc32"}:
        return f"checksum {checksum} is of an algorithm that cannot be checked"
    for chunk in chunks:
        between()
        total += len(chunk)
        if algorithm == "adler32":
            rolling = zlib.adler32(chunk, rolling)
        elif algorithm == "crc32":
            rolling = zlib.crc32(chunk, rolling)
        elif digest is not None:
            digest.update(chunk)
    if total != size_bytes:
        return f"has {total} bytes, should have {size_bytes}"
    found = digest.hexdigest() if digest is not None else f"{rolling:08x}"
    if checksum and found.lstrip("0") != expected.lstrip("0"):
        return f"has the checksum {algorithm}:{found}, should have {checksum.lower()}"
    return ""
