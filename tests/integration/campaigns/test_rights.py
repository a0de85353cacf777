"""Who says who must sign, who speaks for a group, and rights on one campaign: each write by a service, with its audit row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group as AuthGroup
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from campaigns.admin.doing import _ACTS
from campaigns.models import GroupRepresentative, QuorumRule
from campaigns.selectors.quorum import quorum_groups
from inventory.models import AuditEvent
from inventory.permissions import may
from tests.factories.campaigns import COMPUTING, PHYSICS, Collaboration

#: What everybody with an account may do, auditors too: these add words and requests, and change nothing of what is there.
OF_EVERYBODY = {"comment", "report", "withdraw"}


def enter(client: Client, people: Collaboration, login: str) -> None:
    client.force_login(people.user(login))


def events(action: str) -> list[tuple[str, str, dict[str, Any]]]:
    rows = AuditEvent.objects.filter(action=action).order_by("pk")
    return list(rows.values_list("actor", "subject", "details"))


def rule_form(**fields: Any) -> dict[str, Any]:
    return {"groups-TOTAL_FORMS": "0", "groups-INITIAL_FORMS": "0"} | fields


def group_rows(*rows: tuple[str, int], known: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {"groups-TOTAL_FORMS": str(len(rows)), "groups-INITIAL_FORMS": str(known)}
    for place, (name, number) in enumerate(rows):
        found[f"groups-{place}-group"] = AuthGroup.objects.get(name=name).pk
        found[f"groups-{place}-min_signatures"] = number
    return found


def test_the_page_of_a_quorum_rule_writes_by_the_service_groups_and_all(people: Collaboration, client: Client) -> None:
    QuorumRule.objects.all().delete()
    enter(client, people, "olga")
    page = reverse("admin:campaigns_quorumrule_add")
    wanted = rule_form(partition=people.partition.pk, min_signatures=2)
    answer = client.post(page, wanted | group_rows((PHYSICS, 1), (PHYSICS, 2)))
    assert "duplicate" in answer.content.decode()
    assert not QuorumRule.objects.exists()
    assert client.post(page, wanted | group_rows((PHYSICS, 1), (COMPUTING, 1))).status_code == 302
    rule = QuorumRule.objects.get()
    assert (rule.min_signatures, quorum_groups(people.partition.pk)) == (2, {PHYSICS: 1, COMPUTING: 1})

    page = reverse("admin:campaigns_quorumrule_change", args=[rule.pk])
    rows = group_rows((PHYSICS, 2), (COMPUTING, 1), known=2)
    for place, need in enumerate(rule.groups.order_by("group__name")):
        rows[f"groups-{place}-id"], rows[f"groups-{place}-rule"] = need.pk, rule.pk
        rows[f"groups-{place}-group"] = need.group_id
        rows[f"groups-{place}-min_signatures"] = 2 if need.group.name == PHYSICS else 1
    rows["groups-0-DELETE"] = "on"  # Computing coordinators
    assert client.post(page, {"min_signatures": 3} | rows).status_code == 302
    assert quorum_groups(people.partition.pk) == {PHYSICS: 2}
    assert events("campaigns.quorum_set") == [
        ("olga", "Everything", {"min_signatures": 2, "groups": {PHYSICS: 1, COMPUTING: 1}, "groups_before": {}}),
        ("olga", "Everything", {"min_signatures": 3, "groups": {PHYSICS: 2}, "groups_before": {PHYSICS: 1, COMPUTING: 1}}),
    ]
    assert not AuditEvent.objects.filter(action__startswith="campaigns.quorumrule").exists()


def test_representatives_come_and_go_on_their_page_by_the_service(people: Collaboration, client: Client) -> None:
    enter(client, people, "olga")
    wanted = {"group": people.higgs.pk, "user": people.user("dan").pk}
    assert client.post(reverse("admin:campaigns_grouprepresentative_add"), wanted).status_code == 302
    row = GroupRepresentative.objects.get(user__username="dan")
    dan = people.user("dan")
    dan.is_active = False
    dan.save()
    assert client.post(reverse("admin:campaigns_grouprepresentative_delete", args=[row.pk]), {"post": "yes"}).status_code == 302
    assert not GroupRepresentative.objects.filter(user__username="dan").exists()
    assert events("campaigns.representative_set") == [
        ("olga", "higgs", {"login": "dan", "speaks": True}),
        ("olga", "higgs", {"login": "dan", "speaks": False}),
    ]


def test_rules_and_representatives_are_set_and_shown_by_a_command(
    people: Collaboration, capsys: pytest.CaptureFixture[str]
) -> None:
    QuorumRule.objects.all().delete()
    call_command(
        *("campaign_quorum", "set", "Everything", "--as", "olga", "--signatures", "3"),
        *("--group", f"{PHYSICS}=2", "--group", f"{COMPUTING}=1"),
    )
    assert f"Everything: 3 in all; 1 of {COMPUTING}, 2 of {PHYSICS}\nrita speaks for higgs\n" in capsys.readouterr().out
    call_command("campaign_quorum", "speaks", "dan", "--as", "olga", "--for", "higgs")
    call_command("campaign_quorum", "speaks", "dan", "--as", "olga", "--for", "higgs")
    assert capsys.readouterr().out == "done\nso it was already\n"
    call_command("campaign_quorum", "silent", "dan", "--as", "olga", "--for", "higgs")
    call_command("campaign_quorum", "show")
    assert "dan" not in capsys.readouterr().out.removeprefix("done\n")
    assert len(events("campaigns.representative_set")) == 2
    for words, problem in (
        (["set", "Everything", "--as", "dan"], "lacks the right"),
        (["set", "Nowhere", "--as", "olga"], "Nowhere"),
        (["set", "Everything", "--as", "olga", "--group", "Nobody=1"], "no group of accounts named Nobody"),
        (["set", "Everything", "--as", "olga", "--group", PHYSICS], "expected NAME=N"),
        (["speaks", "dan", "--as", "olga", "--for", "nothing"], "no group 'nothing' that owns data"),
        (["speaks", "ghost", "--as", "olga", "--for", "higgs"], "no active account 'ghost'"),
    ):
        with pytest.raises(CommandError, match=problem):
            call_command("campaign_quorum", *words)


def test_rights_on_one_campaign_are_given_and_taken_on_its_page_with_an_audit_row(people: Collaboration, client: Client) -> None:
    campaign, other = people.draft("This"), people.draft("Other")
    dan, group = people.user("dan"), AuthGroup.objects.get(name="Group representatives")
    enter(client, people, "olga")
    assert (
        reverse("admin:campaigns_campaign_permissions", args=[campaign.pk])
        in client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    )
    assert client.get(reverse("admin:campaigns_campaign_permissions", args=[campaign.pk])).status_code == 200
    page = reverse("admin:campaigns_campaign_permissions_manage_user", args=[campaign.pk, dan.pk])
    assert client.get(page).status_code == 200
    client.post(page, {"permissions": ["pause_campaign", "view_campaign"]})
    assert may(dan, "campaigns.pause_campaign", campaign, afresh=True)
    assert not may(dan, "campaigns.pause_campaign", other, afresh=True)
    client.post(page, {"permissions": ["view_campaign"]})
    client.post(page, {"permissions": ["view_campaign"]})  # the same again is nothing
    assert not may(dan, "campaigns.pause_campaign", campaign, afresh=True)
    page = reverse("admin:campaigns_campaign_permissions_manage_group", args=[campaign.pk, group.pk])
    client.post(page, {"permissions": ["decide_exceptions"]})
    assert may(people.user("rita"), "campaigns.decide_exceptions", campaign, afresh=True)
    assert events("campaigns.campaign.rights") == [
        ("olga", "This", {"account": "dan", "given": ["pause_campaign", "view_campaign"], "taken": []}),
        ("olga", "This", {"account": "dan", "given": [], "taken": ["pause_campaign"]}),
        ("olga", "This", {"group": "Group representatives", "given": ["decide_exceptions"], "taken": []}),
    ]


@pytest.mark.parametrize("login", ["anna", "petra", "dan"])
def test_nobody_else_gives_rights_on_a_campaign(people: Collaboration, client: Client, login: str) -> None:
    campaign = people.proposed()
    user = people.user(login)
    user.is_staff = True
    user.save()
    client.force_login(user)
    kinds = (("user", user.pk), ("group", AuthGroup.objects.get(name="Auditors").pk))
    for kind, key in kinds:
        page = reverse(f"admin:campaigns_campaign_permissions_manage_{kind}", args=[campaign.pk, key])
        assert client.post(page, {"permissions": ["execute_campaign"]}).status_code in (302, 403)
    assert not may(user, "campaigns.execute_campaign", campaign, afresh=True)
    assert events("campaigns.campaign.rights") == []


def contents(*labels: str) -> dict[str, list[Any]]:
    """Return every row of the apps but for who looked when."""
    models: list[type[Model]] = [model for label in labels for model in apps.get_app_config(label).get_models()]
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in models
        if model._meta.label != "campaigns.Look"
    }


def test_auditors_read_every_page_of_campaigns_and_change_nothing(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    exception = people.ask(campaign)
    enter(client, people, "anna")
    before = contents("campaigns", "policies", "operations", "inventory")
    for name in ("campaign_change", "items", "except", "study", "reports"):
        assert client.get(reverse(f"admin:campaigns_{name}", args=[campaign.pk])).status_code == 200, name
    for model in admin.site._registry:
        if model._meta.app_label == "campaigns":
            opts = model._meta
            assert client.get(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")).status_code == 200, opts
            assert client.get(reverse(f"admin:{opts.app_label}_{opts.model_name}_add")).status_code == 403, opts
            row = model._default_manager.first()
            if row is not None and opts.model_name != "campaign":
                page = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
                assert client.get(page).status_code == 200, opts
                assert client.post(page, {"min_signatures": 9}).status_code == 403, opts
    assert client.get(reverse("admin:campaigns_new")).status_code == 403
    assert client.get(reverse("admin:campaigns_edit", args=[campaign.pk])).status_code == 403
    digest = people.revision(campaign).digest
    form = {"verdict": "APPROVE", "digest": digest, "reason": "mine", "exception": exception.pk, "decision": "grant"}
    for action in sorted(set(_ACTS) - OF_EVERYBODY):
        said = client.post(reverse("admin:campaigns_do", args=[campaign.pk, action]), form, follow=True).content.decode()
        assert "anna lacks the right" in said or "anna may not decide" in said, action
    client.post(reverse("admin:campaigns_study", args=[campaign.pk]), {"text": "Protect", "study": "1"})
    explore = client.post(
        reverse("admin:campaigns_explore", args=[campaign.pk]), json.dumps({"picked": {}}), content_type="application/json"
    )
    assert explore.status_code == 403
    assert contents("campaigns", "policies", "operations", "inventory") == before
