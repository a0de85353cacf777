"""Cycles, versions and plans through their services: what is recorded, what holds a plan, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.utils import timezone
from guardian.shortcuts import assign_perm

from inventory.choices import FactFeedName
from inventory.models import BlockReplica, FactFeed, Injection
from inventory.services.audit import Actor
from policies.choices import CycleKind, CycleState, PlanState
from policies.exceptions import (
    CycleLostError,
    CycleRunningError,
    CyclesFailedError,
    InvalidTransitionError,
    PartitionUnknownError,
    PlanAlteredError,
    PolicyError,
    PolicyInvalidError,
    ProviderFailedError,
    VersionImmutableError,
    VersionUntestedError,
)
from policies.facts.registry import PROVIDERS
from policies.facts.request import Provider
from policies.models import Cycle, Plan, PlanItem, Policy, PolicyVersion
from policies.selectors.plans import executable_plans, plan_digest_matches, plan_items, released_plan_ids
from policies.services.cycles import cycle_carry_out, cycle_run, cycle_start, cycles_sweep
from policies.services.due import policies_evaluate_due, why_not_due
from policies.services.explaining import replica_explain
from policies.services.finishing import CycleResult
from policies.services.plans import plan_discard, plan_finish, plan_release
from policies.services.policies import guardrail_define, policy_create, policy_version_activate, policy_version_create
from policies.services.retention import files_forget
from policies.signals import plan_released
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.policies import ACTOR, CLOCK, define, store

pytestmark = pytest.mark.django_db

TEXT = """\
Partition P
On site.name == S*
When site.occupancy > 0.9
Until site.occupancy < 0.86
Protect dataset.name == /A/19/RAW
Dismiss
Order increasing dataset.usage_rank
"""


@pytest.fixture(autouse=True)
def _inventory() -> None:
    """Twenty datasets of 1 TB at S1 (20 TB quota, full) and S2 (40 TB): three must go at S1, 15 % of its quota."""
    names = [f"/A/{number:02}/RAW" for number in range(20)]
    define()
    datasets = [dataset(name) for name in names]
    replicas = [replica(name, at) for name in names for at in ("S1", "S2")]
    store(document([site("S1"), site("S2")], datasets, replicas, quotas={"S1": 20 * TB, "S2": 40 * TB}))


@pytest.fixture
def version() -> PolicyVersion:
    policy = policy_create(name="nightly", partition_name="P", actor=ACTOR)
    return policy_version_create(policy_id=policy.pk, text=TEXT, actor=ACTOR)


@pytest.fixture
def active(version: PolicyVersion) -> PolicyVersion:
    run(CycleKind.TEST_RUN, version)
    return policy_version_activate(version_id=version.pk, actor=ACTOR)


@pytest.fixture
def released() -> Iterator[list[int]]:
    heard: list[int] = []

    def hear(*, plan_id: int, **_: Any) -> None:
        heard.append(plan_id)

    plan_released.connect(hear)
    yield heard
    plan_released.disconnect(hear)


def run(kind: CycleKind, version: PolicyVersion | None = None, text: str = TEXT) -> CycleResult:
    return cycle_run(text=text, source="test", kind=kind, actor=ACTOR, now=CLOCK, policy_version=version)


def plan_of(result: CycleResult) -> Plan:
    return Plan.objects.get(cycle=result.cycle)


def test_a_cycle_within_all_limits_releases_its_plan_and_tells_it_after_the_commit(
    active: PolicyVersion, released: list[int], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        plan = plan_of(run(CycleKind.AUTOMATIC, active))
        assert released == []
    assert (plan.state, plan.num_items, plan.size_bytes, plan.tripped) == (PlanState.RELEASED, 3, 3 * TB, [])
    assert released == [plan.pk]
    assert released_plan_ids() == [plan.pk]
    assert executable_plans([plan.pk, plan.pk + 1]) == {plan.pk}
    items = plan_items(plan.pk)
    assert [(item.site_name, item.dataset_name, item.line, item.rule_text) for item in items] == [
        ("S1", f"/A/0{number}/RAW", 0, "Dismiss") for number in range(3)
    ]
    assert plan_items(plan.pk, after_sequence=items[1].sequence) == items[2:]
    assert plan_digest_matches(plan.pk)
    assert BlockReplica.objects.count() == 40


def test_a_completed_cycle_records_sites_rules_sums_and_a_decisions_file(active: PolicyVersion) -> None:
    cycle = run(CycleKind.AUTOMATIC, active).cycle
    assert (cycle.state, cycle.deleted_bytes, cycle.kept_bytes, cycle.protected_bytes) == ("COMPLETED", 3 * TB, 35 * TB, 2 * TB)
    assert list(cycle.sites.values_list("site_name", "bytes_before", "bytes_after", "is_triggered", "is_released")) == [
        ("S1", 20 * TB, 17 * TB, True, True),
        ("S2", 20 * TB, 20 * TB, False, False),
    ]
    assert list(cycle.rules.values_list("line", "num_replicas", "size_bytes")) == [(0, 38, 38 * TB), (5, 2, 2 * TB)]
    with default_storage.open(cycle.decisions_file) as stored:
        table = pl.read_parquet(stored.read())
    assert dict(table.group_by("decision").len().iter_rows()) == {"delete": 3, "keep": 35, "protect": 2}
    assert table["blocks"].null_count() == 40


def test_a_test_run_freezes_no_plan_and_does_not_see_guardrails(version: PolicyVersion) -> None:
    guardrail_define(name="all", condition="dataset.name == *", actor=ACTOR, is_protecting=True)
    result = run(CycleKind.TEST_RUN, version)
    assert result.cycle.deleted_bytes == 3 * TB
    assert not Plan.objects.exists()


def test_a_site_limit_just_below_holds_the_plan_with_its_readings(active: PolicyVersion, released: list[int]) -> None:
    partition = active.policy.partition
    partition.max_site_fraction = 0.1499
    partition.save()
    plan = plan_of(run(CycleKind.AUTOMATIC, active))
    assert plan.state == PlanState.HELD
    assert [(reading["limit"], reading["subject"]) for reading in plan.tripped] == [("site_fraction", "S1")]
    assert plan.num_items == 3
    assert (executable_plans([plan.pk]), released) == (set(), [])


def test_a_stale_inventory_holds_the_plan(active: PolicyVersion) -> None:
    Injection.objects.update(finished_at=timezone.now() - timedelta(days=8))
    plan = plan_of(run(CycleKind.AUTOMATIC, active))
    assert [reading["limit"] for reading in plan.tripped] == ["inventory_age"]


def test_a_text_that_is_not_an_active_version_waits_for_a_person() -> None:
    plan = plan_of(run(CycleKind.MANUAL))
    assert (plan.state, [reading["limit"] for reading in plan.tripped]) == (PlanState.HELD, ["origin"])


def test_a_guardrail_holds_what_it_is_met_by_and_a_protecting_one_changes_the_plan(active: PolicyVersion) -> None:
    guardrail_define(name="one", condition="dataset.name == /A/01/RAW", actor=ACTOR)
    held = plan_of(run(CycleKind.AUTOMATIC, active))
    assert [reading["subject"] for reading in held.tripped] == ["one"]
    assert "/A/01/RAW at S1" in held.tripped[0]["text"]
    guardrail_define(name="one", condition="dataset.name == /A/01/RAW", actor=ACTOR, is_protecting=True)
    plan = plan_of(run(CycleKind.AUTOMATIC, active))
    assert plan.state == PlanState.RELEASED
    assert [item.dataset_name for item in plan_items(plan.pk)] == ["/A/00/RAW", "/A/02/RAW", "/A/03/RAW"]


def test_a_guardrail_sees_each_deletion_in_the_state_that_earlier_ones_left() -> None:
    guardrail_define(name="last", condition="blockreplica.num_full_disk_copy < 2", actor=ACTOR)
    both = TEXT.replace("Dismiss\n", "Dismiss\nDelete dataset.name == /A/07/RAW\n")
    plan = plan_of(run(CycleKind.MANUAL, text=both))
    (reading,) = [reading for reading in plan.tripped if reading["limit"] == "guardrail"]
    assert (reading["value"], "/A/07/RAW at S2" in reading["text"]) == (1.0, True)


def test_an_unknown_fact_meets_a_guardrail(active: PolicyVersion) -> None:
    FactFeed.objects.filter(name=FactFeedName.RELEASES).delete()
    guardrail_define(name="latest", condition="dataset.is_latest_production_release", actor=ACTOR)
    plan = plan_of(run(CycleKind.AUTOMATIC, active))
    assert [(reading["subject"], reading["value"]) for reading in plan.tripped] == [("latest", 3.0)]


def test_an_empty_plan_is_done_at_once(active: PolicyVersion) -> None:
    BlockReplica.objects.filter(site__name="S1").delete()
    plan = plan_of(run(CycleKind.AUTOMATIC, active))
    assert (plan.state, plan.num_items, plan.tripped) == (PlanState.DONE, 0, [])


def test_a_stale_feed_protects_and_is_recorded(active: PolicyVersion) -> None:
    text = TEXT.replace("Dismiss\n", "Protect replica.num_access > 5\nDismiss\n")
    assert run(CycleKind.TEST_RUN, text=text).cycle.deleted_bytes == 3 * TB
    FactFeed.objects.filter(name=FactFeedName.POPULARITY).update(measured_at=CLOCK - timedelta(hours=48, seconds=1))
    cycle = run(CycleKind.TEST_RUN, text=text).cycle
    assert (cycle.deleted_bytes, cycle.protected_bytes) == (0, 40 * TB)
    assert [feed["feed"] for feed in cycle.unknown_facts] == ["popularity"]
    assert "more than 2 days before 2026-01-01T00:00:00Z" in cycle.unknown_facts[0]["reason"]


def test_a_feed_exactly_as_old_as_it_may_be_is_fresh() -> None:
    FactFeed.objects.filter(name=FactFeedName.POPULARITY).update(measured_at=CLOCK - timedelta(hours=48))
    assert run(CycleKind.TEST_RUN).cycle.unknown_facts == []


def test_a_clock_that_is_set_back_makes_no_feed_stale_that_has_come_since() -> None:
    FactFeed.objects.filter(name=FactFeedName.POPULARITY).update(measured_at=timezone.now())
    assert run(CycleKind.TEST_RUN).cycle.unknown_facts == []


def test_a_feed_from_the_future_is_unknown() -> None:
    FactFeed.objects.filter(name=FactFeedName.POPULARITY).update(measured_at=timezone.now() + timedelta(hours=49))
    (feed,) = run(CycleKind.TEST_RUN).cycle.unknown_facts
    assert "is a clock wrong?" in feed["reason"]


def test_a_failing_provider_fails_the_cycle_by_name_and_leaves_nothing(active: PolicyVersion) -> None:
    def broken(_request: Any) -> Any:
        raise ConnectionError("no route to the popularity service")

    cycle = cycle_start(text=TEXT, source="test", kind=CycleKind.AUTOMATIC, actor=ACTOR, now=CLOCK, policy_version=active)
    with pytest.raises(ProviderFailedError, match="'popularity' could not be loaded: no route to the popularity service"):
        cycle_carry_out(cycle_id=cycle.pk, actor=ACTOR, providers={**PROVIDERS, "popularity": Provider("popularity", broken)})
    cycle.refresh_from_db()
    assert (cycle.state, "popularity" in cycle.error) == (CycleState.FAILED, True)
    assert not Plan.objects.exists()
    assert not cycle.sites.exists()


def test_a_provider_with_a_gap_fails_the_cycle() -> None:
    gappy = Provider("popularity", lambda _request: {"dataset.usage_rank": pl.Series([None] * 20, dtype=pl.Float64)})
    cycle = cycle_start(text=TEXT, source="test", kind=CycleKind.TEST_RUN, actor=ACTOR, now=CLOCK)
    with pytest.raises(ProviderFailedError, match="20 of them empty"):
        cycle_carry_out(cycle_id=cycle.pk, actor=ACTOR, providers={**PROVIDERS, "popularity": gappy})


def test_only_one_cycle_of_a_partition_runs_at_a_time_but_test_runs_do_not_count() -> None:
    cycle_start(text=TEXT, source="a", kind=CycleKind.MANUAL, actor=ACTOR, now=CLOCK)
    with pytest.raises(CycleRunningError, match="a cycle of the partition P is under way"):
        cycle_start(text=TEXT, source="b", kind=CycleKind.AUTOMATIC, actor=ACTOR, now=CLOCK)
    assert run(CycleKind.TEST_RUN).cycle.state == CycleState.COMPLETED


def test_a_cycle_whose_process_died_is_given_up_and_its_late_result_is_thrown_away() -> None:
    cycle = cycle_start(text=TEXT, source="a", kind=CycleKind.MANUAL, actor=ACTOR, now=CLOCK)
    now = timezone.now()
    assert cycles_sweep(now=now + timedelta(minutes=59)) == []
    assert cycles_sweep(now=now + timedelta(minutes=61)) == [cycle.pk]
    cycle.refresh_from_db()
    assert cycle.state == CycleState.FAILED
    with pytest.raises(CycleLostError):
        cycle_carry_out(cycle_id=cycle.pk, actor=ACTOR)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nonsense\n", PolicyInvalidError),
        (TEXT.replace("Partition P", "Partition X"), PartitionUnknownError),
        ("", PolicyInvalidError),
    ],
)
def test_a_wrong_text_starts_no_cycle(text: str, expected: type[PolicyError]) -> None:
    with pytest.raises(expected):
        run(CycleKind.AUTOMATIC, text=text)
    assert not Cycle.objects.exists()


def test_a_version_needs_a_completed_test_run_of_its_own(version: PolicyVersion) -> None:
    run(CycleKind.TEST_RUN)
    with pytest.raises(VersionUntestedError, match="nightly v1 has no completed test run"):
        policy_version_activate(version_id=version.pk, actor=ACTOR)
    run(CycleKind.TEST_RUN, version)
    policy_version_activate(version_id=version.pk, actor=ACTOR)
    assert Policy.objects.get().active_version == version
    second = policy_version_create(policy_id=version.policy_id, text=TEXT + "# more\n", actor=ACTOR)
    assert second.number == 2
    with pytest.raises(VersionUntestedError):
        policy_version_activate(version_id=second.pk, actor=ACTOR)


def test_activation_asks_for_the_right_on_that_policy(version: PolicyVersion) -> None:
    run(CycleKind.TEST_RUN, version)
    user = get_user_model().objects.create_user("eve")
    with pytest.raises(PermissionDenied):
        policy_version_activate(version_id=version.pk, actor=Actor.of(user))
    assign_perm("policies.activate_policy", user, version.policy)
    fresh = get_user_model().objects.get(pk=user.pk)
    assert policy_version_activate(version_id=version.pk, actor=Actor.of(fresh)).activated_by == "eve"


def test_an_altered_version_neither_runs_nor_becomes_active(version: PolicyVersion) -> None:
    run(CycleKind.TEST_RUN, version)
    PolicyVersion.objects.update(text=TEXT.replace("0.86", "0.10"))
    version.refresh_from_db()
    with pytest.raises(VersionImmutableError):
        policy_version_activate(version_id=version.pk, actor=ACTOR)
    with pytest.raises(VersionImmutableError):
        run(CycleKind.AUTOMATIC, version, version.text)


def test_what_a_cycle_saw_is_removed_when_it_is_old_and_its_decisions_stay() -> None:
    cycle = cycle_run(text=TEXT, source="test", kind=CycleKind.TEST_RUN, actor=ACTOR, now=CLOCK).cycle
    seen, decisions = cycle.evidence_file, cycle.decisions_file
    finished_at = cycle.finished_at
    assert finished_at is not None
    assert files_forget(now=finished_at + timedelta(days=89)) == 0
    assert default_storage.exists(seen)
    assert files_forget(now=finished_at + timedelta(days=91)) == 1
    cycle.refresh_from_db()
    assert (cycle.evidence_file, cycle.decisions_file) == ("", decisions)
    assert (default_storage.exists(seen), default_storage.exists(decisions)) == (False, True)
    assert replica_explain(cycle_id=cycle.pk, dataset="/A/19/RAW", site="S1").problem.startswith("What the cycle saw is not kept")


def test_a_held_plan_is_released_by_who_may_with_a_reason() -> None:
    plan = plan_of(run(CycleKind.MANUAL))
    user = get_user_model().objects.create_user("eve")
    with pytest.raises(PermissionDenied):
        plan_release(plan_id=plan.pk, actor=Actor.of(user), reason="looked at it")
    with pytest.raises(PolicyError, match="say why"):
        plan_release(plan_id=plan.pk, actor=ACTOR, reason=" ")
    assign_perm("policies.release_plan", user, plan.cycle.partition)
    fresh = get_user_model().objects.get(pk=user.pk)
    plan = plan_release(plan_id=plan.pk, actor=Actor.of(fresh), reason="looked at it")
    assert (plan.state, plan.decided_by, plan.decided_reason) == (PlanState.RELEASED, "eve", "looked at it")
    with pytest.raises(InvalidTransitionError, match="it cannot become released"):
        plan_release(plan_id=plan.pk, actor=ACTOR, reason="again")
    assert plan_finish(plan_id=plan.pk).state == PlanState.DONE
    with pytest.raises(InvalidTransitionError):
        plan_discard(plan_id=plan.pk, actor=ACTOR, reason="too late")


@pytest.mark.parametrize(
    "alter",
    [
        lambda items: items.filter(sequence=1).update(block_replica_key=4711),
        lambda items: items.filter(sequence=1).update(site_name="S2"),
        lambda items: items.filter(sequence=1).delete(),
    ],
)
def test_an_altered_plan_is_noticed_and_never_released(alter: Callable[[Any], Any]) -> None:
    plan = plan_of(run(CycleKind.MANUAL))
    alter(PlanItem.objects.filter(plan=plan))
    assert not plan_digest_matches(plan.pk)
    with pytest.raises(PlanAlteredError):
        plan_release(plan_id=plan.pk, actor=ACTOR, reason="looked at it")


def test_a_new_plan_discards_the_held_ones_of_its_partition() -> None:
    first = plan_of(run(CycleKind.MANUAL))
    second = plan_of(run(CycleKind.MANUAL))
    first.refresh_from_db()
    assert (first.state, first.decided_reason) == (PlanState.DISCARDED, f"superseded by cycle {second.cycle_id}")


def test_the_same_inventory_policy_and_clock_give_the_same_digest() -> None:
    assert run(CycleKind.TEST_RUN).cycle.plan_digest == run(CycleKind.TEST_RUN).cycle.plan_digest


def test_a_policy_is_evaluated_once_per_period_and_waits_for_an_open_plan(active: PolicyVersion) -> None:
    now = timezone.now()
    FactFeed.objects.update(measured_at=now)  # the text orders by it
    (first,) = policies_evaluate_due(now=now, actor=ACTOR)
    assert first.cycle is not None
    plan = Plan.objects.get(cycle=first.cycle)
    (waiting,) = policies_evaluate_due(now=now + timedelta(hours=13), actor=ACTOR)
    assert (waiting.cycle, waiting.waits_for) == (None, f"plan {plan.pk} is released for deletion")
    plan_finish(plan_id=plan.pk)
    policy = Policy.objects.get()
    assert str(why_not_due(policy, now=now + timedelta(hours=11))).startswith("its next cycle is due at")
    assert why_not_due(policy, now=now + timedelta(hours=13)) is None


def test_patience_with_an_open_plan_ends(active: PolicyVersion) -> None:
    policies_evaluate_due(now=timezone.now(), actor=ACTOR)
    policy = Policy.objects.get()
    assert why_not_due(policy, now=timezone.now() + timedelta(hours=23)) is not None
    assert why_not_due(policy, now=timezone.now() + timedelta(hours=25)) is None


def test_one_failing_policy_does_not_keep_the_others_from_running(active: PolicyVersion) -> None:
    other = policy_create(name="another", partition_name="P", actor=ACTOR)
    version = policy_version_create(policy_id=other.pk, text=TEXT, actor=ACTOR)
    run(CycleKind.TEST_RUN, version)
    policy_version_activate(version_id=version.pk, actor=ACTOR)
    PolicyVersion.objects.filter(pk=version.pk).update(text="altered")
    with pytest.raises(CyclesFailedError, match="another: the text of another v1"):
        policies_evaluate_due(now=timezone.now(), actor=ACTOR)
    assert Cycle.objects.filter(kind=CycleKind.AUTOMATIC, state=CycleState.COMPLETED).count() == 1


def test_a_policy_without_an_active_version_is_never_evaluated(version: PolicyVersion) -> None:
    assert policies_evaluate_due(now=timezone.now(), actor=ACTOR) == []
