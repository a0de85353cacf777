"""How S3 is looked at: whatever lies between the keys that are wanted, each is seen as it is, in few requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.storage.answers import Kind, Path

pytest.importorskip("s3fs", reason="needs requirements-storage.txt")

from fsspec.asyn import get_loop

from operations.storage.s3 import S3Store, moment_of

PAGE_SIZE = 10


class Bucket:
    """A server that lists in the order of S3, ten keys a page, and counts what it is asked."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = sorted(keys, key=str.encode)
        self.asked: Counter[str] = Counter()

    @property
    def loop(self) -> Any:
        return get_loop()

    async def _call_s3(self, method: str, **kwargs: Any) -> dict[str, Any]:
        self.asked[method] += 1
        if method == "head_object":
            if kwargs["Key"] not in self.keys:
                raise FileNotFoundError from _missing()
            return self._entry(kwargs["Key"]) | {"ContentLength": 1}
        assert method == "list_objects_v2"
        listed = [key for key in self.keys if key.startswith(kwargs["Prefix"]) and key.encode() > kwargs["StartAfter"].encode()]
        return {"Contents": [self._entry(key) for key in listed[:PAGE_SIZE]], "IsTruncated": len(listed) > PAGE_SIZE}

    def _entry(self, key: str) -> dict[str, Any]:
        return {"Key": key, "Size": 1, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}


def _missing() -> Exception:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - comes with s3fs

    return ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")


def look(bucket: Bucket, paths: Sequence[Path]) -> dict[Path, Kind]:
    files: Any = bucket
    return {path: seen.kind for path, seen in S3Store(files, "bucket", "site", 20).look(paths, lambda: True).items()}


def paths_of(folders: int, files: int) -> list[Path]:
    return [("store", f"b{folder:02}", f"f{file:02}") for folder in range(folders) for file in range(files)]


def key(path: Path) -> str:
    return "/".join(("site", *path))


def test_folders_beside_each_other_are_listed_together():
    paths = paths_of(folders=8, files=5)
    bucket = Bucket([key(path) for path in paths])
    assert look(bucket, paths) == dict.fromkeys(paths, Kind.FILE)
    assert bucket.asked == {"list_objects_v2": 4}


def test_what_lies_between_is_passed_over():
    paths = paths_of(folders=2, files=20)
    between = [f"site/store/b00x/{number:04}" for number in range(1000)]
    bucket = Bucket([*between, *map(key, paths)])
    assert look(bucket, paths) == dict.fromkeys(paths, Kind.FILE)
    assert bucket.asked["list_objects_v2"] <= 6
    assert not bucket.asked["head_object"]


def test_few_among_many_are_asked_for_by_name_and_the_next_folder_is_listed_again():
    paths = paths_of(folders=2, files=10)
    hidden = [f"site/store/b00/f{number:02}-{other:03}" for number in range(10) for other in range(100)]
    bucket = Bucket([*hidden, *map(key, paths)])
    assert look(bucket, paths) == dict.fromkeys(paths, Kind.FILE)
    assert bucket.asked["list_objects_v2"] <= 4
    assert bucket.asked["head_object"] == 9


NAMES = st.text("ab\u00e9\uffff\U0001f600.-", min_size=1, max_size=3)
PATHS = st.lists(st.tuples(st.sampled_from(["x", "x-", "xy"]), NAMES), max_size=40, unique=True)


@given(there=PATHS, wanted=PATHS)
def test_each_is_seen_as_it_is(there: list[Path], wanted: list[Path]):
    bucket = Bucket([key(path) for path in there])
    expected = {path: Kind.FILE if path in there else Kind.MISSING for path in wanted}
    assert look(bucket, [*wanted, *there]) == expected | dict.fromkeys(there, Kind.FILE)


@pytest.mark.parametrize(
    "text", ["2026-11-27T01:02:03.000Z", "2026-11-27T01:02:03Z", "Fri, 27 Nov 2026 01:02:03 GMT", 1795741323]
)
def test_times_are_read_in_every_form_that_servers_use(text: object) -> None:
    assert moment_of(text) == datetime(2026, 11, 27, 1, 2, 3, tzinfo=UTC)
