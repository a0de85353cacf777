"""What is made of answers that servers of S3 give and the one of the other tests does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from operations.choices import FileOutcome
from operations.storage.answers import Path, StorageError

pytest.importorskip("s3fs", reason="needs requirements-storage.txt")

from botocore.exceptions import ClientError
from fsspec.asyn import get_loop, sync

from operations.storage.s3 import S3Store

HERE, ASIDE = ("store", "a"), (".dynamo-trash", "2026-01-01", "a")


def refusal(code: str, message: str | None = None) -> Exception:
    """Return what s3fs raises, with what the server said as its cause."""
    said: Any = {"Error": {"Code": code, "Message": message}}
    error = PermissionError(code)
    error.__cause__ = ClientError(said, "X")
    return error


class Bucket:
    """A bucket with sizes by key; ``wrong``: keys that are half as large when they are copied; ``refused``: answers by method."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.wrong: set[str] = set()
        self.refused: dict[str, Exception] = {}
        self.seconds = 0.0
        self.asked: Counter[str] = Counter()

    @property
    def loop(self) -> Any:
        return get_loop()

    async def _call_s3(self, method: str, **kwargs: Any) -> dict[str, Any]:
        self.asked[method] += 1
        await asyncio.sleep(self.seconds)
        if method in self.refused:
            raise self.refused[method]
        match method:
            case "head_object":
                if kwargs["Key"] not in self.sizes:
                    raise refusal("404")
                return {"ContentLength": self.sizes[kwargs["Key"]], "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}
            case "copy_object":
                key = kwargs["CopySource"]["Key"]
                self.sizes[kwargs["Key"]] = self.sizes[key] // 2 if key in self.wrong else self.sizes[key]
            case "delete_objects":
                keys = [one["Key"] for one in kwargs["Delete"]["Objects"]]
                for key in keys:
                    self.sizes.pop(key, None)
                return {"Deleted": [{"Key": key} for key in keys]}
        return {}

    def call_s3(self, method: str, **kwargs: Any) -> dict[str, Any]:
        answer: dict[str, Any] = sync(self.loop, self._call_s3, method, **kwargs)
        return answer

    def cp_file(self, one: str, other: str) -> None:
        self.asked["cp_file"] += 1
        self.sizes[other.removeprefix("bucket/")] = self.sizes[one.removeprefix("bucket/")]

    def cat_file(self, address: str, *, start: int, end: int) -> bytes:
        if "cat_file" in self.refused:
            raise self.refused["cat_file"]
        size = self.sizes[address.removeprefix("bucket/")]
        if start >= size:
            raise refusal("InvalidRange")
        return b"x" * (min(end, size) - start)


def store_of(bucket: Bucket, timeout_seconds: float = 20) -> S3Store:
    files: Any = bucket
    return S3Store(files, "bucket", "", timeout_seconds)


def moved(bucket: Bucket, path: Path = HERE) -> tuple[FileOutcome, bool]:
    answer = store_of(bucket).move([(path, ASIDE)], lambda: True)[path]
    return answer.outcome, answer.is_untouched


def test_a_file_is_copied_by_one_request_and_its_copy_is_looked_at() -> None:
    bucket = Bucket({"store/a": 7})
    assert moved(bucket) == (FileOutcome.DELETED, False)
    assert bucket.sizes == {".dynamo-trash/2026-01-01/a": 7}
    assert (bucket.asked["copy_object"], bucket.asked["head_object"], bucket.asked["cp_file"]) == (1, 2, 0)


def test_a_file_beyond_what_one_request_copies_is_copied_in_parts() -> None:
    bucket = Bucket({"store/a": (5 << 30) + 1})
    assert moved(bucket) == (FileOutcome.DELETED, False)
    assert (bucket.asked["copy_object"], bucket.asked["cp_file"]) == (0, 1)


def test_the_original_of_a_copy_that_is_not_whole_stays() -> None:
    bucket = Bucket({"store/a": 8})
    bucket.wrong = {"store/a"}
    assert moved(bucket) == (FileOutcome.UNKNOWN, True)
    assert bucket.sizes["store/a"] == 8
    assert not bucket.asked["delete_objects"]


def test_what_is_not_there_is_not_copied() -> None:
    bucket = Bucket({})
    assert moved(bucket) == (FileOutcome.ABSENT, True)
    assert not bucket.asked["copy_object"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("QuotaExceeded", FileOutcome.RETRYABLE), ("AccessDenied", FileOutcome.REFUSED), ("SlowDown", FileOutcome.RETRYABLE)],
)
def test_a_copy_that_is_refused_leaves_the_original(code: str, outcome: FileOutcome) -> None:
    bucket = Bucket({"store/a": 8})
    bucket.refused["copy_object"] = refusal(code)
    assert moved(bucket)[0] == outcome
    assert bucket.sizes == {"store/a": 8}


def test_a_server_without_words_is_quoted_by_its_code_alone() -> None:
    bucket = Bucket({})
    bucket.refused["put_object"] = refusal("AccessDenied", None)
    with pytest.raises(StorageError, match=r"^AccessDenied$"):
        store_of(bucket).write(HERE, b"x")


def test_an_answer_that_comes_in_pieces_for_too_long_is_a_time_out() -> None:
    bucket = Bucket({"store/a": 1})
    bucket.seconds = 5
    answer = store_of(bucket, timeout_seconds=0.1).remove([HERE], lambda: True)[HERE]
    assert (answer.outcome, answer.is_untouched) == (FileOutcome.RETRYABLE, False)


def test_a_clock_that_is_wrong_is_no_refusal() -> None:
    """Only the answer to a request for content says so: one for the size has no body."""
    bucket = Bucket({".dynamo-storage": 4})
    bucket.refused |= {"cat_file": refusal("RequestTimeTooSkewed"), "head_object": refusal("403", "Forbidden")}
    with pytest.raises(StorageError) as raised:
        list(store_of(bucket).read((".dynamo-storage",)))
    assert raised.value.answer.outcome == FileOutcome.RETRYABLE


@pytest.mark.parametrize("size", [0, 1, 8 << 20, (8 << 20) + 1])
def test_a_file_of_any_size_is_read_to_its_end(size: int) -> None:
    assert sum(map(len, store_of(Bucket({"store/a": size})).read(HERE))) == size
