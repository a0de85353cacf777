"""Snapshots kept in files for those who study: one read of the database answers many questions.

A study asks again at every click. The files are Arrow as it lies in memory, shared by all processes of a host, so that a
question costs what the engine costs. Nothing is ever deleted by what they say: a plan is made from a snapshot of its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from django.conf import settings

from policies.evaluation.columns import OPTIONAL_COLUMNS, Snapshot
from policies.facts.registry import UnknownFeed
from policies.services.snapshots import TakenSnapshot, snapshot_take

_FRAMES = ("sites", "groups", "datasets", "blocks", "replicas", "block_replicas")
_KEYS = "block_replica_keys"
_ABOUT = "about.json"
#: Changes when the files of an older Dynamo must not be read any more.
_FORMAT = 1


def snapshot_kept(*, quotas: Mapping[str, int], now: datetime, max_age: timedelta) -> TakenSnapshot:
    """Return a snapshot with every fact that a policy may name, at most *max_age* old; taken anew where none is kept.

    *quotas* as for `snapshot_take`, and so are the errors. ``taken_at`` of the snapshot says how old it is. A *max_age* of zero
    takes a new one.
    """
    folder = _newest()
    kept = None if folder is None else _load(folder)
    if kept is not None and abs(now.timestamp() - kept.snapshot.taken_at) < max_age.total_seconds():
        return _with_quotas(kept, quotas)
    taken = snapshot_take(quotas={}, variables=frozenset(OPTIONAL_COLUMNS), now=now)
    _keep(taken)
    return _with_quotas(taken, quotas)


def snapshots_forget() -> int:
    """Remove all kept snapshots, and return how many there were; who reads one of them at the moment goes on reading it."""
    folders = _folders()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)


def _root() -> Path:
    return Path(settings.VAR_DIR) / "snapshots"


def _folders() -> list[Path]:
    return sorted(path for path in _root().glob("snapshot-*") if path.is_dir())


def _newest() -> Path | None:
    return next(reversed(_folders()), None)


def _keep(taken: TakenSnapshot) -> None:
    """Write the snapshot beside those that are there, then remove these; it is seen when it is whole."""
    _root().mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=_root(), prefix=".part-"))
    try:
        for name in _FRAMES:
            getattr(taken.snapshot, name).write_ipc(part / f"{name}.arrow", compression="uncompressed")
        keys = taken.snapshot.block_replica_keys
        if keys is not None:
            keys.to_frame().write_ipc(part / f"{_KEYS}.arrow", compression="uncompressed")
        about = {
            "format": _FORMAT,
            "taken_at": taken.snapshot.taken_at,
            "unknown": [[feed.name, feed.reason] for feed in taken.unknown],
        }
        (part / _ABOUT).write_text(json.dumps(about))
        older = _folders()
        part.rename(_root() / f"snapshot-{datetime.fromtimestamp(taken.snapshot.taken_at, tz=UTC):%Y%m%dT%H%M%S.%f}")
    except FileExistsError:
        return  # another process has kept one of the same moment
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for folder in older:
        shutil.rmtree(folder, ignore_errors=True)


def _load(folder: Path) -> TakenSnapshot | None:
    """Return the snapshot in *folder*; None where it is of another format, or is being removed."""
    with suppress(FileNotFoundError):
        about: dict[str, Any] = json.loads((folder / _ABOUT).read_text())
        if about["format"] != _FORMAT:
            return None
        frames = {name: pl.read_ipc(folder / f"{name}.arrow") for name in _FRAMES}
        keys = pl.read_ipc(folder / f"{_KEYS}.arrow").to_series()
        snapshot = Snapshot(**frames, taken_at=about["taken_at"], block_replica_keys=keys)
        return TakenSnapshot(snapshot, tuple(UnknownFeed(*feed) for feed in about["unknown"]))
    return None


def _with_quotas(taken: TakenSnapshot, quotas: Mapping[str, int]) -> TakenSnapshot:
    found = taken.snapshot
    quota = pl.Series("quota", [quotas.get(name, 0) for name in found.sites.get_column("name")], dtype=pl.Int64)
    return TakenSnapshot(replace(found, sites=found.sites.with_columns(quota)), taken.unknown)
