"""The switch that takes protecting guardrails along: in commands, API and services; activation counts no run under them."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from policies.choices import CycleKind
from policies.exceptions import VersionUntestedError
from policies.models import Cycle, PolicyVersion
from policies.services.cycles import cycle_run
from policies.services.policies import guardrail_define, policy_create, policy_version_activate, policy_version_create
from policies.services.test_runs import test_run_adopt as adopt
from policies.tasks import carry_out_cycle
from tests.factories.api import client_with
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.policies import ACTOR, define, store

pytestmark = pytest.mark.django_db
TEXT = "Partition P\nOn site.name == *\nWhen always\nUntil never\nDismiss\n"
CLOCK = "2026-01-01T00:00:00Z"
API = "/api/v1/policies"


@pytest.fixture(autouse=True)
def _inventory() -> None:
    """Two datasets at one site; a protecting guardrail keeps RAW, another one only judges plans."""
    define("P")
    store(
        document([site("S1")], [dataset("/A/x/RAW"), dataset("/A/x/AOD")], [replica(f"/A/x/{t}", "S1") for t in ("RAW", "AOD")])
    )
    guardrail_define(name="raw", condition="dataset.name == /*/*/RAW", actor=ACTOR, is_protecting=True)
    guardrail_define(name="all", condition="dataset.name == *", actor=ACTOR)


@pytest.fixture
def text_file(tmp_path: Path) -> str:
    (tmp_path / "p.policy").write_text(TEXT)
    return str(tmp_path / "p.policy")


def said(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, "--now", CLOCK, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_test_run_on_the_command_line_takes_them_along_when_asked(text_file: str) -> None:
    alone = said("policy_run", "--test-run", text_file)
    assert "by the text alone, guardrails not applied" in alone
    assert Cycle.objects.get().deleted_bytes == 2 * TB
    under = said("policy_run", "--test-run", "--with-guardrails", text_file)
    assert "under the protecting guardrails" in under
    assert "guardrail raw: dataset.name == /*/*/RAW" in under
    cycle = Cycle.objects.first()
    assert cycle is not None
    assert (cycle.with_guardrails, cycle.deleted_bytes, cycle.protected_bytes) == (True, TB, TB)
    assert "guardrail all" not in under, "what only judges plans protects nothing"


def test_an_explanation_of_a_text_takes_them_along_when_asked(text_file: str) -> None:
    asked = ("policy_explain", text_file, "--dataset", "/A/x/RAW", "--site", "S1")
    assert "deleted in step 2" in said(*asked)
    under = said(*asked, "--with-guardrails")
    assert "Protected by the guardrail raw: dataset.name == /*/*/RAW: no candidate for deletion." in under
    assert "=> guardrail: true" in under
    assert "1 rule below was not reached" in under
    assert "block b1 (1.00 TB): protect by a guardrail" in under


def test_a_comparison_of_texts_takes_them_along_when_asked(tmp_path: Path, text_file: str) -> None:
    (tmp_path / "new.policy").write_text(TEXT.replace("Dismiss", "Protect dataset.name == /A/*\nDismiss"))
    for flags, replicas in (((), "2 replicas change their decisions: 2 blocks"), (("--with-guardrails",), "1 replica changes")):
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("policy_compare", text_file, str(tmp_path / "new.policy"), *flags, "--now", CLOCK, stdout=out)
        assert replicas in out.getvalue()


@pytest.mark.parametrize(("body", "deleted"), [({}, 2 * TB), ({"with_guardrails": True}, TB)])
def test_the_api_runs_a_test_with_or_without_them(
    body: dict[str, Any],
    deleted: int,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    monkeypatch.setattr(carry_out_cycle, "delay", carry_out_cycle.run)
    client = client_with("view_cycle")
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"{API}/test-runs/", {"text": TEXT} | body, content_type="application/json")
    assert answer.status_code == 202, answer.content
    cycle = client.get(f"{API}/cycles/{answer.json()['id']}/").json()
    assert (cycle["with_guardrails"], cycle["deleted_bytes"]) == (bool(body), deleted)


@pytest.fixture
def version() -> PolicyVersion:
    policy = policy_create(name="P", partition_name="P", actor=ACTOR)
    return policy_version_create(policy_id=policy.pk, text=TEXT, actor=ACTOR)


def test_a_test_run_under_guardrails_is_none_that_activation_counts(version: PolicyVersion) -> None:
    run: dict[str, Any] = {"text": TEXT, "source": "x", "kind": CycleKind.TEST_RUN, "actor": ACTOR, "now": timezone.now()}
    cycle_run(**run, policy_version=version, with_guardrails=True)
    with pytest.raises(VersionUntestedError, match="has no completed test run"):
        policy_version_activate(version_id=version.pk, actor=ACTOR)
    unsaved = cycle_run(**run, with_guardrails=True).cycle
    assert not adopt(cycle_id=unsaved.pk, version=version)
    cycle_run(**run, policy_version=version)
    cycle_run(**run, policy_version=version, with_guardrails=True)
    assert policy_version_activate(version_id=version.pk, actor=ACTOR).pk == version.pk


def test_a_test_run_of_the_text_alone_loads_no_fact_of_a_guardrail() -> None:
    guardrail_define(name="used", condition="dataset.last_access newer_than 1 month ago", actor=ACTOR, is_protecting=True)
    run: dict[str, Any] = {"text": TEXT, "source": "x", "kind": CycleKind.TEST_RUN, "actor": ACTOR, "now": timezone.now()}
    columns = [
        set(cycle_run(**run, with_guardrails=under).snapshot.datasets.columns) & {"last_access"} for under in (False, True)
    ]
    assert columns == [set(), {"last_access"}]
