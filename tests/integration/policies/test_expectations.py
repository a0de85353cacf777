"""Policy tests: held against decisions, told with a counter-example, and in the way of an activation that breaks one."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.choices import CycleKind
from policies.exceptions import ExpectationFailedError, PolicyInvalidError, VersionUntestedError
from policies.models import Policy, PolicyVersion
from policies.services.cycles import cycle_run, parsed_policy
from policies.services.expectations import ExpectationResult, expectations_parse, policy_expectations_set, policy_test
from policies.services.policies import policy_create, policy_version_activate, policy_version_create
from tests.factories.inventories import dataset, document, replica, site
from tests.factories.policies import ACTOR, CLOCK, define, store

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = """\
Partition P
On site.name == *
When always
Until never
Protect dataset.name == /A/*
Dismiss
"""


@pytest.fixture(autouse=True)
def inventory() -> None:
    define("P")
    datasets = [dataset("/A/x/RAW", ["b1", "b2"]), dataset("/B/x/RAW"), dataset("/B/y/AOD")]
    replicas = [
        replica("/A/x/RAW", "S1", ["b1", "b2"]),
        replica("/B/x/RAW", "S1"),
        replica("/B/x/RAW", "S2"),
        replica("/B/y/AOD", "S2"),
    ]
    store(document([site("S1"), site("S2")], datasets, replicas))


def held(*lines: str) -> list[ExpectationResult]:
    policy = parsed_policy(TEXT, "test.policy")
    return policy_test(policy=policy, expectations=expectations_parse("\n".join(lines), file_name="test.expect"), now=CLOCK)


def counts(results: Sequence[ExpectationResult]) -> list[tuple[int, int]]:
    return [(result.num_replicas, result.num_failures) for result in results]


def test_an_expectation_is_held_against_every_replica_that_meets_its_condition() -> None:
    results = held(
        "expect protect dataset.name == /A/*/*",
        "expect delete dataset.name == /B/*",
        "expect protect dataset.name == /*/*/RAW",
        "expect not delete dataset.name == /*/*/RAW at S2",
        "expect protect dataset.name == /none/at/all",
    )
    assert counts(results) == [(1, 0), (3, 0), (3, 2), (1, 1), (0, 0)]
    example = results[2].counter_example
    assert example is not None
    assert (example.dataset, example.site, example.decision, example.line) == ("/B/x/RAW", "S1", "delete", 0)


def test_a_fact_that_is_unknown_meets_no_condition() -> None:
    assert counts(held("expect protect dataset.attr.era == 2018A")) == [(0, 0)]


def test_sites_behind_at_narrow_an_or_as_a_whole() -> None:
    (result,) = held("expect keep dataset.name == /A/x/RAW or dataset.name == /B/x/RAW at S2")
    assert (result.num_replicas, result.num_failures) == (1, 1)


def prepared_policy(expectations: str) -> tuple[Policy, int]:
    policy = policy_create(name="nightly", partition_name="P", actor=ACTOR)
    policy_expectations_set(policy_id=policy.pk, text=expectations, actor=ACTOR)
    version = policy_version_create(policy_id=policy.pk, text=TEXT, actor=ACTOR)
    cycle_run(text=TEXT, source="test", kind=CycleKind.TEST_RUN, actor=ACTOR, now=CLOCK, policy_version=version)
    return policy, version.pk


def test_a_failing_expectation_blocks_activation_and_shows_a_counter_example() -> None:
    policy, version_id = prepared_policy("expect protect dataset.name == /*/*/RAW\n")
    with pytest.raises(ExpectationFailedError, match="fails for 2 of 3 replicas; /B/x/RAW at S1: delete by the default"):
        policy_version_activate(version_id=version_id, actor=ACTOR)
    policy.refresh_from_db()
    assert policy.active_version is None


def test_expectations_that_are_met_let_the_version_be_activated() -> None:
    policy, version_id = prepared_policy("expect protect dataset.name == /A/*\n")
    policy_version_activate(version_id=version_id, actor=ACTOR)
    policy.refresh_from_db()
    assert policy.active_version_id == version_id


def test_activation_reads_no_inventory_and_counts_the_latest_test_run_against_the_present_expectations() -> None:
    policy, version_id = prepared_policy("expect protect dataset.name == /A/*\n")
    policy_expectations_set(policy_id=policy.pk, text="expect delete dataset.name == /B/*\n", actor=ACTOR)
    with pytest.raises(VersionUntestedError, match=r"changed after nightly v1 was tested in cycle \d+; test it once more"):
        policy_version_activate(version_id=version_id, actor=ACTOR)
    version = PolicyVersion.objects.get(pk=version_id)
    cycle_run(text=TEXT, source="test", kind=CycleKind.TEST_RUN, actor=ACTOR, now=CLOCK, policy_version=version)
    with CaptureQueriesContext(connection) as queries:
        policy_version_activate(version_id=version_id, actor=ACTOR)
    tables = ("inventory_blockreplica", "inventory_datasetreplica", "inventory_dataset")
    assert not [query["sql"] for query in queries if any(table in query["sql"] for table in tables)]


def test_wrong_expectations_are_not_saved() -> None:
    policy = policy_create(name="nightly", partition_name="P", actor=ACTOR)
    with pytest.raises(PolicyInvalidError) as caught:
        policy_expectations_set(policy_id=policy.pk, text="expect portect dataset.name == /A\n", actor=ACTOR)
    assert [d.code for d in caught.value.diagnostics] == ["P802"]
    policy.refresh_from_db()
    assert policy.expectations == ""


def run(folder: Path, expectations: str | None) -> tuple[str, int]:
    """Return what ``policy_test`` prints about the test policy in *folder*, and its exit code."""
    (folder / "nightly.policy").write_text(TEXT)
    if expectations is not None:
        (folder / "nightly.expect").write_text(expectations)
    out, errors = StringIO(), StringIO()
    try:
        call_command("policy_test", str(folder / "nightly.policy"), "--now", "2026-01-01T00:00:00Z", stdout=out, stderr=errors)
    except CommandError as error:
        return out.getvalue() + errors.getvalue() + str(error), error.returncode
    return out.getvalue(), 0


def test_the_command_tells_each_expectation_with_its_line(tmp_path: Path) -> None:
    said, code = run(
        tmp_path, "expect protect dataset.name == /A/*\n# every raw dataset\nexpect protect dataset.name == /*/*/RAW\n"
    )
    assert code == 1
    assert "nightly.expect:1: expect protect dataset.name == /A/* (1 replicas)" in said
    assert "nightly.expect:3: 'expect protect dataset.name == /*/*/RAW' fails for 2 of 3 replicas" in said


def test_the_command_ends_with_0_when_all_are_met_and_2_without_expectations(tmp_path: Path) -> None:
    assert run(tmp_path, "expect delete dataset.name == /B/*\n")[1] == 0
    (tmp_path / "nightly.expect").unlink()
    said, code = run(tmp_path, None)
    assert code == 2
    assert "write them to" in said
