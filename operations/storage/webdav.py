"""WebDAV over HTTP (``davs://``, ``dav://``, ``https://``, ``http://``), through httpx; no redirection is ever followed.

A DELETE of a collection takes all that is in it, so whatever is deleted or moved is looked at first, and only what the server
shows to be no collection is touched. Looking costs one PROPFIND per folder where several files lie in it.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path as Folder
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import httpx

from inventory.endpoints import redacted
from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome
from operations.storage.answers import Answer, Kind, MayGo, Path, Seen, StorageError
from operations.storage.credentials import Access, credentials_of
from operations.storage.endpoints import BadEndpoint, http_base
from operations.storage.listing import Entry, in_pages
from operations.storage.markers import MARKER_NAME
from operations.storage.overlapping import overlapping
from operations.storage.remote import RemoteGateway
from operations.storage.webdav_answers import entries_of, responses_in, responses_of, unclear

#: From so many files in a folder on, the folder is listed instead of asking for each.
_LIST_FROM = 4
#: A longer answer is not read; where it was the list of a folder, its files are asked for one by one.
_MAX_ANSWER_BYTES = 64 << 20
#: Clients that one process keeps, with their connections.
_MAX_CLIENTS = 64
_BODY = (
    b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>'
)

_OK, _CREATED, _NO_CONTENT, _MULTI_STATUS = 200, 201, 204, 207
_FORBIDDEN_ANSWERS = frozenset({400, 401, 403, 405, 407, 409, 410, 412, 414, 451, 501})
_RETRYABLE_ANSWERS = frozenset({408, 423, 425, 429})
_NO_PROPFIND = frozenset({405, 501})


def webdav_gateway(site_name: str, endpoint_url: str, rules: tuple[LfnRule, ...], access: Access) -> RemoteGateway:
    """``davs://host[:port]/path`` and its like; the secrets ``token``, ``user`` and ``password``, ``x509_proxy``, ``ca.pem``.

    What is no secret of the site comes from the environment: ``BEARER_TOKEN``, ``X509_USER_PROXY``.
    """
    base = http_base(endpoint_url)
    credentials = credentials_of(site_name, access.secrets)
    token = credentials.get("token") or os.environ.get("BEARER_TOKEN", "")
    is_secret = bool(token or credentials.get("user") or credentials.path("x509_proxy"))
    if is_secret and base.startswith("http://") and not _is_this_host(base):
        raise BadEndpoint(f"endpoint {redacted(endpoint_url)}: credentials are never sent without TLS; use davs:// or https://")
    client = _http_client(
        token=token,
        user=credentials.get("user"),
        password=credentials.get("password"),
        certificate=credentials.path("x509_proxy") or os.environ.get("X509_USER_PROXY", ""),
        ca_file=credentials.path("ca.pem"),
        fingerprint=credentials.fingerprint(),
        timeout_seconds=access.timeout_seconds,
    )
    return RemoteGateway(site_name, redacted(endpoint_url), rules, WebDavStore(base, client))


@lru_cache(maxsize=_MAX_CLIENTS)
def _http_client(
    *, token: str, user: str, password: str, certificate: str, ca_file: str, fingerprint: int, timeout_seconds: float
) -> httpx.Client:
    """Return a client for one set of credentials; with another *fingerprint* of theirs another client, that reads them afresh."""
    context = ssl.create_default_context(cafile=ca_file or None)
    if certificate and Folder(certificate).is_file():
        context.load_cert_chain(certificate)
    return httpx.Client(
        verify=context,
        auth=(user, password) if user else None,
        headers={"Authorization": f"Bearer {token}"} if token else None,
        timeout=timeout_seconds,
        follow_redirects=False,
        trust_env=False,
    )


def _is_this_host(base: str) -> bool:
    return httpx.URL(base).host in {"localhost", "127.0.0.1", "::1"}


class Answered(NamedTuple):
    """An answer that was read to its end."""

    status_code: int
    reason_phrase: str
    headers: httpx.Headers
    content: bytes


class WebDavStore:
    """The primitives at a base address (without a slash at its end), with a client that has time limits and credentials."""

    removes_blindly = True
    can_prune = False
    shows_links = False
    unnameable = ()

    def __init__(self, base: str, http: httpx.Client) -> None:
        self._base = base
        self._http = http
        self._has_propfind = True

    def look(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Seen]:
        """List folders of which several files are asked for, and ask for each of the others."""
        by_folder: dict[Path, list[Path]] = defaultdict(list)
        for path in paths:
            by_folder[path[:-1]].append(path)
        seen: dict[Path, Seen] = {}
        for folder, some in by_folder.items():
            if self._has_propfind and len(some) >= _LIST_FROM and may_go():
                with contextlib.suppress(StorageError, httpx.HTTPError):  # then each is asked for, and says what is wrong
                    seen |= self._listed(folder, some)
        return seen | overlapping([path for path in paths if path not in seen], self._look_at, may_go)

    def entries(self, folder: Path) -> Iterator[list[Entry]]:
        """Read the list of a folder as it comes; it may be as long as it likes.

        Servers may leave out names that begin with a dot (nginx does): the marker of another site's storage is asked for by name.
        """
        if folder and self._look_at((*folder, MARKER_NAME)).kind == Kind.FILE:
            yield [Entry(MARKER_NAME)]
        try:
            request = self._http.stream("PROPFIND", f"{self._url(folder)}/", headers={"Depth": "1"}, content=_BODY)
            with request as answer:
                if answer.status_code != _MULTI_STATUS:
                    raise StorageError(answer_of(answer))
                own = unquote(urlsplit(f"{self._url(folder)}/").path)
                yield from in_pages(entries_of(responses_in(answer.iter_bytes()), own))
        except httpx.HTTPError as error:
            raise StorageError(_of_error(error)) from error

    def remove(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Answer]:
        """Delete what was seen to be files."""
        return overlapping(paths, lambda path: self._change("DELETE", path), may_go)

    def move(self, pairs: Sequence[tuple[Path, Path]], may_go: MayGo) -> dict[Path, Answer]:
        """Move what was seen to be files; the server refuses to overwrite."""
        targets = dict(pairs)

        def move_one(path: Path) -> Answer:
            return self._change("MOVE", path, {"Destination": self._url(targets[path]), "Overwrite": "F"})

        return overlapping(list(targets), move_one, may_go)

    def is_half_moved(self, path: Path, target: Path) -> bool:
        """Say no: a file is renamed or it is not."""
        return False

    def make_folder(self, path: Path) -> bool:
        """Make a collection, and those above it only when they are missing."""
        answer = self._make(path)
        if answer is None:
            return True
        if answer.status_code == 409 and len(path) > 1:  # its parent is missing
            self.make_folder(path[:-1])
            answer = self._make(path)
            if answer is None:
                return True
        if answer.status_code == 405:  # RFC 4918, 9.3.1: something has this address already
            seen = self._look_at(path)
            if seen.kind == Kind.FOLDER:
                return False
        raise StorageError(answer_of(answer))

    def _make(self, path: Path) -> Answered | None:
        try:
            answer = self._asked("MKCOL", f"{self._url(path)}/")
        except httpx.HTTPError as error:
            raise StorageError(_of_error(error)) from error
        return None if answer.status_code in {_CREATED, _OK} else answer

    def remove_folder(self, path: Path) -> bool:
        """Remove a collection of the trash in which nothing is: looked at first, because a DELETE takes what is in it."""
        try:
            listed = self._asked("PROPFIND", f"{self._url(path)}/", headers={"Depth": "1"}, content=_BODY)
            if listed.status_code != _MULTI_STATUS or len(list(responses_of(listed.content))) != 1:
                return False
            answer = self._asked("DELETE", f"{self._url(path)}/")
        except (httpx.HTTPError, StorageError):
            return False
        return answer.status_code in {_OK, _NO_CONTENT}

    def read(self, path: Path) -> Iterator[bytes]:
        """Read the body as it is stored, without undoing any coding."""
        try:
            with self._http.stream("GET", self._url(path), headers={"Accept-Encoding": "identity"}) as answer:
                if answer.status_code != _OK:
                    raise StorageError(answer_of(answer))
                yield from answer.iter_raw()
        except httpx.HTTPError as error:
            raise StorageError(_of_error(error)) from error

    def write(self, path: Path, content: bytes) -> None:
        """Put a small file."""
        try:
            answer = self._asked("PUT", self._url(path), content=content)
        except httpx.HTTPError as error:
            raise StorageError(_of_error(error)) from error
        if answer.status_code not in {_OK, _CREATED, _NO_CONTENT}:
            raise StorageError(answer_of(answer))

    def _url(self, path: Path) -> str:
        return "/".join((self._base, *(quote(part, safe="") for part in path)))

    def _asked(self, method: str, url: str, **options: Any) -> Answered:
        """Make a request and read its answer within its time limit, which the client begins anew with each piece of it.

        Raises ``httpx.ReadTimeout``, ``StorageError`` for an answer without end.
        """
        until = monotonic() + (self._http.timeout.read or 0.0)
        content = bytearray()
        with self._http.stream(method, url, **options) as answer:
            for piece in answer.iter_bytes():
                content += piece
                if monotonic() > until:
                    raise httpx.ReadTimeout("the answer did not come to its end in time", request=answer.request)
                if len(content) > _MAX_ANSWER_BYTES:
                    raise StorageError(Answer(FileOutcome.UNKNOWN, "the answer is too long"))
        return Answered(answer.status_code, answer.reason_phrase, answer.headers, bytes(content))

    def _change(self, method: str, path: Path, headers: dict[str, str] | None = None) -> Answer:
        try:
            return answer_of(self._asked(method, self._url(path), headers=headers))
        except httpx.HTTPError as error:
            return _of_error(error)
        except StorageError as error:
            return error.answer

    def _look_at(self, path: Path) -> Seen:
        try:
            if self._has_propfind:
                answer = self._asked("PROPFIND", self._url(path), headers={"Depth": "0"}, content=_BODY)
                if answer.status_code == _MULTI_STATUS:
                    return next((seen for _, seen in responses_of(answer.content)), unclear("an empty answer to PROPFIND"))
                if answer.status_code in {301, 302, 307, 308} and _is_with_slash(answer, self._url(path)):
                    return Seen(Kind.FOLDER)
                if answer.status_code not in _NO_PROPFIND:
                    return _seen(answer)
                self._has_propfind = False
            return self._look_by_head(path)
        except httpx.HTTPError as error:
            return Seen(Kind.UNCLEAR, problem=_of_error(error))
        except StorageError as error:
            return Seen(Kind.UNCLEAR, problem=error.answer)

    def _look_by_head(self, path: Path) -> Seen:
        """Ask a server that knows no PROPFIND; a collection redirects to its address with a slash, or tells no length."""
        answer = self._asked("HEAD", self._url(path), headers={"Accept-Encoding": "identity"})
        if answer.status_code in {301, 302, 307, 308} and _is_with_slash(answer, self._url(path)):
            return Seen(Kind.FOLDER)
        if answer.status_code == _OK:
            length = answer.headers.get("Content-Length", "")
            return Seen(Kind.FILE, int(length)) if length.isdecimal() else unclear("the server does not say how long it is")
        return _seen(answer)

    def _listed(self, folder: Path, paths: Iterable[Path]) -> dict[Path, Seen]:
        """Return what a folder's list shows; what it does not show is asked for by name. Raises ``StorageError`` without a list.

        A server may spell a name in the list in another way than it understands it.
        """
        answer = self._asked("PROPFIND", f"{self._url(folder)}/", headers={"Depth": "1"}, content=_BODY)
        if answer.status_code != _MULTI_STATUS:
            raise StorageError(answer_of(answer))
        found = {href.rstrip("/").rsplit("/", 1)[-1]: seen for href, seen in responses_of(answer.content)}
        return {path: found[path[-1]] for path in paths if path[-1] in found}


def answer_of(response: httpx.Response | Answered) -> Answer:
    """Translate the status of a request that was to change something."""
    code = response.status_code
    message = f"{code} {response.reason_phrase}".strip()
    if code in {_OK, _CREATED, _NO_CONTENT}:
        return Answer(FileOutcome.DELETED)
    if code == 404:
        return Answer(FileOutcome.ABSENT, message, is_untouched=True)
    if code in _FORBIDDEN_ANSWERS:
        return Answer(FileOutcome.REFUSED, message, is_untouched=True)
    if code in _RETRYABLE_ANSWERS:
        return Answer(FileOutcome.RETRYABLE, message, is_untouched=True)
    if code in range(500, 600):
        return Answer(FileOutcome.RETRYABLE, message)
    # 202: it may happen later; 207: a part of it failed; 3xx: it lies elsewhere. None says that the file is gone.
    return Answer(FileOutcome.UNKNOWN, message)


def _of_error(error: httpx.HTTPError) -> Answer:
    """Translate a request without an answer: it may have reached the server unless the connection could not be made."""
    is_untouched = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    if isinstance(error, httpx.TransportError):
        return Answer(FileOutcome.RETRYABLE, f"{type(error).__name__}: {error}"[:500], is_untouched=is_untouched)
    return Answer(FileOutcome.UNKNOWN, f"{type(error).__name__}: {error}"[:500])


def _seen(answer: Answered) -> Seen:
    problem = answer_of(answer)
    if problem.outcome == FileOutcome.ABSENT:
        return Seen(Kind.MISSING)
    if problem.outcome == FileOutcome.DELETED:
        return unclear(f"answered {problem.message or answer.status_code} to a question")
    return Seen(Kind.UNCLEAR, problem=problem)


def _is_with_slash(answer: Answered, url: str) -> bool:
    return urlsplit(answer.headers.get("Location", "")).path == f"{urlsplit(url).path}/"
