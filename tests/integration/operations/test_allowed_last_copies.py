"""From the words of a rule to the files: a last copy goes if and only if its rule said so by name."""

from __future__ import annotations

import pytest

from inventory.services.audit import Actor
from operations.models import Deletion
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from policies.choices import CycleKind
from policies.models import Partition, Plan, PlanItem
from policies.selectors.plans import plan_digest_matches
from policies.services.cycles import cycle_run
from policies.services.plans import plan_release
from tests.factories.operations import EAGER, NOW, Clock, World, seeded

pytestmark = pytest.mark.django_db

ACTOR = Actor("test")
TEXT = """\
Partition Everything
On site.name == *
When always
Until never
Delete dataset.name == /Gone/*/* allow last copy
Dismiss dataset.name == /Old/*/* allow last copy
Delete dataset.name == /Wanted/*/*
Protect
"""


def test_a_last_copy_goes_only_where_the_rule_that_decided_allows_it_by_name(world: World, clock: Clock) -> None:
    site = world.site("T2_A")
    for dataset in ("/Gone/B/C", "/Old/B/C", "/Wanted/B/C", "/Other/B/C"):
        world.replica(world.block(dataset), site)
    Partition.objects.create(name="Everything", condition="replica.size >= 0")
    cycle_run(text=TEXT, source="test", kind=CycleKind.AUTOMATIC, actor=ACTOR, now=NOW)
    plan = Plan.objects.get()
    marked = dict(PlanItem.objects.values_list("dataset_name", "may_be_last_copy"))
    assert marked == {"/Gone/B/C": True, "/Old/B/C": True, "/Wanted/B/C": False}
    assert plan_digest_matches(plan.pk)
    plan_release(plan_id=plan.pk, actor=ACTOR, reason="looked at it")
    plan_enqueue(plan.pk, now=NOW)
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())
    assert dict(Deletion.objects.values_list("dataset_name", "reason")) == {
        "/Gone/B/C": "",
        "/Old/B/C": "",
        "/Wanted/B/C": "last copy anywhere",
    }
    assert {name.split("/")[2] for name in world.files("T2_A")} == {"Wanted", "Other"}
