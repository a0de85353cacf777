"""Credentials of a site: files in its folder of secrets, read when a worker begins; never in the database, a log or a message."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

from operations.constants import REQUEST_TIMEOUT_SECONDS
from operations.storage.endpoints import BadEndpoint

_MAX_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Access:
    """What this host brings along: the folder with a folder of secrets per site, and how long a request may take, in seconds."""

    secrets: Path | None = None
    timeout_seconds: float = REQUEST_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets of one site by the name of their file; what is not there comes from the environment of the worker."""

    folder: Path | None = None
    values: dict[str, str] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> str:
        """Return the text of a secret without white space at its ends, empty without such a file."""
        return self.values.get(name, "")

    def path(self, name: str) -> str:
        """Return the path of a secret for a library that reads it itself, empty without such a file."""
        return str(self.folder / name) if self.folder is not None and name in self.values else ""

    def fingerprint(self) -> int:
        """Return a number that changes with the secrets within one process."""
        return hash(tuple(sorted(self.values.items())))


def credentials_of(site_name: str, secrets: Path | None) -> Credentials:
    """Read the folder of a site below *secrets*. Raises ``BadEndpoint`` when others than its owner and group may read it."""
    if secrets is None or not secrets.is_dir():
        return Credentials()
    if "/" in site_name or site_name.startswith("."):
        raise BadEndpoint(f"site {site_name!r} cannot have a folder of secrets: its name is not that of a folder")
    folder = secrets / site_name
    if not folder.is_dir():
        return Credentials()
    values = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        status = path.stat()
        if status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise BadEndpoint(f"secret {path.name} of {site_name} may be read or written by everybody: chmod o-rw it")
        if status.st_size <= _MAX_BYTES:
            values[path.name] = path.read_text().strip()
    return Credentials(folder, values)
