"""Each belt trips at its limit and not just below it, and all show what they read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from inventory.choices import FactFeedName
from inventory.models import AuditEvent, FactFeed, Injection, Site
from inventory.services.audit import Actor
from operations.exceptions import InvalidTransitionError
from operations.models import Deletion, SiteHealth, SiteLimits, SitePace
from operations.selectors.belts import Belt, belts
from operations.selectors.pausing import pause_file
from operations.selectors.progress import deletions_under_way
from operations.services.claim import claim
from operations.services.pace import site_limits_set
from operations.services.pausing import pause_all
from operations.services.queue import plan_enqueue
from policies.choices import CycleKind, PlanState
from policies.models import Plan, Policy, PolicyVersion
from policies.services.cycles import cycle_run, text_digest
from policies.services.policies import guardrail_define
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.operations import EAGER, NOW, World
from tests.factories.policies import ACTOR, CLOCK, define, store

pytestmark = pytest.mark.django_db

TEXT = "Partition P\nOn site.name == *\nWhen always\nUntil never\nDelete dataset.name in [{}] and site.name == S1\nProtect\n"
NAMES = [f"/A/{number:02}/AOD" for number in range(20)]


def planned(num_deleted: int) -> Plan:
    """Delete so many datasets of 1 TB at S1, where the quota is 20 TB and of the partition 40 TB are there."""
    define()
    datasets = [dataset(name) for name in NAMES]
    replicas = [replica(name, at) for name in NAMES for at in ("S1", "S2")]
    store(document([site("S1"), site("S2")], datasets, replicas, quotas={"S1": 20 * TB, "S2": 40 * TB}))
    text = TEXT.format(" ".join(NAMES[:num_deleted]))
    policy = Policy.objects.create(name="nightly", partition_id=define().pk)
    version = PolicyVersion.objects.create(policy=policy, number=1, text=text, digest=text_digest(text), created_by="t")
    Policy.objects.update(active_version=version)
    cycle_run(text=text, source="nightly", kind=CycleKind.AUTOMATIC, actor=ACTOR, now=CLOCK, policy_version=version)
    return Plan.objects.get()


def shown(name: str, scope: str) -> Belt:
    (found,) = [belt for belt in belts(now=timezone.now()) if (belt.name, belt.scope) == (name, scope)]
    return found


@pytest.mark.parametrize(("num_deleted", "is_tripped"), [(3, False), (4, True)])
def test_15_per_cent_of_a_sites_quota_go_and_more_wait_for_a_person(num_deleted: int, *, is_tripped: bool) -> None:
    plan = planned(num_deleted)
    assert plan.state == (PlanState.HELD if is_tripped else PlanState.RELEASED)
    found = shown("part of a site's quota", "P")
    assert (found.is_tripped, found.limit) == (is_tripped, "at most 15 %")
    assert f"{num_deleted * 5} % at S1" in found.reading
    assert ("release or discard it" in found.advice) == is_tripped
    out = StringIO()
    call_command("deletions", stdout=out)
    assert (f"plan_release {plan.pk} or plan_discard {plan.pk}" in out.getvalue()) == is_tripped
    assert ("20.00% of the quota of S1 would be deleted" in out.getvalue()) == is_tripped


@pytest.mark.parametrize(("num_deleted", "is_tripped"), [(4, False), (5, True)])
def test_10_per_cent_of_a_partition_go_and_more_wait(settings: Any, num_deleted: int, *, is_tripped: bool) -> None:
    settings.DYNAMO_MAX_SITE_FRACTION = 1.0
    plan = planned(num_deleted)
    assert plan.state == (PlanState.HELD if is_tripped else PlanState.RELEASED)
    assert shown("part of the partition", "P").is_tripped == is_tripped


def test_the_override_of_a_partition_is_shown_as_such() -> None:
    partition = define()
    partition.max_site_fraction = 0.5
    partition.save()
    found = shown("part of a site's quota", "P")
    assert (found.limit, found.setting, found.reading) == ("at most 50 %", "of the partition", "no plan yet")


@pytest.mark.parametrize(("hours", "is_tripped"), [(167.9, False), (168.1, True)])
def test_an_inventory_of_168_hours_is_new_enough_and_an_older_one_is_not(hours: float, *, is_tripped: bool) -> None:
    Injection.objects.create(source="t", started_by="t", state="COMPLETED", finished_at=timezone.now() - timedelta(hours=hours))
    found = shown("age of the inventory", "inventory")
    assert (found.is_tripped, bool(found.advice)) == (is_tripped, is_tripped)


@pytest.mark.parametrize(("hours", "is_tripped"), [(47.9, False), (48.1, True)])
def test_a_feed_is_fresh_until_its_limit(hours: float, *, is_tripped: bool) -> None:
    measured_at = timezone.now() - timedelta(hours=hours)
    FactFeed.objects.create(name=FactFeedName.POPULARITY, measured_at=measured_at, max_age=timedelta(hours=48))
    assert shown("age of a feed", "popularity").is_tripped == is_tripped


def test_a_guardrail_shows_what_it_met() -> None:
    guardrail_define(name="old", condition="dataset.name == /A/00/*", actor=ACTOR)
    assert planned(1).state == PlanState.HELD
    found = shown("guardrail old", "every partition")
    assert (found.is_tripped, found.reading) == (True, "1 deletions of the newest plans met it")


# --- at sites


def queued(world: World, num_blocks: int = 1, num_files: int = 3) -> None:
    plan_enqueue(world.plan(world.two_copies(num_blocks, num_files)).pk, now=NOW)


def take(now: Any = NOW, **limits: int) -> int:
    """Return how many block replicas are taken up."""
    found = claim(worker="w", now=now, limits=replace(EAGER, **limits) if limits else EAGER)
    return 0 if found is None else len(found.items)


def test_as_many_batches_as_a_site_takes_and_not_one_more(world: World) -> None:
    queued(world, 6)
    site_limits_set(site_name="T3_B", actor=ACTOR, batches=2)
    assert [take(batch_items=1) for _ in range(3)] == [1, 1, 0]
    site_limits_set(site_name="T3_B", actor=ACTOR, batches=3)
    assert [take(batch_items=1) for _ in range(2)] == [1, 0]


def test_tape_sites_have_limits_of_their_own_and_share_no_batch_with_disk(world: World, settings: Any) -> None:
    settings.DYNAMO_DELETION_TAPE_FILES_PER_SECOND = 0
    disk, tape, keep = world.site("T2_D"), world.site("T1_T", storage_type="MSS"), world.site("T2_K")
    copies = []
    for number in range(3):
        block = world.block("/A/B/C", f"b{number}")
        world.replica(block, keep, with_files=False)
        copies += [world.replica(block, disk), world.replica(block, tape)]
    plan_enqueue(world.plan(copies).pk, now=NOW)
    taken = []
    after = ""
    while found := claim(worker="w", now=NOW, limits=replace(EAGER, batch_items=1), after_site=after):
        after = found.site.name
        taken.append(found.site.name)
    assert sorted(taken) == ["T1_T", "T2_D", "T2_D", "T2_D"]
    settings.DYNAMO_DELETION_BATCHES_PER_TAPE_SITE = 2
    found = claim(worker="w", now=NOW, limits=EAGER)
    assert found is not None
    assert {item.block_replica_key for item in found.items} <= set(tape.block_replicas.values_list("pk", flat=True))


def test_files_a_second_space_the_batches(world: World) -> None:
    queued(world, 4, num_files=30)
    site_limits_set(site_name="T3_B", actor=ACTOR, files_per_second=1.0)
    assert take() == 2  # 60 files, those of a minute
    assert take(NOW + timedelta(seconds=59)) == 0
    (progress,) = [row for row in deletions_under_way(now=NOW + timedelta(seconds=59)) if row.site_name == "T3_B"]
    assert progress.remark == "waits until 00:01:00: at most 1 files a second"
    assert take(NOW + timedelta(seconds=60)) == 2


def test_bytes_a_day_hold_until_the_next_day(world: World) -> None:
    queued(world, 3)  # 30 bytes each
    site_limits_set(site_name="T3_B", actor=ACTOR, bytes_per_day=60)
    assert take() == 2
    assert take(NOW + timedelta(hours=23, minutes=59)) == 0
    assert take(NOW + timedelta(hours=24)) == 1
    assert SitePace.objects.get().bytes_of_day == 30


@pytest.mark.parametrize(("limit", "taken"), [(60, 2), (59, 1)])
def test_a_day_takes_its_bytes_and_not_one_more(world: World, limit: int, taken: int) -> None:
    queued(world, 3)
    site_limits_set(site_name="T3_B", actor=ACTOR, bytes_per_day=limit)
    assert take() == taken


def test_what_is_larger_than_a_day_goes_alone(world: World) -> None:
    queued(world, 2)
    site_limits_set(site_name="T3_B", actor=ACTOR, bytes_per_day=10)
    assert [take(), take()] == [1, 0]
    assert take(NOW + timedelta(days=1)) == 1


def test_limits_of_a_site_take_a_right_and_sense_and_leave_a_record(world: World) -> None:
    world.site("T3_B")
    with pytest.raises(PermissionDenied):
        site_limits_set(site_name="T3_B", actor=Actor.of(User.objects.create_user("nobody")), batches=1)
    with pytest.raises(InvalidTransitionError, match="to stop a site, pause it"):
        site_limits_set(site_name="T3_B", actor=ACTOR, batches=0)
    with pytest.raises(InvalidTransitionError, match="0 \\(none\\) or a positive"):
        site_limits_set(site_name="T3_B", actor=ACTOR, files_per_second=float("nan"))
    site_limits_set(site_name="T3_B", actor=ACTOR, batches=7)
    event = AuditEvent.objects.get(action="operations.site_limits_set")
    assert (event.subject, event.details["after"]["batches"]) == ("site T3_B", 7)


@pytest.mark.parametrize(("in_row", "part"), [(99, 0.99), (0, 0.0)])
def test_the_brake_shows_how_near_it_is(world: World, in_row: int, part: float) -> None:
    world.site("T3_B")
    SiteHealth.objects.create(site_name="T3_B", failures_in_row=in_row)
    found = shown("error brake", "T3_B")
    assert (found.is_tripped, found.part) == (False, part)


def test_pause_by_switch_and_by_file(world: World) -> None:
    queued(world)
    assert not shown("pause", "everything").is_tripped
    pause_file().touch()
    try:
        assert (take(), shown("pause", "everything").is_tripped) == (0, True)
    finally:
        pause_file().unlink()
    pause_all(actor=ACTOR, reason="fire")
    assert (take(), shown("pause", "everything").reading) == (0, "paused by test: fire")
    assert Deletion.objects.get().state == "QUEUED"


# --- screens and API


@pytest.fixture
def browser() -> Callable[..., Client]:
    def of(*rights: str) -> Client:
        user = User.objects.create_user("-".join(rights) or "nobody", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client = Client()
        client.force_login(user)
        return client

    return of


def test_the_page_and_the_api_show_all_belts_to_who_may_look(world: World, browser: Callable[..., Client]) -> None:
    queued(world)
    site_limits_set(site_name="T3_B", actor=ACTOR, files_per_second=1.0, bytes_per_day=10**12)
    SitePace.objects.create(site_name="T3_B", next_claim_at=timezone.now() + timedelta(hours=1))
    viewer = browser("view_deletion", "view_plan")
    page = viewer.get("/admin/belts/").content.decode()
    for text in ("error brake", "part of a site&#x27;s quota", "last copy", "age of the inventory", "at most 1 files a second"):
        assert text in page
    rows = viewer.get("/api/v1/operations/belts/").json()
    assert {row["name"] for row in rows} >= {"pause", "last copy", "error brake", "bytes a day", "part of the partition"}
    assert browser("view_deletion").get("/admin/belts/").status_code == 403
    assert browser().get("/api/v1/operations/belts/").status_code == 403


def test_pages_show_the_belts_of_what_they_are_of(browser: Callable[..., Client]) -> None:
    plan = planned(4)
    guardrail_define(name="never-a-tape", condition="site.storage_type == MSS", partition_name=None, actor=ACTOR)
    Injection.objects.update(finished_at=timezone.now() - timedelta(days=30))
    rights = ("view_partition", "view_site", "view_cycle", "view_deletion", "view_plan")
    viewer, reader = browser(*rights), browser(*rights[:-1])
    partition, site = plan.partition_id, Site.objects.get(name="S1").pk
    pages = {
        "front": "/admin/",
        "partition": f"/admin/policies/partition/{partition}/change/",
        "site": f"/admin/inventory/site/{site}/change/",
    }
    found = {name: viewer.get(address).content.decode() for name, address in pages.items()}
    assert "part of a site&#x27;s quota" in found["front"]
    assert "the inventory is too old" in found["front"]
    assert {"part of the partition", "guardrail never-a-tape"} <= set(re.findall(r"<td>([^<]*)</td>", found["partition"]))
    assert "error brake" in found["site"]
    assert "20 % at S1" in found["site"]
    for address in pages.values():
        assert 'aria-label="Safety limits"' not in reader.get(address).content.decode()


def test_limits_of_a_site_are_set_in_the_admin(world: World, browser: Callable[..., Client]) -> None:
    key = world.site("T3_B").pk
    editor = browser("change_sitelimits", "view_sitelimits", "view_site")
    form = {"site": key, "batches": "2", "files_per_second": "", "bytes_per_day": ""}
    assert editor.post("/admin/operations/sitelimits/add/", form).status_code == 302
    assert (SiteLimits.objects.get().site.name, SiteLimits.objects.get().batches) == ("T3_B", 2)
    assert editor.get("/admin/operations/sitelimits/").status_code == 200
    assert editor.post(f"/admin/operations/sitelimits/{key}/change/", form | {"batches": "5"}).status_code == 302
    assert SiteLimits.objects.get().batches == 5
    assert Site.objects.get().name == "T3_B"
