"""Endpoints of storages, taken apart and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from inventory.endpoints import endpoint_problem, redacted

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_DEFAULT_PORTS = {"root": 1094, "davs": 443, "https": 443, "dav": 80, "http": 80}
_HTTP_SCHEMES = {"davs": "https", "https": "https", "dav": "http", "http": "http"}


#: Kind, host or bucket, components of the path.
RemotePlace = tuple[str, str, tuple[str, ...]]


class BadEndpoint(ValueError):
    """A site's endpoint cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class XRootDRoot:
    """``address``: root://host:port, ``path``: the folder there, which is not the whole export unless it is said by ``//``."""

    address: str
    path: str


@dataclass(frozen=True, slots=True)
class S3Root:
    """``server``: address of a server that is not Amazon's, or empty."""

    bucket: str
    prefix: str
    server: str


def split_endpoint(endpoint_url: str) -> SplitResult:
    """Return the parts of an endpoint. Raises ``BadEndpoint`` for what is no URL, or has a password or steps upwards in it."""
    shown = redacted(endpoint_url)
    if problem := endpoint_problem(endpoint_url):
        raise BadEndpoint(f"endpoint {shown}: {problem}")
    try:
        parts = urlsplit(endpoint_url)
        _ = parts.port
    except ValueError as error:
        raise BadEndpoint(f"endpoint {shown} is no URL: {error}") from error
    if parts.scheme == "file":
        return parts  # what it may name is checked where it is opened
    steps = unquote(parts.path).split("/")
    if ".." in steps or "." in steps or any(not char.isprintable() for char in unquote(parts.path)):
        raise BadEndpoint(f"endpoint {shown} has . or .. or a character that cannot be printed in its path")
    if parts.fragment or (parts.query and parts.scheme != "s3"):
        raise BadEndpoint(f"endpoint {shown} has a query or a fragment; expected scheme://host/path alone")
    return parts


def xrootd_root(endpoint_url: str) -> XRootDRoot:
    """Take apart ``root://host[:port]/path``."""
    parts = split_endpoint(endpoint_url)
    path = "/" + unquote(parts.path).strip("/")
    if not parts.hostname or "?" in path:
        raise BadEndpoint(f"endpoint {redacted(endpoint_url)}: expected root://host[:port]/path")
    return XRootDRoot(f"root://{parts.netloc}", path.rstrip("/"))


def http_base(endpoint_url: str) -> str:
    """Return the address, without a slash at its end, of ``davs://host[:port]/path`` and its like."""
    parts = split_endpoint(endpoint_url)
    if not parts.hostname:
        raise BadEndpoint(f"endpoint {redacted(endpoint_url)}: expected {parts.scheme}://host[:port]/path")
    return f"{_HTTP_SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}"


def s3_root(endpoint_url: str) -> S3Root:
    """Take apart ``s3://bucket/prefix`` and ``s3://bucket/prefix?endpoint=https://server``."""
    parts = split_endpoint(endpoint_url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not _BUCKET.fullmatch(parts.netloc) or any(name != "endpoint" for name, _ in query) or len(query) > 1:
        raise BadEndpoint(
            f"endpoint {redacted(endpoint_url)}: expected s3://bucket/prefix, or with ?endpoint=https://server[:port]"
        )
    server = query[0][1] if query else ""
    if server:
        at = split_endpoint(server)
        if at.scheme not in {"http", "https"} or not at.hostname or at.path.strip("/"):
            raise BadEndpoint(f"endpoint {redacted(endpoint_url)}: the server must be https://host[:port]")
    prefix = unquote(parts.path).strip("/")
    if "//" in prefix or "?" in prefix:
        raise BadEndpoint(f"endpoint {redacted(endpoint_url)} has // or ? in its prefix")
    return S3Root(parts.netloc, prefix, server)


def remote_place(endpoint_url: str) -> RemotePlace | None:
    """Return (kind, host or bucket, path) of an endpoint that is not local, to compare; None for others and for bad ones."""
    try:
        parts = split_endpoint(endpoint_url)
        if parts.scheme == "root":
            root = xrootd_root(endpoint_url)
            return "root", _host(parts), tuple(filter(None, root.path.split("/")))
        if parts.scheme in _HTTP_SCHEMES:
            base = urlsplit(http_base(endpoint_url))
            return "http", _host(base), tuple(filter(None, unquote(base.path).split("/")))
        if parts.scheme == "s3":
            s3 = s3_root(endpoint_url)
            return "s3", f"{_host(urlsplit(s3.server))}/{s3.bucket}", tuple(filter(None, s3.prefix.split("/")))
    except BadEndpoint:
        return None
    return None


def _host(parts: SplitResult) -> str:
    """Return host and port in one way of writing: a port that goes without saying is left out."""
    host = (parts.hostname or "").rstrip(".")
    return host if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"
