"""What somebody could try to make a deletion go that no frozen plan named, or to make inventory and storage disagree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from inventory.choices import SiteStatus
from inventory.models import AuditEvent, BlockReplica, Group, Injection, Site
from inventory.selectors.sites import site_storage
from inventory.services.audit import Actor
from inventory.services.injections import injections_sweep
from inventory.services.locks import lock_create, lock_extend
from inventory.services.under_way import UnderWay
from operations.choices import DeletionState
from operations.exceptions import PlanAlteredError
from operations.models import Deletion, QueuedPlan
from operations.services.act import act
from operations.services.claim import claim
from operations.services.queue import plan_enqueue
from operations.services.record import record
from operations.services.sweep import sweep
from operations.services.worker import real_gateway, work
from policies.choices import PlanState
from policies.models import PlanItem
from policies.selectors.plans import plan_digest_matches
from policies.services.plans import plan_release
from tests.factories.operations import EAGER, NOW, Clock, FaultyGateway, World, seeded

pytestmark = pytest.mark.django_db
ACTOR = Actor(name="attacker")


def dropped_for() -> str:
    row = Deletion.objects.get()
    assert row.state == DeletionState.DROPPED, (row.state, row.reason)
    return row.reason


def run_all(clock: Clock) -> None:
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())


def held_plan(world: World, **kwargs):
    plan = world.plan(**kwargs)
    plan.tripped = [{"text": "too much"}]
    plan.state = PlanState.HELD
    plan.save()
    return plan


def test_an_owner_that_changed_while_the_plan_was_held_makes_the_item_drop_out(world: World, clock: Clock):
    replicas = world.two_copies()
    plan = held_plan(world, replicas=replicas)
    BlockReplica.objects.filter(pk=replicas[0].pk).update(group=Group.objects.create(name="physicists"))
    plan_release(plan_id=plan.pk, actor=ACTOR, reason="looks fine")
    plan_enqueue(plan.pk, now=NOW)
    run_all(clock)
    assert dropped_for() == "owner changed from None to physicists since the plan"
    assert world.files("T3_B") == world.files_in_inventory("T3_B") != set()


def test_a_hand_over_drops_out_when_somebody_else_took_over_meanwhile(world: World):
    replicas = world.two_copies()
    first, second = Group.objects.create(name="first"), Group.objects.create(name="second")
    plan = world.plan([], hand_over=[(replicas[0], "first")])
    BlockReplica.objects.filter(pk=replicas[0].pk).update(group=second)
    outcome = plan_enqueue(plan.pk, now=NOW)
    assert (outcome.num_handed_over, outcome.is_complete) == (0, True)
    assert BlockReplica.objects.get(pk=replicas[0].pk).group == second != first


@pytest.mark.parametrize("owner", ["", "somebody"])
def test_the_owner_of_a_planned_item_is_under_the_digest(world: World, owner: str):
    plan = world.plan(world.two_copies())
    assert plan_digest_matches(plan.pk)
    PlanItem.objects.filter(plan=plan).update(owner=owner)
    assert not plan_digest_matches(plan.pk)


@pytest.mark.parametrize("status", [SiteStatus.MORGUE, SiteStatus.UNKNOWN])
def test_a_copy_at_a_dead_site_does_not_count_as_the_one_that_remains(world: World, clock: Clock, status: SiteStatus):
    replicas = world.two_copies()
    Site.objects.filter(name="T2_A").update(status=status)
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    run_all(clock)
    assert dropped_for() == "last copy anywhere"
    assert len(world.files("T3_B")) == 3


def test_a_copy_in_the_waiting_room_counts(world: World, clock: Clock):
    replicas = world.two_copies()
    Site.objects.filter(name="T2_A").update(status=SiteStatus.WAITROOM)
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    run_all(clock)
    assert Deletion.objects.get().state == DeletionState.DONE


@pytest.mark.parametrize(
    "rules", [[{}], [{"pattern": "a"}], ["a"], {"pattern": "a"}, [None], [{"pattern": 1, "replacement": "b"}], 3]
)
def test_a_site_with_bad_lfn_rules_refuses_only_itself(world: World, clock: Clock, rules: object):
    replicas = world.two_copies()
    other = world.replica(world.block("/C/D-1/RAW"), Site.objects.get(name="T3_B"))
    world.replica(other.block, bad := world.site("T3_BAD"))
    worse = world.replica(replicas[0].block, bad)
    Site.objects.filter(pk=bad.pk).update(lfn_rules=rules)
    plan_enqueue(world.plan([replicas[0], worse]).pk, now=NOW)
    for _ in range(5):
        run_all(clock)
        clock.advance(hours=2)
    states = dict(Deletion.objects.values_list("site_name", "state"))
    assert states == {"T3_B": DeletionState.DONE, "T3_BAD": DeletionState.FAILED}
    assert "LFN rule 1" in Deletion.objects.get(site_name="T3_BAD").reason
    assert len(world.files("T3_BAD")) == 3 + 3
    assert site_storage(["T3_BAD"])["T3_BAD"].lfn_rules[0].pattern == ""


@pytest.mark.parametrize(
    "change",
    [{"endpoint_url": "file:///elsewhere"}, {"status": "MORGUE"}, {"lfn_rules": [{"pattern": "(.*)", "replacement": "x/$1"}]}],
)
def test_a_site_that_is_moved_while_it_is_acted_on_stops_the_call(world: World, clock: Clock, change: dict[str, object]):
    replicas = world.two_copies()
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    taken = claim(worker="w", now=NOW, limits=EAGER)
    assert taken is not None
    asked: list[str] = []

    def move(lfn: str) -> None:
        asked.append(lfn)
        Site.objects.filter(name="T3_B").update(**change)

    acted = act(taken, gateway=FaultyGateway(real_gateway(taken.site), before=move), clock=clock, limits=EAGER)
    record(acted, now=NOW, limits=EAGER, rng=seeded())
    assert len(asked) == 1
    row = Deletion.objects.get()
    assert (row.state, row.files_deleted) == (DeletionState.QUEUED, 1)
    assert BlockReplica.objects.filter(pk=replicas[0].pk).exists()


def test_a_claim_goes_to_where_the_storage_is_now(world: World, monkeypatch: pytest.MonkeyPatch):
    replicas = world.two_copies(num_blocks=2)
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    real = site_storage
    answers = []

    def moved_after_first_look(names=None):
        found = real(names)
        if not answers:
            Site.objects.filter(name="T3_B").update(endpoint_url="file:///elsewhere")
        answers.append(found)
        return found

    monkeypatch.setattr("operations.services.claim.site_storage", moved_after_first_look)
    taken = claim(worker="w", now=NOW, limits=EAGER)
    assert taken is not None
    assert taken.site.endpoint_url == "file:///elsewhere"


def test_a_replica_that_grew_between_plan_and_claim_stays(world: World, clock: Clock):
    replicas = world.two_copies()
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    BlockReplica.objects.filter(pk=replicas[0].pk).update(num_files=4, size_bytes=40)
    run_all(clock)
    assert dropped_for().startswith("changed since the plan")


def test_a_dataset_that_came_again_under_its_name_is_not_the_one_that_was_planned(world: World, clock: Clock):
    replicas = world.two_copies()
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    old = replicas[0]
    site, block = old.site, old.block
    old.delete()
    again = world.replica(block, site)
    run_all(clock)
    assert again.pk != old.pk
    assert dropped_for() == "not in the inventory any more"
    assert world.files("T3_B") == world.files_in_inventory("T3_B") != set()


def test_a_plan_discarded_between_claim_and_act_finishes_what_is_leased_and_no_more(world: World, clock: Clock):
    replicas = world.two_copies(num_blocks=2)
    plan = world.plan(replicas)
    plan_enqueue(plan.pk, now=NOW)
    plan.state = PlanState.DISCARDED
    plan.save()
    run_all(clock)
    assert set(Deletion.objects.values_list("state", flat=True)) == {DeletionState.DROPPED}
    assert len(world.files("T3_B")) == 6


def test_enqueued_plan_that_was_altered_afterwards_is_not_taken_up(world: World):
    plan = world.plan(world.two_copies())
    extra = world.two_copies(dataset="/X/Y-1/RAW")[0]
    PlanItem.objects.filter(plan=plan).update(block_replica_key=extra.pk, dataset_name="/X/Y-1/RAW")
    with pytest.raises(PlanAlteredError):
        plan_enqueue(plan.pk, now=NOW + timedelta(seconds=1))
    assert not Deletion.objects.exists()
    assert QueuedPlan.objects.get().refused_reason


def test_a_lock_on_what_is_being_deleted_says_that_it_comes_too_late_and_holds_the_rest(world: World, clock: Clock):
    replicas = world.two_copies(num_blocks=2)
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    taken = claim(worker="w", now=NOW, limits=replace(EAGER, batch_items=1))
    assert taken is not None
    late: list[UnderWay] = []
    lock = lock_create(dataset_pattern="/A/*", actor=ACTOR, now=NOW, tell_too_late=late.extend)
    assert [str(one) for one in late] == ["/A/B-1/RAW#b00000 at T3_B"]
    details = AuditEvent.objects.get(action="inventory.lock_create").details
    assert (details["too_late"], details["too_late_for"]) == (1, ["/A/B-1/RAW#b00000 at T3_B"])
    run_all(clock)
    assert dict(Deletion.objects.values_list("block_name", "state")) == {"b00000": "ACTING", "b00001": "DROPPED"}
    lock_extend(lock_id=lock.pk, expires_at=None, actor=ACTOR, now=NOW, tell_too_late=(again := []).extend)
    assert again == late


def test_a_lock_elsewhere_is_not_too_late(world: World):
    plan_enqueue(world.plan(world.two_copies()).pk, now=NOW)
    claim(worker="w", now=NOW, limits=EAGER)
    late: list[UnderWay] = []
    lock_create(dataset_pattern="/B/*", actor=ACTOR, now=NOW, tell_too_late=late.extend)
    lock_create(dataset_pattern="/A/*", site_pattern="T2_A", actor=ACTOR, now=NOW, tell_too_late=late.extend)
    assert late == []
    lock_create(dataset_pattern="/A/*", site_pattern="T2_NOWHERE", actor=ACTOR, now=NOW, tell_too_late=late.extend)
    assert len(late) == 1


def test_the_lock_command_says_what_it_comes_too_late_for(world: World):
    plan_enqueue(world.plan(world.two_copies()).pk, now=NOW)
    claim(worker="w", now=NOW, limits=EAGER)
    said = StringIO()
    call_command("lock", "/A/B-1/RAW", stderr=said)
    assert "warning: too late for 1 block replica, being deleted at this moment" in said.getvalue()
    assert "/A/B-1/RAW#b00000 at T3_B" in said.getvalue()


def swept_injection(**kwargs) -> Injection:
    injection = Injection.objects.create(source="a.json", started_by="test")
    Injection.objects.filter(pk=injection.pk).update(**kwargs)
    injection.refresh_from_db()
    return injection


def test_an_injection_that_has_only_begun_is_not_given_up():
    swept_injection(started_at=NOW)
    assert injections_sweep(now=NOW + timedelta(seconds=30)) == []
    assert Injection.objects.get().state == "RUNNING"


def test_the_sweeper_gives_up_the_injection_of_a_dead_process_and_leaves_others_alone():
    dead = swept_injection(started_at=NOW)
    done = swept_injection(started_at=NOW, state="COMPLETED", finished_at=NOW)
    sweep(now=NOW + timedelta(minutes=2), limits=EAGER, rng=seeded())
    dead.refresh_from_db()
    done.refresh_from_db()
    assert (dead.state, done.state) == ("FAILED", "COMPLETED")
    assert "inject it again" in dead.error
    assert AuditEvent.objects.filter(action="inventory.injection_died", subject=f"injection {dead.pk}").count() == 1
    assert injections_sweep(now=NOW + timedelta(minutes=3)) == []


def refused_endpoint(world: World, clock: Clock, endpoint: str) -> str:
    replicas = world.two_copies()
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    Site.objects.filter(name="T3_B").update(endpoint_url=endpoint)
    for _ in range(EAGER.attempts_before_failed):
        run_all(clock)
        clock.advance(hours=2)
    row = Deletion.objects.get()
    assert row.state == DeletionState.FAILED, row.reason
    assert BlockReplica.objects.filter(pk=replicas[0].pk).exists()
    return row.reason


@pytest.mark.parametrize(
    "endpoint", ["file:///etc", "file:///usr/share", "file:///proc/self", "file:///", "file:///etc/../etc", "file:///./"]
)
def test_the_folders_of_the_system_are_no_storage(world: World, clock: Clock, endpoint: str):
    assert refused_endpoint(world, clock, endpoint).startswith("refused")


@pytest.mark.parametrize("what", ["VAR_DIR", "MEDIA_ROOT", "BASE_DIR"])
def test_dynamos_own_folders_are_no_storage(world: World, clock: Clock, what: str):
    assert "Dynamo's own" in refused_endpoint(world, clock, Path(getattr(settings, what)).as_uri())


def test_a_link_to_a_folder_of_the_system_is_no_storage(world: World, clock: Clock):
    link = world.folder / "innocent"
    link.symlink_to("/etc")
    assert "/etc belongs to the system" in refused_endpoint(world, clock, link.as_uri())


@pytest.mark.parametrize("inner", ["", "/store/A", "/../T3_LINK"])
def test_sites_whose_folders_overlap_delete_nothing(world: World, clock: Clock, inner: str):
    world.site("T3_OTHER", endpoint_url=world.root("T3_B").as_uri() + inner)
    (world.folder / "T3_LINK").symlink_to(world.root("T3_B"))
    replicas = world.two_copies()
    if inner == "/../T3_LINK":
        Site.objects.filter(name="T3_OTHER").update(endpoint_url=(world.folder / "T3_LINK").as_uri())
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    for _ in range(EAGER.attempts_before_failed):
        run_all(clock)
        clock.advance(hours=2)
    row = Deletion.objects.get()
    assert (row.state, row.files_deleted) == (DeletionState.FAILED, 0)
    assert "the folders of T3_B and T3_OTHER overlap" in row.reason
    assert len(world.files("T3_B")) == 3
