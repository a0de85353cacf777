"""Somebody asks, somebody else decides, the pipeline does what was shown and no more, and a report says what became of it."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from guardian.shortcuts import assign_perm

from inventory.choices import InjectionState, SiteStatus
from inventory.models import AuditEvent, BlockReplica, Injection, Site
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from operations.choices import DeletionRequestState
from operations.exceptions import InvalidTransitionError, NotFoundError, OwnRequestError
from operations.models import Deletion, DeletionRequest
from operations.selectors.requests import RequestStanding, request_standing
from operations.services.deletion_requests import (
    deletion_request_approve,
    deletion_request_cancel,
    deletion_request_create,
    deletion_request_reject,
)
from operations.services.queue import plan_enqueue
from operations.services.sweep import sweep
from operations.services.worker import work
from policies.choices import PlanState
from policies.exceptions import PlanAlteredError
from policies.models import Partition, Plan, PlanItem
from policies.services.plans import plan_discard
from tests.factories.operations import EAGER, Clock, World, seeded

pytestmark = pytest.mark.django_db

RAW = "/A/B-1/RAW"
ASKER, DECIDER = Actor("asker"), Actor("decider")
ADDRESS = "/api/v1/operations/deletion-requests/"


@pytest.fixture(autouse=True)
def _fresh_inventory() -> None:
    Injection.objects.create(source="t", started_by="t", state=InjectionState.COMPLETED, finished_at=timezone.now())


@pytest.fixture
def data(world: World) -> World:
    world.two_copies(2)
    return world


def ask(**options: Any) -> DeletionRequest:
    wanted = {"dataset_pattern": RAW, "site_pattern": "T3_B", "actor": ASKER, "reason": "superseded"} | options
    return deletion_request_create(**wanted)


def approve(request: DeletionRequest, actor: Actor = DECIDER, **options: Any) -> DeletionRequest:
    return deletion_request_approve(request_id=request.pk, actor=actor, reason="looked at it", **options)


def carry_out() -> None:
    clock = Clock(timezone.now())
    for plan in Plan.objects.filter(state=PlanState.RELEASED):
        plan_enqueue(plan.pk)
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())
    sweep(now=clock(), limits=EAGER, rng=seeded())


def user(name: str, *rights: str) -> Actor:
    account = User.objects.create_user(name, is_staff=True)
    account.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return Actor.of(User.objects.get(pk=account.pk))


def test_what_is_asked_for_and_approved_goes_and_a_report_says_so(data: World) -> None:
    request = ask()
    assert (request.state, request.plan.num_items, request.plan.size_bytes, request.sites) == ("WAITING", 2, 60, ["T3_B"])
    carry_out()
    assert len(data.files("T3_B")) == 6
    approve(request)
    carry_out()
    request.refresh_from_db()
    assert (request.state, data.files("T3_B")) == (DeletionRequestState.DONE, set())
    assert request.report == {"outcomes": {"deleted": {"block_replicas": 2, "bytes": 60}}, "stayed": {}}
    acts = list(
        AuditEvent.objects.filter(action__startswith="operations.request").values_list("action", flat=True).order_by("pk")
    )
    assert acts == ["operations.request_create", "operations.request_approve", "operations.request_over"]


def test_what_arrives_after_the_request_is_not_in_it(data: World) -> None:
    request = ask(dataset_pattern="/A/*")
    data.two_copies(1, dataset="/A/B-2/RAW")
    approve(request)
    carry_out()
    assert len(data.files("T3_B")) == 3


def test_last_copies_and_locked_data_stay_and_the_report_says_why(world: World) -> None:
    site = world.site("T3_B")
    world.replica(world.block(RAW, "alone"), site)
    world.two_copies(1, dataset="/A/B-2/RAW")
    request = ask(dataset_pattern="/A/*")
    approve(request)
    lock_create(dataset_pattern="/A/B-2/RAW", actor=Actor("late"), now=timezone.now())
    carry_out()
    request.refresh_from_db()
    assert request.report["stayed"] == {"last copy anywhere": 1, "locked": 1}
    assert len(world.files("T3_B")) == 6


def test_a_last_copy_goes_if_it_was_asked_for_and_approved_by_name(world: World) -> None:
    world.replica(world.block(RAW), world.site("T3_B"))
    request = ask(allows_last_copy=True)
    with pytest.raises(InvalidTransitionError, match="asks that last copies go, too: say so by name, or reject it"):
        approve(request)
    approve(request, allow_last_copy=True)
    carry_out()
    assert world.files("T3_B") == set()


def test_last_copies_are_not_approved_where_they_were_not_asked_for(data: World) -> None:
    with pytest.raises(InvalidTransitionError, match="does not ask that last copies go"):
        approve(ask(), allow_last_copy=True)


@pytest.mark.parametrize("is_asked_at_shell", [True, False])
def test_an_account_and_a_shell_of_the_same_login_are_one_person(data: World, is_asked_at_shell: bool) -> None:
    account, shell = user("ann", "add_deletionrequest", "approve_deletion"), Actor("ann (shell)")
    asker, decider = (shell, account) if is_asked_at_shell else (account, shell)
    with pytest.raises(OwnRequestError, match="somebody else must approve it"):
        approve(ask(actor=asker), decider)


def test_nobody_approves_what_they_asked_for(data: World) -> None:
    with pytest.raises(OwnRequestError, match="somebody else must approve it"):
        approve(ask(), ASKER)
    own = user("both", "add_deletionrequest", "approve_deletion")
    with pytest.raises(OwnRequestError):
        approve(ask(actor=own), own)
    root = Actor.of(User.objects.create_superuser("root"))
    with pytest.raises(OwnRequestError):
        approve(ask(actor=root), root)


def test_the_database_does_not_let_anybody_approve_their_own(data: World) -> None:
    request = ask()
    with pytest.raises(IntegrityError, match="request_not_approved_by_requester"), transaction.atomic():
        DeletionRequest.objects.filter(pk=request.pk).update(
            state="APPROVED", decided_at=timezone.now(), decided_by_name=request.requested_by_name
        )


def test_the_right_may_be_that_of_the_sites_concerned_and_is_needed_at_each(data: World) -> None:
    with pytest.raises(PermissionDenied):
        approve(ask(), user("nobody"))
    local = user("local")
    assign_perm("inventory.approve_deletion", local.user, Site.objects.get(name="T3_B"))
    local = Actor.of(User.objects.get(username="local"))
    with pytest.raises(PermissionDenied, match="at T2_A"):
        approve(ask(site_pattern="*"), local)
    assert approve(ask(), local).state == DeletionRequestState.APPROVED


def test_the_right_may_be_that_of_the_partitions_that_hold_what_is_listed(data: World) -> None:
    raw = Partition.objects.create(name="Raw", condition="dataset.name == *RAW")
    other = Partition.objects.create(name="Other", condition="dataset.name == *AOD")
    data.two_copies(1, dataset="/A/B-1/USER")
    responsible = user("responsible").user
    assign_perm("policies.approve_deletion", responsible, other)
    for partition, fits in ((other, False), (raw, True)):
        assign_perm("policies.approve_deletion", responsible, partition)
        actor = Actor.of(User.objects.get(username="responsible"))
        if not fits:
            with pytest.raises(PermissionDenied, match=r"2 of 2 block replicas are in none"):
                approve(ask(), actor)
    with pytest.raises(PermissionDenied, match=r"at T2_A, T3_B.*2 of 6 block replicas are in none"):
        approve(ask(dataset_pattern="/A/B-1/*", site_pattern="*"), actor)
    # Of a site that one answers for, the partition does not matter.
    assign_perm("inventory.approve_deletion", responsible, Site.objects.get(name="T2_A"))
    actor = Actor.of(User.objects.get(username="responsible"))
    assert approve(ask(site_pattern="*"), actor).state == DeletionRequestState.APPROVED


def test_what_has_gone_meanwhile_needs_no_right_but_nothing_left_gives_none(data: World) -> None:
    raw = Partition.objects.create(name="Raw", condition="dataset.name == *RAW")
    responsible = user("responsible").user
    assign_perm("policies.approve_deletion", responsible, raw)
    actor = Actor.of(User.objects.get(username="responsible"))
    request = ask()
    BlockReplica.objects.filter(site__name="T3_B").order_by("pk")[:1].get().delete()
    assert approve(request, actor).state == DeletionRequestState.APPROVED
    second = ask(site_pattern="T2_A")
    BlockReplica.objects.filter(site__name="T2_A").delete()
    with pytest.raises(PermissionDenied, match="2 of 2"):
        approve(second, actor)


def test_asking_takes_a_right_a_reason_and_something_that_is_there(data: World) -> None:
    with pytest.raises(PermissionDenied):
        ask(actor=user("nobody"))
    with pytest.raises(InvalidTransitionError, match="say why"):
        ask(reason=" ")
    with pytest.raises(InvalidTransitionError, match="nothing is at T3_B"):
        ask(dataset_pattern="/No/Such/SET")
    assert not Plan.objects.exists()


def test_rejected_and_cancelled_requests_delete_nothing_and_cannot_be_approved_any_more(data: World) -> None:
    rejected, cancelled = ask(), ask()
    deletion_request_reject(request_id=rejected.pk, actor=DECIDER, reason="needed")
    deletion_request_cancel(request_id=cancelled.pk, actor=ASKER, reason="never mind")
    for request in (rejected, cancelled):
        with pytest.raises(InvalidTransitionError, match="nothing is left to decide"):
            approve(request)
    assert set(Plan.objects.values_list("state", flat=True)) == {PlanState.DISCARDED}
    carry_out()
    assert len(data.files("T3_B")) == 6


def test_a_request_may_be_cancelled_after_its_approval_and_by_its_requester_without_more_rights(data: World) -> None:
    asker = user("user", "add_deletionrequest")
    request = ask(actor=asker)
    approve(request)
    plan_enqueue(request.plan_id)
    with pytest.raises(PermissionDenied):
        deletion_request_cancel(request_id=request.pk, actor=user("other"), reason="no")
    deletion_request_cancel(request_id=request.pk, actor=asker, reason="needed after all")
    carry_out()
    assert len(data.files("T3_B")) == 6
    assert set(Deletion.objects.values_list("state", flat=True)) == {"DROPPED"}


def test_an_altered_list_is_not_approved(data: World) -> None:
    request = ask()
    PlanItem.objects.filter(plan=request.plan_id, sequence=0).update(may_be_last_copy=True)
    with pytest.raises(PlanAlteredError):
        approve(request)
    request.refresh_from_db()
    assert request.state == DeletionRequestState.WAITING


def test_an_old_inventory_holds_what_was_approved_for_a_person(data: World) -> None:
    Injection.objects.update(finished_at=timezone.now() - timedelta(days=30))
    request = approve(ask())
    assert request.plan.__class__.objects.get(pk=request.plan_id).state == PlanState.HELD


def test_there_is_no_such_request(data: World) -> None:
    with pytest.raises(NotFoundError, match="there is no deletion request 99"):
        deletion_request_cancel(request_id=99, actor=DECIDER, reason="x")


# --- what whoever decides is told of how it stands


def test_who_decides_is_told_of_last_copies_and_of_what_is_gone_already(data: World) -> None:
    asked = ask()
    assert request_standing(asked) == RequestStanding(num_there=2, num_last_copies=0, last_copy_bytes=0)
    BlockReplica.objects.filter(site__name="T2_A").order_by("pk")[0].delete()
    assert request_standing(asked) == RequestStanding(2, 1, 30)
    decider = client(user("d", "view_deletionrequest", "approve_deletion"))
    page = decider.get(f"/admin/operations/deletionrequest/{asked.pk}/change/").content.decode()
    assert "Of 1 block replica, <span" in page and "no other complete copy stays now" in page
    one = f"{ADDRESS}{asked.pk}/"
    assert decider.get(one).json()["standing"] == {"num_there": 2, "num_last_copies": 1, "last_copy_bytes": 30}
    BlockReplica.objects.filter(site__name="T3_B").order_by("pk")[0].delete()
    assert request_standing(asked).num_there == 1
    page = decider.get(f"/admin/operations/deletionrequest/{asked.pk}/change/").content.decode()
    assert "1 block replica of 2 is still there" in page
    assert post(decider, f"{one}approve/", {"reason": "fine"})[1]["standing"] is None


def test_copies_that_all_go_together_are_last_and_dead_sites_have_none(data: World) -> None:
    both = ask(site_pattern="*", allows_last_copy=True)
    assert request_standing(both) == RequestStanding(4, 4, 120)
    out = io.StringIO()
    call_command("deletion_requests", stdout=out)
    assert "4 of 4 still there; LAST COPIES: 4, 120 B: they go, too" in out.getvalue()
    decider = client(user("d", "view_deletionrequest", "approve_deletion"))
    asked = decider.get(f"/admin/act/request-approve/{both.pk}/").content.decode()
    assert "even where no other copy is left anywhere (now 4 block replicas, 120 B); what is locked stays." in asked
    here = ask()
    Site.objects.filter(name="T2_A").update(status=SiteStatus.MORGUE)
    assert request_standing(here) == RequestStanding(2, 2, 60)


def test_incomplete_copy_that_is_all_that_is_left_of_its_block_is_a_last_one(data: World) -> None:
    BlockReplica.objects.filter(site__name="T2_A").delete()
    BlockReplica.objects.filter(site__name="T3_B").update(num_files=1, size_bytes=10)
    assert request_standing(ask(allows_last_copy=True)) == RequestStanding(2, 2, 20)


def test_copies_that_another_request_takes_do_not_stay(data: World) -> None:
    here, there = ask(allows_last_copy=True), ask(site_pattern="T2_A", allows_last_copy=True)
    assert request_standing(there).num_last_copies == 0
    approve(here, allow_last_copy=True)
    plan_enqueue(here.plan_id)
    assert request_standing(there) == RequestStanding(2, 2, 60)


def test_standing_of_a_long_list_takes_no_query_for_each_of_it(data: World, django_assert_max_num_queries: Any) -> None:
    data.two_copies(300, dataset="/A/B-2/RAW")
    asked = ask(dataset_pattern="*")
    with django_assert_max_num_queries(4):
        assert request_standing(asked).num_there == 302


def test_request_whose_plan_was_discarded_by_itself_can_be_closed_and_holds_up_no_other(data: World) -> None:
    odd, gone, rejected = ask(), ask(), ask(site_pattern="T2_A")
    for request in (odd, rejected):
        plan_discard(plan_id=request.plan_id, actor=Actor("somebody"), reason="by itself")
    deletion_request_reject(request_id=rejected.pk, actor=DECIDER, reason="not needed")
    BlockReplica.objects.filter(site__name="T3_B").delete()
    sweep(now=timezone.now(), limits=EAGER, rng=seeded())
    states = dict(DeletionRequest.objects.values_list("pk", "state"))
    assert states == {odd.pk: "CANCELLED", gone.pk: "CANCELLED", rejected.pk: "REJECTED"}


def test_request_of_which_nothing_is_left_is_closed_by_the_sweeper_others_wait_on(data: World) -> None:
    gone, there = ask(), ask(site_pattern="T2_A")
    BlockReplica.objects.filter(site__name="T3_B").delete()
    sweep(now=timezone.now(), limits=EAGER, rng=seeded())
    gone.refresh_from_db()
    there.refresh_from_db()
    assert (gone.state, there.state) == (DeletionRequestState.CANCELLED, DeletionRequestState.WAITING)
    assert (gone.decided_by_name, gone.decided_reason) == ("sweeper", "nothing of what it lists is in the inventory any more")
    assert gone.plan.state == PlanState.DISCARDED
    event = AuditEvent.objects.get(action="operations.request_cancel")
    assert (event.actor, event.reason) == ("sweeper", gone.decided_reason)


# --- by API, command and admin


def client(actor: Actor) -> Client:
    made = Client()
    made.force_login(actor.user)
    return made


def post(web: Client, address: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = web.post(address, body, content_type="application/json")
    return answer.status_code, answer.json()


def test_by_api_one_asks_another_decides_and_both_look(data: World) -> None:
    asker, decider = (
        user("a", "add_deletionrequest", "view_deletionrequest"),
        user("d", "view_deletionrequest", "approve_deletion"),
    )
    body = {"dataset_pattern": RAW, "site_pattern": "T3_B", "reason": "superseded"}
    status, made = post(client(asker), ADDRESS, body)
    assert (status, made["state"], made["num_block_replicas"], made["size_bytes"]) == (201, "WAITING", 2, 60)
    one = f"{ADDRESS}{made['id']}/"
    assert post(client(asker), f"{one}approve/", {"reason": "mine"})[0] == 403
    assert post(client(decider), f"{one}approve/", {})[0] == 400
    status, done = post(client(decider), f"{one}approve/", {"reason": "fine"})
    assert (status, done["state"], done["plan_state"]) == (200, "APPROVED", "RELEASED")
    assert post(client(decider), f"{one}reject/", {"reason": "late"})[1]["code"] == "invalid_transition"
    assert client(asker).get(one).json()["decided_by_name"] == "d"
    assert post(client(asker), f"{one}cancel/", {"reason": "never mind"})[1]["state"] == "CANCELLED"
    assert client(asker).get(f"{ADDRESS}?state=WAITING").json()["results"] == []


def test_by_api_nobody_without_the_rights(data: World) -> None:
    body = {"dataset_pattern": RAW, "site_pattern": "T3_B", "reason": "superseded"}
    assert Client().get(ADDRESS).status_code == 401
    assert client(user("other", "view_deletion")).get(ADDRESS).status_code == 403
    assert post(client(user("nobody")), ADDRESS, body)[0] == 403


def test_by_command(data: World) -> None:
    out = io.StringIO()
    call_command("deletion_requests", new=True, dataset=RAW, site="T3_B", reason="superseded", stdout=out)
    assert "2 block replicas, 60 B; it waits until somebody else approves it" in out.getvalue()
    request = DeletionRequest.objects.get()
    with pytest.raises(CommandError, match="somebody else must approve it"):
        call_command("deletion_requests", approve=request.pk, reason="mine")
    call_command("deletion_requests", stdout=out)
    assert "waits for a decision" in out.getvalue()
    assert "2 of 2 still there; each has a complete copy elsewhere that stays" in out.getvalue()
    call_command("deletion_requests", reject=request.pk, reason="needed", stdout=out)
    assert f"deletion request {request.pk} is rejected" in out.getvalue()
    with pytest.raises(CommandError, match="--dataset and --site are needed") as refused:
        call_command("deletion_requests", new=True, reason="x")
    assert refused.value.returncode == 2


def test_in_the_admin_one_asks_by_a_form_and_another_decides_by_an_act(data: World) -> None:
    asker = client(user("a", "add_deletionrequest", "view_deletionrequest"))
    form = {"dataset_pattern": RAW, "block_pattern": "*", "site_pattern": "T9_Z", "reason": "superseded"}
    refused = asker.post("/admin/operations/deletionrequest/add/", form)
    assert b"nothing is at T9_Z" in refused.content
    answer = asker.post("/admin/operations/deletionrequest/add/", form | {"site_pattern": "T3_B"})
    assert answer.status_code == 302
    request = DeletionRequest.objects.get()
    decider = client(user("d", "view_deletionrequest", "approve_deletion"))
    page = decider.get(f"/admin/operations/deletionrequest/{request.pk}/change/").content.decode()
    assert "a asks that 2 block replicas" in page
    assert decider.get("/admin/operations/deletionrequest/").status_code == 200
    asked = decider.get(f"/admin/act/request-approve/{request.pk}/").content.decode()
    assert "Their reason: “superseded”. It is deleted; last copies and what is locked stay." in asked
    assert decider.post(f"/admin/act/request-approve/{request.pk}/", {"reason": "fine"}).status_code == 302
    request.refresh_from_db()
    assert (request.state, request.decided_by_name) == (DeletionRequestState.APPROVED, "d")
