"""Folders in which nothing may ever be deleted as a site's storage: the system's, Dynamo's own, and another site's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from operations.storage.endpoints import RemotePlace, remote_place

_SYSTEM_FOLDERS = tuple(
    Path(name) for name in ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")
)


def root_problem(root: Path, *, own: Sequence[Path], forbidden: Sequence[Path]) -> str:
    """Return why *root* must not be a site's storage, empty if it may. Links are followed: what counts is where it leads.

    ``own``: files and folders of Dynamo, which the root must not contain; ``forbidden``: folders in which it must not lie.
    """
    real = root.resolve()
    for system in _SYSTEM_FOLDERS:
        if _contains(system.resolve(), real) or _contains(system, real):
            return f"{real} belongs to the system ({system})"
    for path in own:
        if _contains(real, path.resolve()):
            return f"{real} holds Dynamo's own {path}"
    for path in forbidden:
        if _contains(path.resolve(), real):
            return f"{real} lies in Dynamo's own {path}"
    return ""


def overlapping_site(site_name: str, endpoint_url: str, others: Mapping[str, str]) -> str:
    """Return another site whose folder holds this one's, lies in it or is the same, empty if there is none.

    *others*: endpoints by site. A deletion at one of two such sites could take the only copy at the other. Storages behind
    servers are compared by host and path: one that has two names is found by its marker.
    """
    root, place = local_root(endpoint_url), remote_place(endpoint_url)
    for name, url in sorted(others.items()):
        if name == site_name:
            continue
        other = local_root(url)
        if root is not None and other is not None and (_contains(root, other) or _contains(other, root)):
            return name
        if place is not None and _is_nested(place, remote_place(url)):
            return name
    return ""


def _is_nested(one: RemotePlace, other: RemotePlace | None) -> bool:
    if other is None or one[:2] != other[:2]:
        return False
    depth = min(len(one[2]), len(other[2]))
    return one[2][:depth] == other[2][:depth]


@dataclass(frozen=True, slots=True)
class SharedRoot:
    """How the root of another site lies to one whose files it may show: ``above``: folders between it and the site's root
    (it holds that), ``below``: folders from the site's root down to it (it lies in that). At most one of them is not empty.
    """

    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    def path_there(self, path: str) -> str | None:
        """Return where a path below the site's root is below the other, None where it is not."""
        if not self.below:
            return "/".join((*self.above, path))
        start = "/".join(self.below) + "/"
        return path.removeprefix(start) if path.startswith(start) and path != start else None


def shared_root(endpoint_url: str, other_url: str) -> SharedRoot | None:
    """Return how another site's root lies to this one if they may show the same files, None if they cannot.

    Unlike ``overlapping_site`` it suspects: the same host by another protocol or port, the same bucket by another server. What
    such endpoints have in common nobody can tell by their text; paths that are not nested are taken for the same folder.
    """
    root, other = local_root(endpoint_url), local_root(other_url)
    if root is not None and other is not None:
        return _relation(root.parts, other.parts)
    here, there = remote_place(endpoint_url), remote_place(other_url)
    if here is None or there is None or _store_of(here) != _store_of(there):
        return None
    relation = _relation(here[2], there[2])
    return relation if relation is not None or here[:2] == there[:2] else SharedRoot()


def _store_of(place: RemotePlace) -> tuple[bool, str]:
    """Return the host without its port, or the bucket without its server."""
    kind, host, _ = place
    return (True, host.partition("/")[2]) if kind == "s3" else (False, host.partition(":")[0])


def _relation(root: tuple[str, ...], other: tuple[str, ...]) -> SharedRoot | None:
    if root[: len(other)] == other:
        return SharedRoot(above=root[len(other) :])
    if other[: len(root)] == root:
        return SharedRoot(below=other[len(root) :])
    return None


def local_root(endpoint_url: str) -> Path | None:
    """Return the folder that an endpoint names, links followed; None where it names none."""
    try:
        parts = urlsplit(endpoint_url)
    except ValueError:
        return None
    path = unquote(parts.path)
    if parts.scheme != "file" or not path.startswith("/") or "\0" in path:
        return None
    return Path(path).resolve()


def _contains(folder: Path, path: Path) -> bool:
    return folder == path or folder in path.parents
