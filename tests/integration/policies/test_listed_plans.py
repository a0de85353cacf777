"""Plans that no cycle made: frozen from a list, released by those who answer for it, never overtaken by a policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from inventory.models import BlockReplica
from inventory.selectors.replicas import block_replicas_by_key
from inventory.services.audit import Actor
from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.queue import plan_enqueue
from policies.choices import PlanKind, PlanState
from policies.exceptions import InvalidTransitionError, PlanAlteredError, PolicyError
from policies.models import Plan, PlanItem
from policies.selectors.plans import plan_digest_matches
from policies.services.limits import Reading
from policies.services.listed import ListedReplica
from policies.services.plans import plan_discard, plan_freeze_listed, plan_release, plan_release_listed
from tests.factories.operations import World

pytestmark = pytest.mark.django_db

ACTOR = Actor("test")


def listed(replicas: list[BlockReplica], *, may_be_last_copy: bool = False) -> list[ListedReplica]:
    return [
        ListedReplica(
            block_replica_key=key,
            site_name=row.site,
            dataset_name=row.dataset,
            block_name=row.block,
            owner=row.group or "None",
            size_bytes=row.size_bytes,
            num_files=row.num_files,
            rule_text="asked for",
            may_be_last_copy=may_be_last_copy,
        )
        for key, row in block_replicas_by_key([replica.pk for replica in replicas]).items()
    ]


def frozen(replicas: list[BlockReplica], **kwargs: bool) -> Plan:
    return plan_freeze_listed(kind=PlanKind.REQUEST, title="request 1", items=listed(replicas, **kwargs), actor=ACTOR)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_frozen_list_deletes_nothing_until_it_is_released(world: World) -> None:
    copies = world.two_copies(2)
    plan = frozen(copies)
    assert (plan.state, plan.num_items, plan.size_bytes) == (PlanState.FROZEN, 2, 60)
    assert "not released" in plan_enqueue(plan.pk).problem
    assert not Deletion.objects.exists()
    plan_release_listed(plan_id=plan.pk, actor=ACTOR, reason="approved by the data manager")
    assert plan_enqueue(plan.pk).num_queued == 2


def test_a_tripped_reading_holds_the_list_for_a_person(world: World) -> None:
    plan = frozen(world.two_copies(1))
    reading = Reading("guardrail", "RAW", 1.0, 0.0, is_tripped=True, text="1 deletion meets the guardrail RAW")
    plan = plan_release_listed(plan_id=plan.pk, actor=ACTOR, reason="approved", readings=[reading])
    assert (plan.state, plan.tripped) == (PlanState.HELD, [reading.as_json()])
    assert plan_release(plan_id=plan.pk, actor=ACTOR, reason="looked at it").state == PlanState.RELEASED


def test_a_list_is_released_once_and_never_by_the_release_of_held_plans(world: World) -> None:
    plan = frozen(world.two_copies(1))
    with pytest.raises(InvalidTransitionError, match="is frozen: it cannot become released"):
        plan_release(plan_id=plan.pk, actor=ACTOR, reason="by another door")
    with pytest.raises(PolicyError, match="say why"):
        plan_release_listed(plan_id=plan.pk, actor=ACTOR, reason=" ")
    plan_release_listed(plan_id=plan.pk, actor=ACTOR, reason="approved")
    with pytest.raises(InvalidTransitionError, match="is released for deletion"):
        plan_release_listed(plan_id=plan.pk, actor=ACTOR, reason="again")


def test_an_altered_list_is_not_released(world: World) -> None:
    copies = world.two_copies(2)
    plan = frozen(copies)
    PlanItem.objects.filter(plan=plan, sequence=0).update(may_be_last_copy=True)
    assert not plan_digest_matches(plan.pk)
    with pytest.raises(PlanAlteredError, match="altered after it was frozen"):
        plan_release_listed(plan_id=plan.pk, actor=ACTOR, reason="approved")


def test_an_empty_list_is_no_plan() -> None:
    with pytest.raises(PolicyError, match="nothing to delete"):
        plan_freeze_listed(kind=PlanKind.CAMPAIGN, title="campaign 1", items=[], actor=ACTOR)
    assert not Plan.objects.exists()


def test_the_plan_of_a_policy_does_not_take_the_place_of_a_list_nor_a_list_that_of_a_policy(world: World) -> None:
    copies = world.two_copies(4)
    asked = plan_release_listed(plan_id=frozen(copies[:1]).pk, actor=ACTOR, reason="approved")
    plan_enqueue(asked.pk)
    of_cycle = world.plan(copies[1:3])
    plan_enqueue(of_cycle.pk)
    later = plan_release_listed(plan_id=frozen(copies[3:]).pk, actor=ACTOR, reason="approved")
    plan_enqueue(later.pk)
    assert set(Deletion.objects.values_list("plan_id", "state")) == {
        (asked.pk, DeletionState.QUEUED),
        (of_cycle.pk, DeletionState.QUEUED),
        (later.pk, DeletionState.QUEUED),
    }


def test_what_waits_of_a_list_goes_when_it_is_discarded(world: World) -> None:
    plan = frozen(world.two_copies(1))
    assert plan_discard(plan_id=plan.pk, actor=ACTOR, reason="not wanted any more").state == PlanState.DISCARDED


def test_the_database_wants_a_cycle_for_the_plan_of_a_cycle_and_for_no_other(world: World) -> None:
    plan = frozen(world.two_copies(1))
    with pytest.raises(IntegrityError, match="plan_of_a_cycle_names_it"), transaction.atomic():
        Plan.objects.filter(pk=plan.pk).update(kind=PlanKind.CYCLE)
