from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from tests.factories.screens import Screens, make_screens


@pytest.fixture
def screens(db: None, settings: Settings, tmp_path: Path) -> Screens:
    settings.MEDIA_ROOT = tmp_path
    settings.DYNAMO_MAX_SITE_FRACTION = 0.01
    return make_screens()
