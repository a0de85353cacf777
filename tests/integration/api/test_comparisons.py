"""Comparing and saving by API: what changes in bytes, who may, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from guardian.shortcuts import assign_perm
from kombu.exceptions import OperationalError
from pytest_django import Settings

from inventory.services.audit import Actor
from policies.models import Comparison, Cycle, Policy, PolicyVersion
from policies.services.comparisons import comparison_carry_out, comparison_request, comparisons_sweep
from policies.services.policies import policy_create, policy_version_activate, policy_version_create
from policies.tasks import carry_out_comparison, carry_out_cycle
from tests.factories.api import ANY_VERSION
from tests.factories.api import client_of as token_client
from tests.factories.inventories import dataset, document, replica, site
from tests.factories.policies import define, store

pytestmark = pytest.mark.django_db(transaction=True)
COMPARISONS = "/api/v1/policies/comparisons/"
TEST_RUNS = "/api/v1/policies/test-runs/"
TB = 10**12
OLD = """\
Partition P
On site.name == *
When always
Until never
Protect dataset.name == /A/*
Dismiss
"""
NEW = OLD.replace("/A/*", "/B/*")
ACTOR = Actor("factory")


def client_of(name: str, *codenames: str) -> Client:
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return token_client(user)


@pytest.fixture
def reader() -> Client:
    return client_of("reader", "view_cycle", "view_policy", "view_comparison")


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry out at once, in place of the worker behind the broker."""
    monkeypatch.setattr(carry_out_cycle, "delay", carry_out_cycle.run)
    monkeypatch.setattr(carry_out_comparison, "delay", carry_out_comparison.run)


@pytest.fixture
def policy(settings: Settings, tmp_path: object) -> Policy:
    settings.MEDIA_ROOT = tmp_path
    define("P")
    datasets = [dataset("/A/x/RAW"), dataset("/B/x/AOD", ["b1", "b2"]), dataset("/C/x/AOD")]
    replicas = [
        replica("/A/x/RAW", "S1"),
        replica("/B/x/AOD", "S1", ["b1", "b2"]),
        replica("/B/x/AOD", "S2", ["b1", "b2"]),
        replica("/C/x/AOD", "S2"),
    ]
    store(document([site("S1"), site("S2")], datasets, replicas))
    return policy_create(name="P", partition_name="P", actor=ACTOR)


@pytest.fixture
def active(policy: Policy, carried_out: None) -> PolicyVersion:
    version = policy_version_create(policy_id=policy.pk, text=OLD, actor=ACTOR)
    run = client_of("runner", "view_cycle", "run_policy").post(
        TEST_RUNS, {"version": version.pk}, content_type="application/json"
    )
    assert run.status_code == 202
    return policy_version_activate(version_id=version.pk, actor=ACTOR)


def post(client: Client, address: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    answer = client.post(address, body, content_type="application/json")
    return answer.status_code, answer.json()


def test_a_text_is_compared_with_the_active_version(policy: Policy, active: PolicyVersion, reader: Client) -> None:
    status, started = post(reader, COMPARISONS, {"policy": policy.pk, "text": NEW})
    assert status == 202
    done = reader.get(f"{COMPARISONS}{started['id']}/").json()
    assert (done["state"], done["old_version"], done["error"]) == ("COMPLETED", active.pk, "")
    summary = done["summary"]
    assert summary["goes"] == {"size_bytes": TB, "num_replicas": 1, "num_sites": 1}
    assert summary["stays"] == {"size_bytes": 4 * TB, "num_replicas": 2, "num_sites": 2}
    assert summary["others"]["size_bytes"] == 0
    assert {row["name"]: (row["goes_bytes"], row["stays_bytes"]) for row in summary["sites"]} == {
        "S1": (TB, 2 * TB),
        "S2": (0, 2 * TB),
    }
    assert {row["name"]: (row["goes_bytes"], row["stays_bytes"]) for row in summary["tiers"]} == {
        "RAW": (TB, 0),
        "AOD": (0, 4 * TB),
    }
    assert [(r["old"], r["old_line"], r["new"], r["new_line"], r["size_bytes"]) for r in summary["rules"]] == [
        ("delete", 0, "protect", 5, 4 * TB),
        ("protect", 5, "delete", 0, TB),
    ]
    assert (summary["old_bytes"], summary["new_bytes"]) == (
        {"delete": 5 * TB, "protect": TB},
        {"delete": 2 * TB, "protect": 4 * TB},
    )
    page = reader.get(f"{COMPARISONS}{started['id']}/changes/", {"new": "delete"}).json()
    assert (page["total"], page["num_pages"]) == (1, 1)
    assert page["results"][0] == {
        "site": "S1", "dataset": "/A/x/RAW", "old": "protect", "new": "delete", "old_line": 5, "new_line": 0, "num_blocks": 1,
        "size_bytes": TB,
    }  # fmt: skip
    second = reader.get(f"{COMPARISONS}{started['id']}/changes/", {"page_size": 2, "page": 2}).json()
    assert (second["total"], second["num_pages"], len(second["results"])) == (3, 2, 1)
    assert [row["id"] for row in reader.get(COMPARISONS, {"partition": "P"}).json()["results"]] == [started["id"]]


@pytest.mark.usefixtures("policy", "carried_out")
def test_two_texts_are_compared_and_held_against_expectations(reader: Client) -> None:
    body = {
        "text": NEW,
        "old_text": OLD,
        "expectations": "expect protect dataset.name == /*/x/RAW\nexpect not keep dataset.name == *",
    }
    _, started = post(reader, COMPARISONS, body)
    done = reader.get(f"{COMPARISONS}{started['id']}/").json()
    assert [(r["line"], r["is_met"], r["num_failures"]) for r in done["results"]] == [(1, False, 1), (2, True, 0)]
    assert (done["results"][0]["dataset"], done["results"][0]["site"]) == ("/A/x/RAW", "S1")
    assert "delete by the default" in done["results"][0]["failure"]


def test_without_an_active_version_only_expectations_count(policy: Policy, carried_out: None, reader: Client) -> None:
    status, refused = post(reader, COMPARISONS, {"policy": policy.pk, "text": NEW})
    assert (status, refused["code"]) == (409, "policy_error")
    _, started = post(
        reader, COMPARISONS, {"policy": policy.pk, "text": NEW, "expectations": "expect protect dataset.name == /B/*"}
    )
    done = reader.get(f"{COMPARISONS}{started['id']}/").json()
    assert (done["state"], done["summary"], done["results"][0]["is_met"]) == ("COMPLETED", {}, True)
    assert reader.get(f"{COMPARISONS}{started['id']}/changes/").status_code == 404


def test_wrong_requests_start_no_comparison(policy: Policy, reader: Client) -> None:
    assert post(reader, COMPARISONS, {"text": NEW})[0] == 400
    assert post(reader, COMPARISONS, {"text": NEW, "old_text": OLD, "policy": policy.pk})[0] == 400
    assert post(reader, COMPARISONS, {"text": NEW, "policy": policy.pk, "partition": "Q"})[0] == 400
    assert post(reader, COMPARISONS, {"text": NEW, "policy": 999})[0] == 404
    assert post(reader, COMPARISONS, {"text": "Dismiss", "old_text": OLD})[1]["code"] == "policy_invalid"
    assert (
        post(reader, COMPARISONS, {"text": NEW, "old_text": OLD, "expectations": "expect eat x"})[1]["code"] == "policy_invalid"
    )
    other = OLD.replace("Partition P", "Partition Q")
    assert post(reader, COMPARISONS, {"text": NEW, "old_text": other})[0] == 409
    assert not Comparison.objects.exists()


def test_comparing_needs_the_right_to_see_decisions(policy: Policy) -> None:
    body = {"text": NEW, "old_text": OLD}
    assert post(Client(), COMPARISONS, body)[0] == 401
    assert post(client_of("nobody"), COMPARISONS, body)[0] == 403
    assert client_of("nobody2").get(COMPARISONS).status_code == 403
    assert not Comparison.objects.exists()


def test_a_broker_that_is_down_fails_the_comparison_at_once(
    policy: Policy, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(carry_out_comparison, "delay", refuse)
    status, body = post(reader, COMPARISONS, {"text": NEW, "old_text": OLD})
    assert (status, body["code"]) == (503, "worker_unreachable")
    assert Comparison.objects.get().state == "FAILED"


def test_a_comparison_whose_process_died_is_given_up(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_out_comparison, "delay", lambda *arguments: None)
    comparison = comparison_request(new_text=NEW, old_text=OLD, actor=ACTOR, now=timezone.now())
    assert comparisons_sweep(now=timezone.now()) == []
    late = timezone.now() + timedelta(minutes=61)
    assert comparisons_sweep(now=late) == [comparison.pk]
    with pytest.raises(Exception, match="cannot be carried out"):
        comparison_carry_out(comparison_id=comparison.pk)
    comparison.refresh_from_db()
    assert "process has died" in comparison.error


def test_a_version_is_saved_with_the_test_run_of_its_text_and_can_be_activated(
    policy: Policy, active: PolicyVersion, reader: Client
) -> None:
    writer = client_of("writer", "view_cycle", "change_policy")
    run = {"text": NEW, "partition": "P", "deletion_per_iteration": policy.deletion_per_iteration}
    _, cycle = post(reader, TEST_RUNS, run)
    status, saved = post(
        writer, f"/api/v1/policies/policies/{policy.pk}/versions/", {"text": NEW, "comment": "B", "test_run": cycle["id"]}
    )
    assert (status, saved["number"], saved["is_tested"], saved["created_by"]) == (201, 2, True, "writer")
    assert Cycle.objects.get(pk=cycle["id"]).policy_version_id == saved["id"]
    assert policy_version_activate(version_id=saved["id"], actor=ACTOR).number == 2


@pytest.mark.parametrize(
    "other",
    [
        {"text": OLD},
        {"text": NEW, "clock": "2020-01-01T00:00:00Z"},
        {"text": NEW, "deletion_per_iteration": 0.5},
    ],
)
def test_a_test_run_of_something_else_does_not_count(
    policy: Policy, carried_out: None, reader: Client, other: dict[str, object]
) -> None:
    _, cycle = post(reader, TEST_RUNS, {"deletion_per_iteration": policy.deletion_per_iteration} | other)
    writer = client_of("writer", "change_policy")
    _, saved = post(writer, f"/api/v1/policies/policies/{policy.pk}/versions/", {"text": NEW, "test_run": cycle["id"]})
    assert saved["is_tested"] is False
    assert Cycle.objects.get(pk=cycle["id"]).policy_version_id is None


def test_saving_needs_the_right_on_the_policy(policy: Policy, reader: Client) -> None:
    versions = f"/api/v1/policies/policies/{policy.pk}/versions/"
    expectations = f"/api/v1/policies/policies/{policy.pk}/expectations/"
    text = {"text": "expect protect dataset.name == /A/*"}
    for who, expected in ((Client(), 401), (reader, 403)):
        assert post(who, versions, {"text": OLD})[0] == expected
        assert who.put(expectations, text, content_type="application/json", headers=ANY_VERSION).status_code == expected
    assert not PolicyVersion.objects.exists()
    other = policy_create(name="Other", partition_name="P", actor=ACTOR)
    owner = client_of("owner")
    assign_perm("policies.change_policy", User.objects.get(username="owner"), policy)
    assert post(owner, versions, {"text": OLD})[0] == 201
    assert owner.put(expectations, text, content_type="application/json", headers=ANY_VERSION).status_code == 200
    assert post(owner, f"/api/v1/policies/policies/{other.pk}/versions/", {"text": OLD})[0] == 403
    assert post(owner, "/api/v1/policies/policies/999/versions/", {"text": OLD})[0] == 404
    policy.refresh_from_db()
    assert policy.expectations == text["text"]


def test_wrong_texts_and_expectations_are_not_saved(policy: Policy) -> None:
    writer = client_of("writer", "change_policy")
    base = f"/api/v1/policies/policies/{policy.pk}"
    assert post(writer, f"{base}/versions/", {"text": "Partition P\nDismiss"})[1]["code"] == "policy_invalid"
    answer = writer.put(f"{base}/expectations/", {"text": "expect eat"}, content_type="application/json", headers=ANY_VERSION)
    assert (answer.status_code, answer.json()["code"]) == (400, "policy_invalid")
    status, checked = post(writer, "/api/v1/policies/expectations/check/", {"text": "expect eat dataset.name == /A/*"})
    assert (status, checked["is_valid"], checked["diagnostics"][0]["code"]) == (200, False, "P802")
    assert post(Client(), "/api/v1/policies/expectations/check/", {"text": ""})[0] == 401


def test_a_version_is_test_run_only_with_the_right_to_run_it(policy: Policy, carried_out: None, reader: Client) -> None:
    version = policy_version_create(policy_id=policy.pk, text=OLD, actor=ACTOR)
    assert post(reader, TEST_RUNS, {"version": version.pk})[0] == 403
    runner = client_of("runner", "view_cycle", "run_policy")
    assert post(runner, TEST_RUNS, {"version": version.pk, "clock": "2020-01-01T00:00:00Z"})[0] == 400
    assert post(runner, TEST_RUNS, {"version": version.pk, "text": OLD})[0] == 400
    assert post(runner, TEST_RUNS, {"version": 999})[0] == 404
    assert not Cycle.objects.exists()
    assert post(runner, TEST_RUNS, {"version": version.pk})[1]["policy_version"] == version.pk
