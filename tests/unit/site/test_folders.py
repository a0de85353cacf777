"""The demo's folder belongs to one demo, at one place, and says so when it cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dynamo_site.demo.folders import DemoError, DemoFolders


def test_steps_are_remembered(tmp_path: Path) -> None:
    folders = DemoFolders(tmp_path / "var")
    folders.prepare()
    assert not folders.done("sample")
    folders.mark_done("sample")
    folders.mark_done("inject")
    assert DemoFolders(tmp_path / "var").done("sample")
    assert not folders.done("policy")
    assert json.loads((tmp_path / "var/demo/state.json").read_text())["steps"] == ["sample", "inject"]


def test_copied_demo_is_refused_because_its_sites_point_at_the_other_storage(tmp_path: Path) -> None:
    folders = DemoFolders(tmp_path / "var")
    folders.prepare()
    folders.mark_done("sample")
    shutil.copytree(tmp_path / "var", tmp_path / "copy")
    with pytest.raises(DemoError, match=r"is a copy of a demo made at .*make demo-reset"):
        DemoFolders(tmp_path / "copy").prepare()


def test_two_demos_never_share_a_folder(tmp_path: Path) -> None:
    folders = DemoFolders(tmp_path / "var")
    folders.prepare()
    with folders.lock(), pytest.raises(DemoError, match="another demo is running"), folders.lock():
        pytest.fail("both demos got the folder")
    with folders.lock():
        pass


@pytest.mark.parametrize("blocked", ["demo", "log", "broker/queue"])
def test_folder_that_cannot_be_written_is_named(tmp_path: Path, blocked: str) -> None:
    path = tmp_path / "var" / blocked
    path.parent.mkdir(parents=True)
    path.write_text("a file in the place of a folder")
    with pytest.raises(DemoError, match=f"{blocked} cannot be written: .*start again"):
        DemoFolders(tmp_path / "var").prepare()
    path.unlink()
    DemoFolders(tmp_path / "var").prepare()


def test_reset_removes_what_the_demo_made_and_nothing_else(tmp_path: Path) -> None:
    folders = DemoFolders(tmp_path)
    folders.prepare()
    folders.mark_done("sample")
    folders.storage.mkdir()
    (tmp_path / "dynamo.sqlite3").write_text("x")
    (tmp_path / "thesis.tex").write_text("not the demo's")
    said: list[str] = []
    assert folders.reset(say=said.append) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert said == [f"Removed the demo's data from {tmp_path}; the next start is a first one."]


def test_reset_follows_no_link_and_touches_no_folder_without_a_demo(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    var = tmp_path / "var"
    var.mkdir()
    (var / "storage").symlink_to(outside)
    said: list[str] = []
    DemoFolders(var).reset(say=said.append)
    assert said == [f"Nothing to do: there is no demo in {var}."]
    assert (var / "storage").is_symlink()
    DemoFolders(var).prepare()
    DemoFolders(var).reset(say=said.append)
    assert not (var / "storage").exists()
    assert (outside / "file").read_text() == "x"


def test_reset_while_a_demo_runs_is_refused(tmp_path: Path) -> None:
    folders = DemoFolders(tmp_path)
    folders.prepare()
    with folders.lock(), pytest.raises(DemoError, match="another demo is running"):
        folders.reset(say=pytest.fail)
    assert folders.own.is_dir()
