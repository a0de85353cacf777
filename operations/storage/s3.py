"""S3 (``s3://``), through s3fs: deletions in bulk, one request for up to 1,000 files.

S3 answers a deletion of what is not there as one of what was, so what is there is looked at first, by lists of keys. A key is
no path and has no folders; no caches of s3fs are used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial
from itertools import zip_longest
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.utils import parse_timestamp
from fsspec.asyn import sync
from s3fs import S3FileSystem

from inventory.endpoints import redacted
from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome
from operations.storage import listing
from operations.storage.answers import Answer, Kind, MayGo, Path, Seen, StorageError
from operations.storage.credentials import Access, credentials_of
from operations.storage.endpoints import s3_root
from operations.storage.listing import Entry
from operations.storage.overlapping import overlapping
from operations.storage.remote import RemoteGateway
from operations.storage.s3_versions import Versions, common_start

_KEYS_PER_REQUEST = 1000
#: From so many keys with a common folder on, the keys are listed instead of asking for each.
_LIST_FROM = 4
#: Clients that one process keeps, with their connections.
_MAX_CLIENTS = 64
_CHUNK_BYTES = 8 << 20
#: Larger files are copied in parts (S3's limit for one request).
_LARGEST_COPY = 5 << 30

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
#: What is asked for lies behind the end of the file.
_BEHIND = frozenset({"416", "InvalidRange"})
_REFUSED = frozenset(
    {
        "400",
        "401",
        "403",
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidObjectState",
        "InvalidToken",
        "KeyTooLongError",
        "MethodNotAllowed",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
    }
)
_RETRYABLE = frozenset(
    {
        "429",
        "500",
        "502",
        "503",
        "504",
        "BadGateway",
        "GatewayTimeout",
        "InternalError",
        "NoSuchBucket",  # a root that is missing says nothing of its files
        "OperationAborted",
        "QuotaExceeded",  # a copy for the trash: there may be room again
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)


def s3_gateway(site_name: str, endpoint_url: str, rules: tuple[LfnRule, ...], access: Access) -> RemoteGateway:
    """``s3://bucket/prefix``; the secrets ``access_key`` and ``secret_key``, or what botocore finds in the environment."""
    root = s3_root(endpoint_url)
    credentials = credentials_of(site_name, access.secrets)
    files = _s3_files(
        root.server,
        credentials.get("access_key"),
        credentials.get("secret_key"),
        credentials.get("session_token"),
        access.timeout_seconds,
    )
    return RemoteGateway(
        site_name, redacted(endpoint_url), rules, S3Store(files, root.bucket, root.prefix, access.timeout_seconds)
    )


@lru_cache(maxsize=_MAX_CLIENTS)
def _s3_files(server: str, access_key: str, secret_key: str, session_token: str, timeout_seconds: float) -> S3FileSystem:
    """Return a file system that tries each request once, within its time limit: the queue repeats, after a while."""
    session = AioSession()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=moment_of)
    files = S3FileSystem(
        session=session,
        endpoint_url=server or None,
        key=access_key or None,
        secret=secret_key or None,
        token=session_token or None,
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            "connect_timeout": timeout_seconds / 2,
            "read_timeout": timeout_seconds,
            "retries": {"total_max_attempts": 1},
        },
    )
    files.retries = 1
    return files


class S3Store:
    """The primitives in a bucket, below a prefix (empty, or without slashes at its ends)."""

    removes_blindly = True
    can_prune = False
    shows_links = True
    #: s3fs and botocore read a version after it.
    unnameable = ("?versionId=",)

    def __init__(self, files: S3FileSystem, bucket: str, prefix: str, timeout_seconds: float) -> None:
        self._files = files
        self._timeout_seconds = timeout_seconds
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._versions = Versions(self._ask, bucket)

    def look(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Seen]:
        """List the keys of folders of which several are asked for, and ask for each of the others by name."""
        by_folder: dict[Path, list[Path]] = defaultdict(list)
        for path in paths:
            by_folder[path[:-1]].append(path)
        listed = [path for some in by_folder.values() if len(some) >= _LIST_FROM for path in some]
        seen = self._listed({self._key(path): path for path in listed}, may_go)
        return seen | overlapping([path for path in paths if path not in seen], self._look_at, may_go)

    def entries(self, folder: Path) -> Iterator[list[Entry]]:
        """Yield the keys below a prefix up to the next slash, and these prefixes as folders, page by page."""
        prefix = f"{self._key(folder)}/" if folder else self._prefix
        position: dict[str, str] = {}
        while True:
            page = self._ask(
                "list_objects_v2", Bucket=self._bucket, Prefix=prefix, Delimiter="/", MaxKeys=listing.PAGE_SIZE, **position
            )
            found = [Entry(one["Prefix"][len(prefix) : -1], is_folder=True) for one in page.get("CommonPrefixes", ())]
            for one in page.get("Contents", ()):
                name = one["Key"][len(prefix) :]
                # A key that is the prefix itself is what consoles make for a folder.
                if name or one["Size"]:
                    found.append(Entry(name, size_bytes=one["Size"], modified_at=one["LastModified"].replace(microsecond=0)))
            yield found
            if not page.get("IsTruncated"):
                return
            position = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Answer]:
        """Remove what was seen to be there; the answer names each key that was removed and each that was not."""
        answers: dict[Path, Answer] = {}
        for start in range(0, len(paths), _KEYS_PER_REQUEST):
            if not may_go():
                break
            answers |= self._removed(paths[start : start + _KEYS_PER_REQUEST])
        gone = [self._key(path) for path, answer in answers.items() if answer.outcome == FileOutcome.DELETED]
        if gone:
            self._versions.forget(gone)
        return answers

    def move(self, pairs: Sequence[tuple[Path, Path]], may_go: MayGo) -> dict[Path, Answer]:
        """Copy each file at the server, compare the sizes of the copies, then remove the originals of those that are whole."""
        targets = dict(pairs)
        before = self.look(list(targets), may_go)
        answers = {path: _unfit(seen) for path, seen in before.items() if seen.kind != Kind.FILE}
        files = [path for path, seen in before.items() if seen.kind == Kind.FILE]
        problems = overlapping(files, lambda path: self._copied(path, targets[path], before[path].size_bytes), may_go)
        answers |= {path: problem for path, problem in problems.items() if problem is not None}
        copied = [path for path, problem in problems.items() if problem is None]
        # To its end, like the removal: a file in both places is one more to be looked into the next time.
        after = self.look([targets[path] for path in copied], lambda: True)
        whole = [path for path in copied if _is_whole(before[path], after.get(targets[path]))]
        wrong = Answer(FileOutcome.UNKNOWN, "the copy is not there or has another size", is_untouched=True)
        return answers | dict.fromkeys(set(copied) - set(whole), wrong) | self.remove(whole, lambda: True)

    def is_half_moved(self, path: Path, target: Path) -> bool:
        """Compare sizes, then what the server calls their content, or all of it: parts give one content several such names."""
        one, other = (self._ask("head_object", Bucket=self._bucket, Key=self._key(some)) for some in (path, target))
        if one["ContentLength"] != other["ContentLength"]:
            return False
        if one.get("ETag") and one.get("ETag") == other.get("ETag"):
            return True
        return all(a == b for a, b in zip_longest(self.read(path), self.read(target)))

    def make_folder(self, path: Path) -> bool:
        """Tell whether no key lies below the folder yet: there are no folders to make."""
        found = self._ask("list_objects_v2", Bucket=self._bucket, Prefix=f"{self._key(path)}/", MaxKeys=1)
        return not found.get("Contents")

    def remove_folder(self, path: Path) -> bool:
        """Say that there is none."""
        return True

    def read(self, path: Path) -> Iterator[bytes]:
        """Read in pieces of 8 MB, each by a request of its own with its time limit.

        Its size is not asked for first: the answer to that never says why it is refused, not even that a clock is wrong.
        """
        start, num_read = 0, _CHUNK_BYTES
        while num_read == _CHUNK_BYTES:
            try:
                piece = self._try(self._files.cat_file, self._address(path), start=start, end=start + _CHUNK_BYTES)
            except StorageError as error:
                if _said(error.__cause__)[0] in _BEHIND:
                    return
                raise
            yield piece
            num_read = len(piece)
            start += num_read

    def write(self, path: Path, content: bytes) -> None:
        """Write a small file."""
        self._ask("put_object", Bucket=self._bucket, Key=self._key(path), Body=content)

    def _key(self, path: Path) -> str:
        return f"{self._prefix}{'/'.join(path)}"

    def _address(self, path: Path) -> str:
        return f"{self._bucket}/{self._key(path)}"

    def _ask(self, method: str, **kwargs: Any) -> dict[str, Any]:
        """Make a request that takes no longer in all than its time limit, which the client begins anew with each piece of it."""
        call = partial(sync, self._files.loop, self._files._call_s3, timeout=self._timeout_seconds)
        answer: dict[str, Any] = self._try(call, method, **kwargs)
        return answer

    def _try(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except (OSError, BotoCoreError, ClientError) as error:
            raise StorageError(answer_of(error)) from error

    def _listed(self, wanted: Mapping[str, Path], may_go: MayGo) -> dict[Path, Seen]:
        """Return those of *wanted*, by key, that the list of keys shows, page after page, each begun at a key that is wanted.

        A page covers what lies between its first key and its last, in however many folders. Where it covers too few of the
        wanted to be worth it, others lie between them: the rest of that folder is left out.
        """
        seen: dict[Path, Seen] = {}
        keys = sorted(wanted)
        prefix = common_start(keys[0], keys[-1]) if keys else ""
        at, shown = 0, ""
        while at < len(keys) and may_go():
            # The list begins after a key: the one that is wanted, without its last character, comes before it.
            after = max(shown, keys[at][:-1])
            try:
                page = self._ask("list_objects_v2", Bucket=self._bucket, Prefix=prefix, StartAfter=after)
            except StorageError:
                break  # each is asked for by name, and says what is wrong
            for entry in page.get("Contents", ()):
                if path := wanted.get(entry["Key"]):
                    modified_at = entry["LastModified"].replace(microsecond=0)
                    seen[path] = Seen(Kind.FILE, entry["Size"], modified_at=modified_at)
            if not page.get("IsTruncated") or not page.get("Contents"):
                break
            shown = page["Contents"][-1]["Key"]
            covered = bisect_right(keys, shown, lo=at)
            if covered - at < _LIST_FROM:
                folder = keys[at].rpartition("/")[0]
                covered = next((i for i in range(covered, len(keys)) if keys[i].rpartition("/")[0] != folder), len(keys))
            at = covered
        return seen

    def _look_at(self, path: Path) -> Seen:
        try:
            found = self._ask("head_object", Bucket=self._bucket, Key=self._key(path))
            return Seen(Kind.FILE, found["ContentLength"], modified_at=found["LastModified"].replace(microsecond=0))
        except StorageError as error:
            if error.answer.outcome == FileOutcome.ABSENT:
                return Seen(Kind.MISSING)
            return Seen(Kind.UNCLEAR, problem=error.answer)

    def _removed(self, paths: Sequence[Path]) -> dict[Path, Answer]:
        by_key = {self._key(path): path for path in paths}
        try:
            said = self._ask("delete_objects", Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in by_key]})
        except StorageError as error:
            answer = error.answer if error.answer.outcome != FileOutcome.ABSENT else Answer(FileOutcome.UNKNOWN, str(error))
            return dict.fromkeys(paths, answer)
        answers = dict.fromkeys(paths, Answer(FileOutcome.UNKNOWN, "the storage did not answer for this file"))
        for deleted in said.get("Deleted", ()):
            if deleted["Key"] in by_key:
                answers[by_key[deleted["Key"]]] = Answer(FileOutcome.DELETED)
        for failed in said.get("Errors", ()):
            if failed.get("Key") in by_key:
                answers[by_key[failed["Key"]]] = _of_code(failed.get("Code") or "", failed.get("Message") or "")
        return answers

    def _copied(self, path: Path, target: Path, size_bytes: int) -> Answer | None:
        """Copy a file of this size; return why that failed, None if the server says that it is done."""
        source = {"Bucket": self._bucket, "Key": self._key(path)}
        try:
            # Without a limit for all of it: a server that copies a large file sends blanks meanwhile.
            if size_bytes <= _LARGEST_COPY:
                self._try(self._files.call_s3, "copy_object", Bucket=self._bucket, Key=self._key(target), CopySource=source)
            else:
                self._try(self._files.cp_file, self._address(path), self._address(target))
        except StorageError as error:
            return error.answer
        return None


def _unfit(seen: Seen) -> Answer:
    """Return why what was seen is not moved."""
    return seen.problem or Answer(FileOutcome.ABSENT, "already absent", is_untouched=True)


def _is_whole(original: Seen, copy: Seen | None) -> bool:
    return copy is not None and copy.kind == Kind.FILE and copy.size_bytes == original.size_bytes


def moment_of(text: Any) -> datetime:
    """Return the time that an answer gives: with botocore's own reading of times a list of keys takes three times as long."""
    if isinstance(text, str) and text.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    moment: datetime = parse_timestamp(text)
    return moment


def answer_of(error: BaseException) -> Answer:
    """Translate what s3fs or botocore raised; s3fs raises errors of the system, with what the server said as their cause."""
    code, message = _said(error)
    if code:
        return _of_code(code, message)
    cause = _cause(error)
    message = f"{type(cause or error).__name__}: {cause or error}"[:500]
    if isinstance(cause or error, TimeoutError | ConnectionError | HTTPClientError | BotoConnectionError):
        return Answer(FileOutcome.RETRYABLE, message)
    if isinstance(cause, NoCredentialsError | PartialCredentialsError):
        return Answer(FileOutcome.REFUSED, message, is_untouched=True)
    return Answer(FileOutcome.UNKNOWN, message)


def _cause(error: BaseException | None) -> BaseException | None:
    while error is not None and not isinstance(error, ClientError | BotoCoreError):
        error = error.__cause__
    return error


def _said(error: BaseException | None) -> tuple[str, str]:
    """Return code and message of what the server answered, empty where it did not answer; not each server has messages."""
    cause = _cause(error)
    said = cause.response.get("Error", {}) if isinstance(cause, ClientError) else {}
    return str(said.get("Code") or ""), str(said.get("Message") or "")


def _of_code(code: str, message: str) -> Answer:
    text = f"{code} {message}".strip()[:500]
    if code in _MISSING:
        return Answer(FileOutcome.ABSENT, text, is_untouched=True)
    if code in _REFUSED:
        return Answer(FileOutcome.REFUSED, text, is_untouched=True)
    if code in _RETRYABLE:
        return Answer(FileOutcome.RETRYABLE, text)
    return Answer(FileOutcome.UNKNOWN, text)
