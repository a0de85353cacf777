"""Every page of the admin, for every role: it opens, or it refuses; it never breaks."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from dynamo_site.roles import ROLES
from inventory.services.audit import Actor
from operations.services.pausing import pause_all
from tests.factories.screens import NASTY, PASSWORD, Screens, account

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
ACCOUNTS = [*ROLES, None]
#: What everybody with an account may look at: announced campaigns, and tokens of their own.
OPEN_TO_ALL = {"campaigns.Campaign", "dynamo_site.ApiToken"}


def _info(model: type) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


def custom_pages(screens: Screens) -> list[str]:
    name = quote(NASTY, safe="")
    return [
        reverse("admin:index"),
        reverse("dynamo_history"),
        f"{reverse('dynamo_history')}?dataset={name}",
        f"{reverse('dynamo_history')}?dataset=*RAW",
        f"{reverse('dynamo_history')}?dataset=nothing-of-that-name",
        f"{reverse('admin:policies_cycle_change', args=[screens.cycle.pk])}?decision=delete&site=T1_Full&line=0&name=*RAW&p=1",
        f"{reverse('admin:policies_cycle_change', args=[screens.cycle.pk])}?decision=nonsense&line=x&p=-7",
        f"{reverse('admin:policies_cycle_why', args=[screens.cycle.pk])}?dataset={name}&site=T1_Full",
        f"{reverse('admin:policies_cycle_why', args=[screens.cycle.pk])}?dataset=/gone/x/y&site=T1_Full",
    ]


@pytest.mark.parametrize("role", ACCOUNTS)
def test_every_list_and_page_opens_or_refuses(screens: Screens, client: Client, role: str | None) -> None:
    client.force_login(account(role))
    user = client.get(reverse("admin:index")).wsgi_request.user
    for model in MODELS:
        opts = model._meta
        may_view = user.has_perm(f"{opts.app_label}.view_{opts.model_name}") or opts.label in OPEN_TO_ALL
        expected = 200 if may_view else 403
        assert client.get(reverse(f"admin:{_info(model)}_changelist")).status_code == expected, model
        row = model._default_manager.order_by("pk").last()
        if row is not None:
            assert client.get(reverse(f"admin:{_info(model)}_change", args=[row.pk]), follow=True).status_code == expected, model


def test_every_list_can_be_searched_and_every_form_opens_for_operators(screens: Screens, client: Client) -> None:
    user = account("Operators")
    client.force_login(user)
    for model, model_admin in admin.site._registry.items():
        request = client.get(reverse("dynamo_history")).wsgi_request
        if model_admin.has_view_permission(request):
            assert client.get(reverse(f"admin:{_info(model)}_changelist"), {"q": "*a*"}).status_code == 200, model
        expected = 200 if model_admin.has_add_permission(request) else 403
        assert client.get(reverse(f"admin:{_info(model)}_add")).status_code == expected, model


@pytest.mark.parametrize("role", list(ROLES))
def test_every_page_of_our_own_opens_for_every_role(screens: Screens, client: Client, role: str) -> None:
    client.force_login(account(role))
    for url in custom_pages(screens):
        assert client.get(url).status_code == 200, url


def test_pages_are_refused_to_an_account_without_a_role(screens: Screens, client: Client) -> None:
    client.force_login(account(None))
    assert b"has no role" in client.get(reverse("admin:index")).content
    for url in custom_pages(screens)[1:]:
        assert client.get(url).status_code == 403, url


def test_anonymous_visitors_are_sent_to_the_login(screens: Screens, client: Client) -> None:
    urls = [*custom_pages(screens), *(reverse(f"admin:{_info(model)}_changelist") for model in MODELS)]
    for url in urls:
        answer = client.get(url)
        assert answer.status_code == 302, url
        assert answer["Location"].startswith("/admin/login/"), url


def test_the_front_page_names_who_paused_all_deletions_and_why(db: None, client: Client) -> None:
    client.force_login(account("Operators"))
    pause_all(actor=Actor("night shift"), reason="the catalogue is being moved")
    page = client.get(reverse("admin:index")).content.decode()
    assert "All deletions were paused " in page
    assert "by night shift: the catalogue is being moved" in page
    assert "Nothing needs attention" not in page
    assert page.count(f'href="{reverse("dynamo_act_all", args=["resume-all"])}"') == 2, "in the corner and beside the sentence"


def test_every_active_account_may_log_in_and_sees_what_its_rights_allow(screens: Screens, client: Client) -> None:
    user = account(None)
    entry = {"username": user.username, "password": PASSWORD, "next": "/admin/"}
    assert client.post(reverse("admin:login"), entry)["Location"] == "/admin/"
    assert "Your account has no role" in client.get(reverse("admin:index")).content.decode()
    closed = [model for model in MODELS if model._meta.label not in OPEN_TO_ALL]
    for url in [*custom_pages(screens), *(reverse(f"admin:{_info(model)}_changelist") for model in closed)]:
        if url != reverse("admin:index"):
            assert client.get(url).status_code == 403, url
    user.is_active = False
    user.save()
    assert client.get(reverse("admin:index"))["Location"].startswith("/admin/login/")
    assert "Please enter the correct" in client.post(reverse("admin:login"), entry).content.decode()


def test_a_refused_page_says_so_and_leads_back(db: None, client: Client) -> None:
    client.force_login(account("Auditors"))
    answer = client.get(reverse("dynamo_act_all", args=["pause-all"]))
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "not allowed" in page
    assert f'href="{reverse("admin:index")}"' in page


def test_the_root_leads_to_the_front_page(client: Client) -> None:
    assert client.get("/")["Location"] == "/admin/"


def test_every_model_of_the_three_apps_with_rows_has_a_page() -> None:
    registered = {model._meta.label for model in MODELS}
    assert {
        "inventory.Site", "inventory.Group", "inventory.Dataset", "inventory.DatasetReplica", "inventory.BlockReplica",
        "inventory.Lock", "inventory.FactFeed", "inventory.Injection", "inventory.AuditEvent", "policies.Partition",
        "policies.Quota",
        "policies.Guardrail", "policies.Policy", "policies.PolicyVersion", "policies.Cycle", "policies.Plan", "policies.PlanItem",
        "operations.Deletion", "operations.PauseSwitch",
    } <= registered  # fmt: skip


def test_no_list_deletes_in_bulk_and_no_page_of_ours_deletes(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    request = client.get(reverse("admin:index")).wsgi_request
    request.user.is_superuser = True
    for model, model_admin in admin.site._registry.items():
        assert "delete_selected" not in model_admin.get_actions(request), model
        if model._meta.app_label in ("inventory", "policies", "operations"):
            assert not model_admin.has_delete_permission(request), model


def test_names_with_markup_are_escaped_on_every_page(screens: Screens, client: Client) -> None:
    client.force_login(account("Auditors"))
    urls = [
        *custom_pages(screens),
        *(reverse(f"admin:inventory_{name}_changelist") for name in ("dataset", "datasetreplica", "blockreplica", "block")),
        reverse("admin:policies_planitem_changelist"),
        reverse("admin:operations_deletion_changelist"),
        reverse("admin:inventory_site_changelist"),
        reverse("admin:inventory_lock_changelist"),
        reverse("admin:policies_policy_changelist"),
        reverse("admin:operations_deletion_change", args=[screens.deletion.pk]),
    ]
    seen = 0
    for url in urls:
        page = client.get(url).content.decode()
        assert "<script>alert" not in page, url
        assert "<b>x</b>" not in page, url
        seen += "&lt;script&gt;alert" in page
        assert "&lt;span" not in page, url
        assert "&lt;time" not in page, url
    assert seen >= 5, "the name stands on the pages at all"
