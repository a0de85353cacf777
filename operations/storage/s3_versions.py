"""Buckets that keep versions: what was deleted there takes its space until its versions are deleted, too.

A deletion puts a marker over a key. The trash of Dynamo is a prefix in such buckets as in all others (why: docs/storages.md); a
key that was removed for good, or was copied to the trash before, keeps no versions behind its marker.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from operations.storage.answers import StorageError

logger = logging.getLogger(__name__)

_KEYS_PER_REQUEST = 1000


class Versions:
    """The versions of keys in one bucket; *ask* makes a request and raises ``StorageError``."""

    def __init__(self, ask: Callable[..., dict[str, Any]], bucket: str) -> None:
        self._ask = ask
        self._bucket = bucket
        self._are_kept: bool | None = None

    def forget(self, keys: Sequence[str]) -> None:
        """Delete all versions of keys that were deleted, and the markers over them; a bucket without versions is asked once.

        A key that has been written anew since is left alone. What cannot be deleted takes space and does no other harm: it is
        logged, and the bucket's own rules remove it.
        """
        try:
            if not self._kept():
                return
            by_folder: dict[str, set[str]] = defaultdict(set)
            for key in keys:
                by_folder[key.rpartition("/")[0]].add(key)
            for wanted in by_folder.values():
                found = list(self._of(wanted))
                for start in range(0, len(found), _KEYS_PER_REQUEST):
                    self._delete(found[start : start + _KEYS_PER_REQUEST])
        except StorageError as error:
            logger.warning("old versions stay in the bucket %s and take space there: %s", self._bucket, error.answer.message)

    def _kept(self) -> bool:
        if self._are_kept is None:
            self._are_kept = bool(self._ask("get_bucket_versioning", Bucket=self._bucket).get("Status"))
        return self._are_kept

    def _of(self, wanted: set[str]) -> Iterator[dict[str, str]]:
        """Yield key and version of all that lies behind the markers of keys, the marker last: it hides the others till then."""
        behind: dict[str, list[dict[str, str]]] = defaultdict(list)
        markers: dict[str, list[dict[str, str]]] = defaultdict(list)
        hidden: set[str] = set()
        first, last = min(wanted), max(wanted)
        prefix, position = common_start(first, last), dict[str, str]()
        while True:
            page = self._ask("list_object_versions", Bucket=self._bucket, Prefix=prefix, **position)
            for entry in page.get("Versions", ()):
                behind[entry["Key"]].append({"Key": entry["Key"], "VersionId": entry["VersionId"]})
            for entry in page.get("DeleteMarkers", ()):
                markers[entry["Key"]].append({"Key": entry["Key"], "VersionId": entry["VersionId"]})
                if entry.get("IsLatest"):
                    hidden.add(entry["Key"])
            if not page.get("IsTruncated") or page.get("NextKeyMarker", "") > last:
                break
            position = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}
        for key in sorted(wanted & hidden):
            yield from behind[key]
        for key in sorted(wanted & hidden):
            yield from markers[key]

    def _delete(self, versions: Sequence[dict[str, str]]) -> None:
        said = self._ask("delete_objects", Bucket=self._bucket, Delete={"Objects": list(versions)})
        if errors := said.get("Errors"):
            first = errors[0]
            logger.warning(
                "%s old versions stay in the bucket %s and take space there: %s %s",
                len(errors),
                self._bucket,
                first.get("Key", ""),
                first.get("Code", ""),
            )


def common_start(first: str, last: str) -> str:
    """Return what two keys begin with, and so all keys between them."""
    differ = (at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(differ, min(len(first), len(last)))]
