"""The editor page and its effect panel: who gets which, what is escaped, and what is refused."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm

from inventory.services.audit import Actor
from policies.choices import CycleKind
from policies.language.variables import VARIABLES
from policies.models import Comparison, Cycle, Policy
from policies.services.comparisons import comparison_carry_out
from policies.services.cycles import cycle_run
from policies.services.policies import guardrail_define, policy_create, policy_version_create
from tests.factories.screens import NASTY, TEXT, Screens, account

BUTTONS = ("dy-check", "dy-test", "dy-save", "dy-activate", "dy-save-expectations")
ACTOR = Actor("factory")


def edit_url(policy: Policy) -> str:
    return reverse("admin:policies_policy_edit", args=[policy.pk])


def effect_url(policy: Policy, cycle: Cycle, comparison: Comparison | None = None) -> str:
    query = f"?cycle={cycle.pk}" + (f"&comparison={comparison.pk}" if comparison else "")
    return reverse("admin:policies_policy_effect", args=[policy.pk]) + query


def config_of(page: str) -> dict[str, object]:
    found = re.search(r'<script id="dy-config" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def compared(screens: Screens, text: str, expectations: str = "") -> Comparison:
    comparison = Comparison.objects.create(
        partition=screens.partition,
        old_text=TEXT,
        old_source="<b>old</b>",
        new_text=text,
        new_source="new",
        expectations=expectations,
        clock=timezone.now(),
        started_by="factory",
    )
    return comparison_carry_out(comparison_id=comparison.pk)


def test_who_may_change_the_policy_gets_buttons_and_others_the_text_alone(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    page = client.get(edit_url(screens.policy)).content.decode()
    assert [name for name in BUTTONS if f'id="{name}"' not in page] == []
    assert config_of(page)["may_activate"] is True
    client.force_login(account("Auditors"))
    page = client.get(edit_url(screens.policy)).content.decode()
    assert [name for name in BUTTONS if f'id="{name}"' in page] == []
    assert "Protect dataset.name == /Keep/*/*" in page
    assert (config_of(page)["may_change"], config_of(page)["may_activate"]) == (False, False)
    client.force_login(account(None))
    assert client.get(edit_url(screens.policy)).status_code == 403
    client.logout()
    assert client.get(edit_url(screens.policy))["Location"].startswith("/admin/login/")


def test_a_right_on_one_policy_opens_that_one_alone(screens: Screens, client: Client) -> None:
    user = account(None, "owner")
    other = policy_create(name="Other", partition_name="P", actor=ACTOR)
    assign_perm("policies.change_policy", user, other)
    client.force_login(User.objects.get(pk=user.pk))
    page = client.get(edit_url(other)).content.decode()
    assert 'id="dy-save"' in page
    assert config_of(page)["may_activate"] is False
    assert client.get(edit_url(screens.policy)).status_code == 403


def test_the_page_starts_from_the_latest_version_or_the_one_named(screens: Screens, client: Client) -> None:
    newer = policy_version_create(policy_id=screens.policy.pk, text=TEXT.replace("0.9", "0.8"), actor=ACTOR)
    client.force_login(account("Operators"))
    latest = client.get(edit_url(screens.policy)).content.decode()
    assert config_of(latest)["version"] == {"id": newer.pk, "number": 2, "cycle": None}
    assert "occupancy &gt; 0.8" in latest
    first = config_of(client.get(f"{edit_url(screens.policy)}?version={screens.version.pk}").content.decode())
    assert first["version"] == {"id": screens.version.pk, "number": 1, "cycle": screens.test_run.pk}
    for wrong in ("999999", "x", "-1", "9" * 30):
        assert client.get(f"{edit_url(screens.policy)}?version={wrong}").status_code == 404


def test_completion_knows_every_variable_of_the_registry(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    words = config_of(client.get(edit_url(screens.policy)).content.decode())["language"]
    named = {row["name"].removesuffix(".KEY"): (row["type"], row["doc"], tuple(row["choices"])) for row in words["variables"]}
    assert named == {v.name: (v.type.value, v.doc, v.choices) for v in VARIABLES}
    assert {"Partition", "On", "When", "Until", "Protect", "DeleteBlock", "Order", "Algo"} <= set(words["statements"])


def test_texts_with_markup_stay_texts(screens: Screens, client: Client) -> None:
    nasty = f"{TEXT}# </textarea><script>alert(1)</script>\n"
    policy_version_create(policy_id=screens.policy.pk, text=nasty, actor=ACTOR)
    Policy.objects.filter(pk=screens.policy.pk).update(expectations="# </script><script>alert(2)</script>")
    client.force_login(account("Operators"))
    page = client.get(edit_url(screens.policy)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_effect_panel_says_what_changes_and_escapes_names(screens: Screens, client: Client) -> None:
    client.force_login(account("Auditors"))
    comparison = compared(screens, TEXT.replace("/Keep/*/*", "/Data*/*/*"), f"expect protect dataset.name == {NASTY}")
    page = client.get(effect_url(screens.policy, screens.test_run, comparison)).content.decode()
    assert 'data-running="no"' in page
    assert "no longer" in page
    assert "not met" in page
    assert "<script>alert" not in page
    assert "<b>old</b>" not in page
    assert "&lt;script&gt;alert" in page
    hits = re.search(r'<script id="dy-hits" type="application/json">(.*?)</script>', page)
    assert hits is not None
    assert json.loads(hits[1]) == [
        {"line": 5, "replicas": "2 replicas", "size": "2.00 TB", "is_dead": False},
        {"line": 6, "replicas": "26 replicas", "size": "26.0 TB", "is_dead": False},
    ]


def test_the_effect_panel_shows_progress_until_both_are_done(screens: Screens, client: Client) -> None:
    client.force_login(account("Auditors"))
    running = Cycle.objects.create(
        kind="TEST_RUN", partition=screens.partition, text=TEXT, source="x", started_by="x", clock=timezone.now(), progress=0.4,
        stage="evaluating",
    )  # fmt: skip
    page = client.get(effect_url(screens.policy, running)).content.decode()
    assert ('data-running="yes"' in page, 'data-percent="40"' in page, 'data-stage="evaluating"' in page) == (True, True, True)
    Cycle.objects.filter(pk=running.pk).update(state="FAILED", finished_at=timezone.now(), error="no <feed>")
    page = client.get(effect_url(screens.policy, running)).content.decode()
    assert "The test run failed: no &lt;feed&gt;" in page


def test_the_effect_panel_is_refused_without_the_right_and_for_what_is_no_test_run(screens: Screens, client: Client) -> None:
    client.force_login(account("Auditors"))
    base = reverse("admin:policies_policy_effect", args=[screens.policy.pk])
    assert client.get(effect_url(screens.policy, screens.cycle)).status_code == 404
    assert client.get(base).status_code == 404
    assert client.get(f"{base}?cycle=x").status_code == 404
    assert client.get(f"{base}?cycle={screens.test_run.pk}&comparison=999").status_code == 404
    assert client.post(effect_url(screens.policy, screens.test_run)).status_code == 405
    owner = account(None, "owner")
    assign_perm("policies.change_policy", owner, screens.policy)
    client.force_login(User.objects.get(pk=owner.pk))
    assert client.get(effect_url(screens.policy, screens.test_run)).status_code == 403


def test_a_session_saves_only_with_the_token_of_the_page(screens: Screens) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(account("Operators"))
    address = f"/api/v1/policies/policies/{screens.policy.pk}/versions/"
    body = {"text": f"{TEXT}# changed\n"}
    assert client.post(address, body, content_type="application/json").status_code == 403
    page = client.get(edit_url(screens.policy)).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    saved = client.post(address, body, content_type="application/json", headers={"X-CSRFToken": token[1]})
    assert saved.status_code == 201


@pytest.mark.parametrize(("role", "words"), [("Operators", "Edit: new version"), ("Auditors", "Look at the text")])
def test_the_policy_page_leads_to_the_editor(screens: Screens, client: Client, role: str, words: str) -> None:
    client.force_login(account(role))
    page = client.get(reverse("admin:policies_policy_change", args=[screens.policy.pk])).content.decode()
    assert edit_url(screens.policy) in page
    assert words in page


def test_the_switch_says_how_many_guardrails_protect_and_the_effect_what_each_did(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    page = client.get(edit_url(screens.policy)).content.decode()
    assert 'id="dy-guardrails"' in page
    assert "No guardrail protects in this partition" in page
    guardrail_define(name="data", condition="dataset.name == /Data000/*", actor=ACTOR, is_protecting=True)
    assert "1 guardrail protects on top of the text" in client.get(edit_url(screens.policy)).content.decode()
    run = cycle_run(
        text=TEXT, source="test", kind=CycleKind.TEST_RUN, actor=ACTOR, now=timezone.now(), with_guardrails=True
    ).cycle
    effect = client.get(effect_url(screens.policy, run)).content.decode()
    assert "under the protecting guardrails" in effect
    assert re.search(r"guardrail data: dataset.name == /Data000/\*.*?2 replicas", effect, flags=re.DOTALL)
    assert (
        "by the text alone, guardrails not applied" in client.get(effect_url(screens.policy, screens.test_run)).content.decode()
    )
