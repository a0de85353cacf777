"""Where the demo keeps what it makes, and the guard that two demos never share it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: Everything that a reset removes; what else lies in the folder is not the demo's.
DATABASE = ("dynamo.sqlite3", "dynamo.sqlite3-shm", "dynamo.sqlite3-wal")
OWN = (*DATABASE, "broker", "demo", "files", "log", "pause_all", "secret_key", "static", "storage")


class DemoError(Exception):
    """The demo cannot start or go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DemoFolders:
    """Paths below ``var``, the demo's folder (``DYNAMO_VAR_DIR``, by default ``var/`` beside the code)."""

    var: Path

    @classmethod
    def from_environment(cls) -> DemoFolders:
        return cls(Path(os.environ.get("DYNAMO_VAR_DIR") or Path(__file__).resolve().parents[2] / "var").resolve())

    @property
    def storage(self) -> Path:
        return self.var / "storage"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def broker(self) -> Path:
        """Return the folder through which web, beat and worker send messages."""
        return self.var / "broker" / "queue"

    @property
    def own(self) -> Path:
        """Return the folder of the demo's own notes: sample document, logins, state."""
        return self.var / "demo"

    @property
    def sample(self) -> Path:
        return self.own / "sample.json"

    @property
    def scanned(self) -> Path:
        """Return the document of the site that is scanned."""
        return self.own / "scanned.json"

    @property
    def policy(self) -> Path:
        return self.own / "MyCache.policy"

    @property
    def logins(self) -> Path:
        return self.own / "logins.json"

    @property
    def _state(self) -> Path:
        return self.own / "state.json"

    def prepare(self) -> None:
        """Make the folders. Raises ``DemoError`` when they cannot be written, or were copied here from elsewhere."""
        for folder in (self.own, self.log, self.broker):
            _demand_writable(folder)
        made_at = self._read().get("var", str(self.var))
        if made_at != str(self.var):
            # Sites name their storage by absolute path: this demo would delete the files of the other one.
            raise DemoError(f"{self.var} is a copy of a demo made at {made_at}. For a demo of its own: make demo-reset")

    def done(self, step: str) -> bool:
        """Tell whether a step of the first start has been completed."""
        return step in self._read().get("steps", [])

    def mark_done(self, step: str) -> None:
        """Note that a step is complete, so that the next start does not repeat it."""
        steps = [*self._read().get("steps", []), step]
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps({"var": str(self.var), "steps": steps}, indent=1) + "\n")
        part.replace(self._state)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other demos out of the folder while this one runs; the lock goes with the process."""
        with (self.own / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DemoError(f"another demo is running in {self.var}. Stop it first (Ctrl-C in its terminal).") from error
            yield

    def reset(self, *, say: Callable[[str], None]) -> int:
        """Remove what the demo has made and return exit code 0. Refuses while a demo runs, or where none has been."""
        if not self.own.is_dir():
            say(f"Nothing to do: there is no demo in {self.var}.")
            return 0
        with self.lock():
            for name in OWN:
                path = self.var / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        say(f"Removed the demo's data from {self.var}; the next start is a first one.")
        return 0

    def _read(self) -> dict[str, object]:
        try:
            return dict(json.loads(self._state.read_text()))
        except FileNotFoundError:
            return {}


def _demand_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x" * 65536)
    except OSError as error:
        advice = "Free space on its disk" if error.errno == errno.ENOSPC else "Make it a folder that you may write to"
        raise DemoError(f"{folder} cannot be written: {error.strerror}. {advice}, then start again.") from error
