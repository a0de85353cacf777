"""Quotas: set one by one or together, with the sums of superpartitions kept, and previewed by the real engine before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from guardian.shortcuts import assign_perm
from hypothesis import given
from hypothesis import strategies as st

from inventory.models import AuditEvent
from inventory.selectors.wording import BYTES_OF_UNIT
from inventory.services.audit import Actor
from policies.choices import CycleKind
from policies.exceptions import (
    InvalidTransitionError,
    PartitionInvalidError,
    PartitionUnknownError,
    PolicyError,
    QuotaInvalidError,
)
from policies.language.literals import BYTE_UNITS
from policies.models import Cycle, CycleSite, Partition, Policy, PolicyVersion, Quota
from policies.selectors.quotas import quota_grid, quota_moments
from policies.selectors.sizes import MAX_BYTES, exact_size_text, size_parse
from policies.selectors.wording import preview_sentences
from policies.services.cycles import cycle_run, text_digest
from policies.services.partitions import partition_define, partitions_load
from policies.services.quota_preview import quotas_preview
from policies.services.quotas import QuotaChange, quotas_adjusted, quotas_set
from policies.tasks import carry_out_quota_preview
from tests.factories.api import client_of
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.policies import ACTOR, CLOCK, define, store
from tests.factories.strategies import PARTITIONS, RandomCycle, seeded_cycle

pytestmark = pytest.mark.django_db

TEXT = """\
Partition P
On site.name == *
When site.occupancy > 0.9
Until site.occupancy < 0.5
Protect dataset.name == /Keep/*
Dismiss
Order increasing replica.size
"""
#: Random cycles that are previewed and then run.
NUM_CYCLES = 25


def policy_of(text: str, partition: str = "P", *, limit: float = 0.01) -> Policy:
    """Make a policy with an active version, whatever its text would do."""
    row = Partition.objects.get(name=partition)
    policy = Policy.objects.create(name=partition, partition=row, deletion_per_iteration=limit)
    version = PolicyVersion.objects.create(policy=policy, number=1, text=text, digest=text_digest(text), created_by="test")
    policy.active_version = version
    policy.save()
    return policy


def next_cycle(policy: Policy) -> Cycle:
    """Run the cycle that the schedule would run, at the clock of the preview."""
    version = policy.active_version
    assert version is not None
    result = cycle_run(
        text=version.text,
        source=str(version),
        kind=CycleKind.AUTOMATIC,
        actor=ACTOR,
        now=CLOCK,
        policy_version=version,
        partition_name=policy.partition.name,
        deletion_per_iteration=policy.deletion_per_iteration,
    )
    return result.cycle


@pytest.fixture
def inventory() -> None:
    define("P")
    names = ["/Keep/x/RAW", *(f"/D{number}/x/RAW" for number in range(7))]
    replicas = [replica(name, where) for name in names for where in ("S1", "S2")]
    store(document([site("S1"), site("S2")], [dataset(name) for name in names], replicas))


@pytest.fixture
def parts() -> None:
    define("A", "blockreplica.owner == AnalysisOps")
    define("D", "blockreplica.owner == DataOps")
    define("R", "blockreplica.owner == RelVal")
    partition_define(name="ADR", parts=["A", "D", "R"], actor=ACTOR)
    quotas = {("S1", "A"): 100, ("S1", "D"): 50, ("S1", "R"): 25, ("S2", "A"): 10}
    store(document([site("S1"), site("S2")], [], [], quotas=quotas))


def sizes() -> dict[tuple[str, str], int]:
    return dict(quota_grid().size_bytes)


# -- sizes as text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "TB", "1e3 TB", "-5", "100 XB", "0.0001 kB", "10 EB", "1 2 TB", "nan", "\u0661 TB"])
def test_what_is_no_size_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(QuotaInvalidError, match=r"size|unit|bytes"):
        size_parse(text)


@given(st.integers(-1, MAX_BYTES))
def test_a_size_reads_back_exactly(size_bytes: int) -> None:
    assert size_parse(exact_size_text(size_bytes)) == size_bytes


def test_people_and_policies_write_sizes_in_the_same_units() -> None:
    assert {name: float(factor) for name, factor in BYTES_OF_UNIT.items()} == BYTE_UNITS


def test_sizes_are_read_as_people_write_them() -> None:
    said = {"100TB": 100 * TB, "1.5 PB": 1500 * TB, "12 tib": 12 * 2**40, "1,000": 1000, "unlimited": -1, "0": 0}
    assert {text: size_parse(text) for text in said} == said


# -- setting ---------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("parts")
def test_many_are_set_together_or_none_is() -> None:
    changes = [QuotaChange("A", "S1", 70), QuotaChange("D", "S2", 5), QuotaChange("R", "S1", None), QuotaChange("A", "S2", 10)]
    done = quotas_set(changes=changes, actor=ACTOR, reason="as agreed")
    assert [(one.partition, one.site, one.before_bytes, one.after_bytes) for one in done] == [
        ("A", "S1", 100, 70),
        ("D", "S2", None, 5),
        ("R", "S1", 25, None),
    ]
    after = {("S1", "A"): 70, ("S1", "D"): 50, ("S2", "A"): 10, ("S2", "D"): 5, ("S1", "ADR"): 120, ("S2", "ADR"): 15}
    assert sizes() == after
    event = AuditEvent.objects.get(action="policies.quotas_set")
    assert (event.reason, event.details["changes"][2]) == ("as agreed", ["R", "S1", 25, None])
    with pytest.raises(PartitionInvalidError, match="no site 'S9'"):
        quotas_set(changes=[QuotaChange("A", "S1", 1), QuotaChange("A", "S9", 1)], actor=ACTOR)
    assert sizes() == after
    assert quotas_set(changes=[QuotaChange("A", "S1", 70)], actor=ACTOR) == []
    assert AuditEvent.objects.filter(action__startswith="policies.quota").count() == 1


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(
    ("changes", "error", "problem"),
    [
        ([QuotaChange("ADR", "S1", 1)], PartitionInvalidError, "sum of theirs"),
        ([QuotaChange("A", "S1", -1)], PartitionInvalidError, "part of ADR"),
        ([QuotaChange("X", "S1", 1)], PartitionUnknownError, "no partition 'X'"),
        ([QuotaChange("A", "S1", 1), QuotaChange("A", "S1", 2)], QuotaInvalidError, "named twice"),
        ([QuotaChange("A", "S1", MAX_BYTES + 1)], QuotaInvalidError, "at most"),
        ([QuotaChange("A", "S1", 1, 99, is_expected=True)], InvalidTransitionError, "is 100 bytes by now, not 99 bytes"),
        ([QuotaChange("R", "S2", 1, 0, is_expected=True)], InvalidTransitionError, "is none by now"),
    ],
)
def test_what_cannot_be_set_is_refused_and_changes_nothing(
    changes: list[QuotaChange], error: type[Exception], problem: str
) -> None:
    before = sizes()
    with pytest.raises(error, match=problem):
        quotas_set(changes=changes, actor=ACTOR)
    assert sizes() == before


@pytest.mark.usefixtures("parts")
def test_the_right_is_asked_on_every_partition() -> None:
    user = User.objects.create_user("asmith")
    user.user_permissions.set(Permission.objects.filter(codename="view_quota"))
    changes = [QuotaChange("A", "S1", 1), QuotaChange("D", "S1", 1)]
    with pytest.raises(PermissionDenied, match="set_quota"):
        quotas_set(changes=changes, actor=Actor.of(user))
    assign_perm("policies.set_quota", user, Partition.objects.get(name="A"))
    user = User.objects.get(pk=user.pk)
    with pytest.raises(PermissionDenied, match="partition D"):
        quotas_set(changes=changes, actor=Actor.of(user))
    assert sizes()["S1", "A"] == 100
    quotas_set(changes=changes[:1], actor=Actor.of(user), reason="mine")
    moment = quota_moments(Partition.objects.get(name="A").pk, "S1")[-1]
    assert (moment.size_bytes, moment.user_name, moment.reason) == (1, "asmith", "mine")


@pytest.mark.usefixtures("parts")
def test_a_removed_quota_is_in_its_history() -> None:
    quotas_set(changes=[QuotaChange("A", "S1", 7)], actor=ACTOR)
    quotas_set(changes=[QuotaChange("A", "S1", None)], actor=ACTOR)
    assert [moment.size_bytes for moment in quota_moments(Partition.objects.get(name="A").pk, "S1")] == [100, 7, None]


@pytest.mark.usefixtures("parts")
def test_the_other_parts_give_in_proportion_and_the_sum_stays() -> None:
    changes = quotas_adjusted([QuotaChange("A", "S1", 131)])
    quotas_set(changes=changes, actor=ACTOR)
    after = sizes()
    assert after["S1", "ADR"] == 175
    assert (after["S1", "A"], after["S1", "D"], after["S1", "R"]) == (131, 30, 14)


@pytest.mark.usefixtures("parts")
@given(size=st.integers(0, 175))
def test_to_the_byte_whatever_is_asked(size: int) -> None:
    changes = {change.partition: change.size_bytes for change in quotas_adjusted([QuotaChange("A", "S1", size)])}
    assert sum({"A": 100, "D": 50, "R": 25, **changes}.values()) == 175
    assert min(changes.values()) >= 0


@pytest.mark.usefixtures("parts")
def test_a_sum_that_cannot_stay_is_refused() -> None:
    define("Alone", "site.name == S1")
    for changes, more, problem in [
        ([QuotaChange("A", "S1", 176)], {}, "have 75 bytes at S1, and 76 are asked"),
        ([QuotaChange("A", "S2", 20)], {}, "have 0 bytes"),
        ([QuotaChange("Alone", "S1", 5)], {}, "no part of a superpartition"),
        ([QuotaChange("A", "S1", 5)], {"superpartition": "D"}, "no part of D"),
    ]:
        with pytest.raises(QuotaInvalidError, match=problem):
            quotas_adjusted(changes, **more)
    partition_define(name="AD", parts=["A", "D"], actor=ACTOR)
    with pytest.raises(QuotaInvalidError, match="AD, ADR: name the one"):
        quotas_adjusted([QuotaChange("A", "S1", 5)])
    assert quotas_adjusted([QuotaChange("A", "S1", 90)], superpartition="AD")[1].size_bytes == 60


# -- preview ---------------------------------------------------------------------------------------------------------------


def assert_preview_is_what_happens(policy: Policy, changes: list[QuotaChange]) -> Any:
    """Preview *changes*, set them, run the next cycle, and hold it against the preview, site by site and item by item."""
    found = quotas_preview(changes=changes, now=CLOCK)
    (preview,) = found.policies
    quotas_set(changes=changes, actor=ACTOR)
    cycle = next_cycle(policy)
    assert preview.digest_then == cycle.plan_digest
    rows = {row.site_name: row for row in CycleSite.objects.filter(cycle=cycle)}
    then = {row.site: row for row in preview.sites if row.site in rows}
    assert len(then) == len(rows)
    for name, row in rows.items():
        said = then[name]
        assert (said.quota_then, said.used_bytes, said.after_then) == (row.quota_bytes, row.bytes_before, row.bytes_after)
        assert (said.protected_bytes, said.deleted_then) == (row.protected_bytes, row.deleted_bytes)
        assert (said.is_triggered_then, said.is_released_then) == (row.is_triggered, row.is_released)
    if cycle.deleted_bytes:
        assert bool(preview.tripped) is bool(cycle.plan.tripped)
    return preview


@pytest.mark.usefixtures("inventory")
def test_a_preview_says_what_a_smaller_quota_does_and_the_next_cycle_does_it() -> None:
    policy = policy_of(TEXT)
    preview = assert_preview_is_what_happens(policy, [QuotaChange("P", "S1", 8 * TB), QuotaChange("P", "S2", TB)])
    first, second = preview.sites
    assert (first.is_triggered_now, first.is_triggered_then, first.deleted_now, first.deleted_then) == (False, True, 0, 5 * TB)
    assert (first.is_reachable, second.is_reachable, second.protected_fraction) == (True, False, 1.0)
    assert preview_sentences(preview)[:3] == [
        "The next cycle would delete 12.0 TB: 12.0 TB more than now.",
        "2 sites would be cleaned that are not now: S1, S2.",
        "S2: 1.00 TB cannot be reached: 100 % of it is protected, and 1.00 TB would stay.",
    ]
    assert any("safety limit would hold" in sentence for sentence in preview_sentences(preview))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("inventory")
def test_command_api_and_page_say_of_each_site_what_the_next_cycle_then_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_out_quota_preview, "delay", carry_out_quota_preview.run)
    policy = policy_of(TEXT)
    said = StringIO()
    call_command("quota_set", "--partition", "P", "--site", "S1", "--volume", "8TB", "--preview", "--dry-run", stdout=said)
    client = client_of(User.objects.create_superuser("root", is_staff=True))
    body = {"quotas": [{"partition": "P", "site": "S1", "size": "8TB"}]}
    number = client.post("/api/v1/policies/quota-previews/", body, content_type="application/json").json()["id"]
    (found,) = client.get(f"/api/v1/policies/quota-previews/{number}/").json()["result"]["policies"]
    by_session = Client()
    by_session.force_login(User.objects.get(username="root"))
    page = by_session.get(reverse("admin:policies_quota_preview", args=[number])).content.decode()
    quotas_set(changes=[QuotaChange("P", "S1", 8 * TB)], actor=ACTOR)
    cycle = next_cycle(policy)
    done = dict(CycleSite.objects.filter(cycle=cycle).values_list("site_name", "deleted_bytes"))
    assert {row["site"]: row["deleted_then"] for row in found["sites"]} == done == {"S1": 5 * TB, "S2": 0}
    assert found["digest_then"] == cycle.plan_digest
    row = re.search(r"^ *S1 .*$", said.getvalue(), re.MULTILINE)
    assert row is not None
    assert re.findall(r"[\d.]+ TB", row[0]) == ["8.00 TB", "8.00 TB", "1.00 TB", "5.00 TB"]
    assert re.search(r"<b>S1</b>.*?would be deleted\">[^/]*5\.00.TB", page, re.DOTALL)
    assert "<b>S2</b>" not in page


@pytest.mark.usefixtures("inventory")
def test_a_preview_sets_and_deletes_nothing() -> None:
    policy_of(TEXT)
    events, before = AuditEvent.objects.count(), sizes()
    quotas_preview(changes=[QuotaChange("P", "S1", TB)], now=CLOCK)
    assert (AuditEvent.objects.count(), sizes(), Cycle.objects.count()) == (events, before, 0)


@pytest.mark.usefixtures("inventory")
def test_partitions_without_an_active_policy_are_named() -> None:
    found = quotas_preview(changes=[QuotaChange("P", "S1", TB)], now=CLOCK)
    assert (found.policies, found.without_policy) == ((), ("P",))
    policy = policy_of(TEXT)
    policy.is_enabled = False
    policy.save()
    assert quotas_preview(changes=[QuotaChange("P", "S1", TB)], now=CLOCK).without_policy == ("P",)


@pytest.mark.usefixtures("inventory")
def test_a_policy_of_a_superpartition_is_previewed_with_the_new_sum() -> None:
    define("Q", "dataset.name == /Keep/*")
    partition_define(name="PQ", parts=["P", "Q"], actor=ACTOR)
    policy = policy_of(TEXT.replace("Partition P", "Partition PQ"), "PQ")
    preview = assert_preview_is_what_happens(policy, [QuotaChange("P", "S1", 4 * TB), QuotaChange("Q", "S1", 4 * TB)])
    assert preview.sites[0].quota_then == 8 * TB


def cases() -> Iterator[tuple[int, RandomCycle]]:
    yield from ((seed, seeded_cycle(seed)) for seed in range(NUM_CYCLES))


def test_on_random_inventories_and_policies_the_next_cycle_does_what_the_preview_says() -> None:
    compared = 0
    for seed, case in cases():
        with transaction.atomic():
            partitions_load(text=PARTITIONS, file_name="partitions", actor=ACTOR)
            store(case.document)
            policy = policy_of(case.policy, case.partition, limit=case.deletion_per_iteration or 0.01)
            leaves = next(node for node in quota_grid().partitions if node.name == case.partition).leaves
            random = Random(seed)
            held = list(
                Quota.objects.filter(partition__name__in=leaves).values_list("partition__name", "site__name", "size_bytes")
            )
            changes = [QuotaChange(name, at, max(int(size * random.choice([0, 0.3, 0.7, 1.5])), 0)) for name, at, size in held]
            if changes:
                assert_preview_is_what_happens(policy, changes)
                compared += 1
            transaction.set_rollback(True)
    assert compared > NUM_CYCLES // 2


@pytest.mark.usefixtures("inventory")
def test_a_preview_with_wrong_changes_is_refused() -> None:
    with pytest.raises(PolicyError, match="no site"):
        quotas_preview(changes=[QuotaChange("P", "S9", TB)], now=CLOCK + timedelta(days=1))
