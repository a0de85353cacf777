"""Every endpoint of campaigns without the right, with it, with it on this campaign, and with it on another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.factories.campaigns import Campaigns, make_campaigns
from tests.integration.api.expected import Expected
from tests.integration.api.expected.campaigns import BASE, CAMPAIGN, EXCEPTION, EXPECTED
from tests.integration.api.rights import assert_auditors_only_read, assert_right_is_asked

#: What takes an account, or to see the campaign, and no right more; a list of exceptions is refused one by one.
OF_EVERYBODY = {
    *(CAMPAIGN + act for act in ("comment/", "except/", "effect/", "report/")),
    *(BASE + act for act in ("inbox/read/", "campaigns/decide/")),
    EXCEPTION + "withdraw/",
}

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world(module_db: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaigns]:
    folder = tmp_path_factory.mktemp("campaigns")
    with override_settings(MEDIA_ROOT=folder / "media"):
        yield make_campaigns(folder)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda e: f"{e.method} {e.address}")
def test_an_operation_takes_its_right_in_general_or_on_its_campaign(expected: Expected, world: Campaigns) -> None:
    assert_right_is_asked(expected, world)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda e: f"{e.method} {e.address}")
def test_an_auditor_reads_and_changes_nothing(expected: Expected, world: Campaigns) -> None:
    assert_auditors_only_read(expected, world, of_everybody=OF_EVERYBODY)
