"""Sizes of the benchmarks: full when they are asked for by name (``make bench``), small when they run with all other tests."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

#: Datasets of about 24 block replicas each: 1 M block replicas, and a tenth.
FULL = 41_500
SMALL = 1_000


@pytest.fixture(scope="session")
def is_full(request: pytest.FixtureRequest) -> bool:
    """Tell whether the benchmarks were named on the command line: only then figures mean something."""
    asked = [Path(argument.split("::")[0]).resolve() for argument in request.config.args]
    return any(path == HERE or HERE in path.parents for path in asked)


@pytest.fixture(scope="session")
def num_datasets(is_full: bool) -> int:
    return FULL if is_full else SMALL
