from __future__ import annotations

from pathlib import Path

import pytest

from tests.factories.campaigns import Collaboration


@pytest.fixture
def people(db: None, tmp_path: Path) -> Collaboration:
    """A collaboration with six people, two datasets of which copies may go, and nothing proposed yet."""
    return Collaboration(tmp_path)
