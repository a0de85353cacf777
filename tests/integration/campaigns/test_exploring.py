"""Exploring: what one sees at each click is what the study then freezes, and its pictures add up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from campaigns.services.pointing import Pointing, pointed_text
from inventory.models import BlockReplica, DatasetFacts
from inventory.services.audit import Actor
from policies.exceptions import PolicyInvalidError
from policies.models import Cycle, Plan, PlanItem
from policies.services.exploring import Exploration, list_explore
from policies.services.kept_snapshots import snapshots_forget
from policies.services.policies import guardrail_define
from tests.factories.campaigns import Collaboration

pytestmark = pytest.mark.django_db
AGE = timedelta(minutes=15)


@pytest.fixture(autouse=True)
def _folder(settings: object, tmp_path: Path) -> Iterator[None]:
    settings.VAR_DIR = tmp_path / "var"
    yield
    snapshots_forget()


@pytest.fixture
def people(tmp_path: Path) -> Collaboration:
    return Collaboration(tmp_path, now=timezone.now())


def text(site_patterns: str = "T3_*", **picked: object) -> str:
    return pointed_text(Pointing(**picked), partition_name="Everything", site_patterns=site_patterns)


def explore(text: str, max_age: timedelta = AGE) -> Exploration:
    return list_explore(text=text, partition_name="Everything", now=timezone.now(), max_age=max_age)


def test_what_is_explored_is_what_the_study_freezes(people: Collaboration) -> None:
    wanted = text(tier=("AOD",))
    found = explore(wanted)
    revision = people.study(people.draft(text=wanted))
    frozen = PlanItem.objects.filter(plan_id=revision.plan_id).order_by("sequence")
    assert list(frozen.values_list("block_replica_key", flat=True)) == found.studied.items["key"].to_list()
    assert (revision.num_items, revision.size_bytes) == (3, found.studied.items["size"].sum())


def test_exploring_records_nothing(people: Collaboration) -> None:
    explore(text(tier=("AOD", "RAW")))
    assert not Cycle.objects.exists()
    assert not Plan.objects.exists()


def test_every_picture_adds_up_to_all_that_the_text_looks_at_and_to_what_goes(people: Collaboration) -> None:
    DatasetFacts.objects.create(
        dataset=people.copies[0].block.dataset, num_accesses=3, last_access_at=timezone.now() - timedelta(days=200)
    )
    found = explore(text("*", tier=("AOD",)))
    going = found.studied.items["size"].sum()
    assert 0 < going < found.size_bytes
    for name, facets in found.facets.items():
        assert sum(facet.size_bytes for facet in facets) == found.size_bytes, name
        assert sum(facet.going_bytes for facet in facets) == going, name
    assert sum(quarter.size_bytes for quarter in found.quarters) == found.size_bytes
    assert sum(quarter.going_bytes for quarter in found.quarters) == going
    assert {facet.name: facet.going_bytes for facet in found.facets["tier"]} == {"AOD": going, "RAW": 0}
    assert [quarter.quarters_ago for quarter in found.quarters] == [2, None]


def test_guardrails_keep_what_a_click_would_take(people: Collaboration) -> None:
    before = explore(text(tier=("AOD",))).studied
    guardrail_define(name="aod-stays", condition="dataset.name == */AOD", actor=Actor("test"), comment="AOD stays")
    after = explore(text(tier=("AOD",))).studied
    assert (before.items.height, after.items.height) == (3, 0)
    assert after.against_guardrails["aod-stays"]["items"] == 3


def test_it_answers_from_the_kept_inventory_until_asked_for_a_new_one(people: Collaboration) -> None:
    assert explore(text(tier=("AOD",))).studied.items.height == 3
    BlockReplica.objects.filter(site__name="T3_B").delete()
    assert explore(text(tier=("AOD",))).studied.items.height == 3
    assert explore(text(tier=("AOD",)), max_age=timedelta(0)).studied.items.height == 0


def test_findings_in_the_text_are_told(people: Collaboration) -> None:
    with pytest.raises(PolicyInvalidError) as refused:
        explore(text(conditions="replica.sise > 3"))
    assert "replica.size" in str(refused.value.diagnostics[0].help)
