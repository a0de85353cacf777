"""What is moved to the trash of a local folder is the file that was looked at, and nothing that took its place meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from operations.choices import FileOutcome
from operations.storage import TrashedFile, local_trash
from operations.storage.local import LocalFolderGateway

WANTED = [TrashedFile(f"/store/{name}", "2026-01-01/120000-17", f"kept-{name}", size_bytes=1) for name in "abc"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    for name in "abc":
        (tmp_path / "store" / name).write_text(name)
    return tmp_path


def swap_before_rename(monkeypatch: pytest.MonkeyPatch, place: Path, *, is_stuck: bool = False) -> None:
    """Put a folder of somebody in the place of a file at the moment when it is moved; *is_stuck*: it cannot be moved back."""
    really = os.rename
    calls: list[str] = []

    def rename(source: str, target: str, **folders: Any) -> None:
        if source == place.name:
            place.unlink()
            place.mkdir()
            (place / "of somebody").write_text("precious")
        calls.append(source)
        if is_stuck and target == place.name:
            raise OSError("busy")
        really(source, target, **folders)

    monkeypatch.setattr(local_trash.os, "rename", rename)


def test_folder_that_takes_the_place_of_a_file_is_put_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swap_before_rename(monkeypatch, root / "store" / "b")
    results = LocalFolderGateway("T2_A", root).trash(WANTED, should_stop=lambda: False)
    assert [result.outcome for result in results] == [FileOutcome.DELETED, FileOutcome.REFUSED, FileOutcome.DELETED]
    assert (results[1].is_untouched, results[1].is_in_trash) == (True, False)
    assert (root / "store" / "b" / "of somebody").read_text() == "precious"
    kept = root / ".dynamo-trash" / WANTED[0].folder
    assert sorted(path.name for path in kept.iterdir()) == ["kept-a", "kept-c"]


def test_folder_that_cannot_be_put_back_is_said_to_be_in_the_trash(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swap_before_rename(monkeypatch, root / "store" / "b", is_stuck=True)
    result = LocalFolderGateway("T2_A", root).trash(WANTED, should_stop=lambda: False)[1]
    assert (result.outcome, result.is_untouched, result.is_in_trash) == (FileOutcome.UNKNOWN, False, False)
    assert "it is not back" in result.message
    assert (root / ".dynamo-trash" / WANTED[1].folder / "kept-b" / "of somebody").read_text() == "precious"
