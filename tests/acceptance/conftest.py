"""One clone of the repository per process of the tests; each test starts from nothing or from a demo that did one cycle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.demo_tree import PERIOD, DemoTree, clone, end, end_all


@pytest.fixture(scope="session")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> DemoTree:
    return clone(tmp_path_factory.mktemp("acceptance") / "dynamo")


@pytest.fixture(scope="session")
def finished_var(cloned: DemoTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the folder that one whole cycle leaves; it is of use at its own place only."""
    cloned.clear()
    done = cloned.make("demo", "ONCE=1", f"PERIOD={PERIOD}")
    assert done.returncode == 0, done.stdout
    return Path(shutil.copytree(cloned.var, tmp_path_factory.mktemp("finished") / "var", symlinks=True))


@pytest.fixture
def tree(cloned: DemoTree) -> Iterator[DemoTree]:
    """Yield the clone as it is before the first start."""
    cloned.clear()
    yield cloned
    end_all(cloned)


@pytest.fixture
def finished(finished_var: Path, tree: DemoTree) -> DemoTree:
    """Return the clone as it is after one whole cycle."""
    shutil.copytree(finished_var, tree.var, symlinks=True)
    return tree


@pytest.fixture
def started(tree: DemoTree) -> Iterator[list[subprocess.Popen[str]]]:
    """Collect the demos that a test starts; whatever of them is left at its end is ended."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        end(process, tree)
