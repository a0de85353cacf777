from __future__ import annotations

from pathlib import Path

import pytest

from tests.factories.operations import Clock, World
from tests.factories.trash import Bin


@pytest.fixture
def world(tmp_path: Path, db: None) -> World:
    return World(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bin(world: World, clock: Clock) -> Bin:
    return Bin(world, clock)
