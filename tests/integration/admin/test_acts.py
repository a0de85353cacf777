"""Acts from screens: a button only for who may, refused by the server all the same, a reason, one service, an audit event."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from guardian.shortcuts import assign_perm

from dynamo_site.acts import ACTS, act_url
from dynamo_site.acts.scanning import ACTS as SCAN_ACTS
from inventory.models import AuditEvent, Injection, Lock, Site
from operations.models import Deletion, PauseSwitch
from policies.models import Plan, Policy
from tests.factories.inventory import LockFactory
from tests.factories.screens import Screens, account

#: Act -> the roles whose accounts may do it.
MAY = {
    "pause-all": {"Operators", "Physics coordinators", "Computing coordinators"},
    "resume-all": {"Operators"},
    "site-pause": {"Operators", "Physics coordinators", "Computing coordinators"},
    "site-resume": {"Operators"},
    "plan-release": {"Operators"},
    "plan-discard": {"Operators"},
    "policy-test-run": {"Operators"},
    "policy-activate": {"Operators"},
    "policy-deactivate": {"Operators"},
    "deletion-retry": {"Operators"},
    "deletion-drop": {"Operators"},
    "injection-resume": {"Operators"},
    "injection-give-up": {"Operators"},
    "trash-restore": {"Operators"},
    "plan-restore": {"Operators"},
    "scan-start": {"Operators"},
    "lock-release": {"Operators", "Physics coordinators", "Computing coordinators"},
    "lock-renew": {"Operators", "Physics coordinators", "Computing coordinators"},
}
#: Acts that ask for more than one right, or for whose the object is: tried where their services are.
TRIED_ELSEWHERE = {"request-approve", "request-reject", "request-cancel", "token-revoke", *(SCAN_ACTS.keys() - {"scan-start"})}
ROLES = ["Operators", "Physics coordinators", "Computing coordinators", "Group representatives", "Auditors", "Services", None]


def half_loaded() -> Injection:
    """Return a document that was sent and left half-way."""
    sender, _ = User.objects.get_or_create(username="sender", defaults={"is_superuser": True})
    state = {"state": "FAILED", "fingerprint": "f" * 64, "records_kept": 3, "document": "injections/sent", "user": sender}
    return Injection.objects.get_or_create(source="half.jsonl", defaults=state)[0]


def url_of(name: str, screens: Screens) -> str:
    keys = {
        "inventory.Site": screens.site.pk,
        "inventory.Lock": screens.lock.pk,
        "policies.Plan": screens.plan.pk,
        "policies.Policy": screens.policy.pk,
        "policies.PolicyVersion": screens.version.pk,
        "inventory.Injection": half_loaded().pk,
        "operations.Deletion": screens.deletion.pk,
        "operations.Trash": screens.deletion.trash.pk,
    }
    model = ACTS[name].model
    return act_url(name, keys[model]) if model is not None else act_url(name)


def test_the_table_names_every_act() -> None:
    assert set(MAY) | TRIED_ELSEWHERE == set(ACTS)
    assert not set(MAY) & TRIED_ELSEWHERE


@pytest.mark.parametrize("role", ROLES)
def test_acts_are_open_to_the_roles_that_have_the_right_and_refused_to_all_others(
    screens: Screens, client: Client, role: str | None
) -> None:
    client.force_login(account(role))
    events = AuditEvent.objects.count()
    for name, roles in MAY.items():
        expected = 200 if role in roles else 403
        assert client.get(url_of(name, screens)).status_code == expected, name
        if expected == 403:
            assert client.post(url_of(name, screens), {"reason": "because"}).status_code == 403, name
    assert AuditEvent.objects.count() == events


def test_a_get_never_acts(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    for name in MAY:
        client.get(url_of(name, screens))
    assert not PauseSwitch.objects.filter(is_paused=True).exists()
    assert Plan.objects.get(pk=screens.plan.pk).state == "HELD"


def test_an_act_without_a_reason_asks_for_one_and_changes_nothing(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    answer = client.post(act_url("pause-all"), {"reason": "  "})
    assert "Say why" in answer.content.decode()
    assert not PauseSwitch.objects.filter(is_paused=True).exists()


def test_pausing_by_a_coordinator_is_seen_by_everybody_and_only_an_operator_lets_go_on(screens: Screens, client: Client) -> None:
    coordinator, operator = account("Physics coordinators"), account("Operators")
    client.force_login(coordinator)
    assert client.post(act_url("pause-all"), {"reason": "something looks wrong"}).status_code == 302
    page = client.get("/admin/inventory/site/").content.decode()
    assert "Deletions paused by physics_coordinators" in page
    assert client.post(act_url("resume-all"), {"reason": "fine again"}).status_code == 403
    client.force_login(operator)
    assert "let them go on" in client.get("/admin/").content.decode()
    assert client.post(act_url("resume-all"), {"reason": "fine again"}).status_code == 302
    assert PauseSwitch.objects.get(pk=1).is_paused is False
    acts = AuditEvent.objects.order_by("pk").values_list("action", "actor", "reason")
    assert list(acts)[-2:] == [
        ("operations.pause_all", "physics_coordinators", "something looks wrong"),
        ("operations.resume_all", "operators", "fine again"),
    ]


def test_a_held_plan_is_released_and_discarded_through_its_service(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    assert act_url("plan-release", screens.plan.pk) in client.get("/admin/").content.decode()
    client.post(act_url("plan-discard", screens.plan.pk), {"reason": "not this week"})
    plan = Plan.objects.get(pk=screens.plan.pk)
    assert (plan.state, plan.decided_by, plan.decided_reason) == ("DISCARDED", "operators", "not this week")
    answer = client.post(act_url("plan-release", screens.plan.pk), {"reason": "after all"})
    assert answer.status_code == 409
    assert "discarded" in answer.content.decode()


def test_a_right_on_one_partition_is_enough_for_its_plans(screens: Screens, client: Client) -> None:
    user = account("Auditors")
    client.force_login(user)
    assert (
        act_url("plan-discard", screens.plan.pk)
        not in client.get(f"/admin/policies/plan/{screens.plan.pk}/change/").content.decode()
    )
    assign_perm("policies.release_plan", user, screens.partition)
    assert (
        act_url("plan-discard", screens.plan.pk) in client.get(f"/admin/policies/plan/{screens.plan.pk}/change/").content.decode()
    )
    assert client.post(act_url("plan-discard", screens.plan.pk), {"reason": "mine to say"}).status_code == 302
    assert Plan.objects.get(pk=screens.plan.pk).state == "DISCARDED"


def test_sites_locks_and_failed_deletions_change_by_their_services(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    client.post(act_url("site-pause", screens.site.pk), {"reason": "power cut"})
    assert Site.objects.get(pk=screens.site.pk).deletion_paused_reason == "power cut"
    client.post(act_url("site-resume", screens.site.pk), {"reason": "power is back"})
    assert Site.objects.get(pk=screens.site.pk).deletion_paused_at is None
    client.post(act_url("lock-release", screens.lock.pk), {"reason": "thesis is done"})
    assert Lock.objects.get(pk=screens.lock.pk).released_at is not None
    client.post(act_url("deletion-drop", screens.deletion.pk), {"reason": "file is locked for good"})
    assert Deletion.objects.get(pk=screens.deletion.pk).state == "DROPPED"


def test_what_a_service_refuses_is_said_and_nothing_changes(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    answer = client.post(act_url("site-resume", screens.site.pk), {"reason": "why not"})
    assert answer.status_code == 409
    assert "is not paused" in answer.content.decode() or "are not paused" in answer.content.decode()


def test_the_way_back_never_leaves_the_site(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    answer = client.post(act_url("site-pause", screens.site.pk), {"reason": "x", "back": "https://evil.example/"})
    assert answer["Location"] == "/admin/"


def test_unknown_acts_and_objects_are_not_found(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    for url in ("/admin/act/drop-everything/", "/admin/act/site-pause/", "/admin/act/pause-all/1/", "/admin/act/site-pause/x/"):
        assert client.get(url).status_code == 404, url


def test_a_read_only_role_sees_no_button(screens: Screens, client: Client) -> None:
    client.force_login(account("Auditors"))
    pages = [
        "/admin/",
        f"/admin/policies/plan/{screens.plan.pk}/change/",
        f"/admin/policies/policyversion/{screens.version.pk}/change/",
        f"/admin/inventory/site/{screens.site.pk}/change/",
        f"/admin/inventory/lock/{screens.lock.pk}/change/",
        f"/admin/operations/deletion/{screens.deletion.pk}/change/",
    ]
    for page in pages:
        content = client.get(page).content.decode()
        assert "/admin/act/" not in content, page
        assert 'name="_save"' not in content, page


def test_a_coordinator_cannot_edit_policies(screens: Screens, client: Client) -> None:
    client.force_login(account("Computing coordinators"))
    page = f"/admin/policies/policy/{screens.policy.pk}/change/"
    assert client.post(page, {"is_enabled": "", "period": "1 00:00:00", "deletion_per_iteration": "1"}).status_code == 403
    assert Policy.objects.get(pk=screens.policy.pk).is_enabled is True
    assert client.get("/admin/policies/policyversion/add/").status_code == 403


def test_a_new_version_is_saved_by_the_service_and_errors_stand_beside_the_text(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    wrong = client.post(
        "/admin/policies/policyversion/add/", {"policy": screens.policy.pk, "text": "Dismiss replica.sise > 1\nDismiss"}
    )
    assert wrong.status_code == 200
    assert "replica.sise" in wrong.content.decode()
    right = client.post(
        "/admin/policies/policyversion/add/",
        {"policy": screens.policy.pk, "text": screens.version.text + "# again\n", "comment": "second"},
    )
    assert right.status_code == 302, [str(message) for message in get_messages(right.wsgi_request)]
    newest = Policy.objects.get(pk=screens.policy.pk).versions.order_by("-number").first()
    assert newest is not None
    assert (newest.number, newest.comment, newest.created_by) == (2, "second", "operators")


def test_a_lock_is_made_through_the_form(screens: Screens, client: Client) -> None:
    client.force_login(account("Group representatives"))
    fields = {"dataset_pattern": "/Mine/*", "block_pattern": "*", "site_pattern": "*", "group_pattern": "*", "owner": "my group"}
    answer = client.post("/admin/inventory/lock/add/", fields)
    assert answer.status_code == 302
    lock = Lock.objects.get(dataset_pattern="/Mine/*")
    assert AuditEvent.objects.filter(action="inventory.lock_create", subject__contains=f"lock {lock.pk}").count() == 1


def test_a_quota_is_set_through_its_service(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    quota = screens.partition.quotas.get(site__name="T1_Full")
    answer = client.post(f"/admin/policies/quota/{quota.pk}/change/", {"size": "50 TB"})
    assert answer.status_code == 302
    quota.refresh_from_db()
    assert quota.size_bytes == 50 * 10**12
    assert AuditEvent.objects.filter(action="policies.quota_set", actor="operators").count() == 1


def test_an_owner_renews_and_releases_a_lock_without_the_right_on_those_of_others(screens: Screens, client: Client) -> None:
    user = account("Group representatives", "asmith")
    mine = LockFactory(dataset_pattern="/Mine/*", owner="asmith", expires_at=timezone.now() + timedelta(days=5))
    client.force_login(user)
    page = client.get("/admin/").content.decode()
    assert "Your lock on /Mine/* at * ends in" in page
    assert act_url("lock-renew", mine.pk) in page
    assert client.post(act_url("lock-renew", mine.pk)).status_code == 302
    assert "Your lock on" not in client.get("/admin/").content.decode()
    assert Lock.objects.get(pk=mine.pk).expires_at == mine.expires_at + timedelta(days=90)
    assert client.post(act_url("lock-release", screens.lock.pk), {"reason": "x"}).status_code == 403
    assert client.post(act_url("lock-release", mine.pk), {"reason": "the thesis is finished"}).status_code == 302
    assert Lock.objects.filter(released_at__isnull=True).get() == screens.lock


def test_the_lock_form_fills_in_who_asks_and_edits_no_more_than_end_and_reason(screens: Screens, client: Client) -> None:
    client.force_login(account("Group representatives", "asmith"))
    assert 'value="asmith"' in client.get("/admin/inventory/lock/add/").content.decode()
    mine = LockFactory(dataset_pattern="/Mine/*", site_pattern="T9_*", owner="asmith")
    address = f"/admin/inventory/lock/{mine.pk}/change/"
    page = client.get(address).content.decode()
    assert "holds everywhere" in page
    assert 'name="dataset_pattern"' not in page
    body = {"comment": "new", "expires_at_0": "2100-01-31", "expires_at_1": "12:00:00", "dataset_pattern": "/Other"}
    assert client.post(address, body).status_code == 302
    lock = Lock.objects.get(pk=mine.pk)
    assert (lock.comment, lock.dataset_pattern, str(lock.expires_at)) == ("new", "/Mine/*", "2100-01-31 12:00:00+00:00")
    other = f"/admin/inventory/lock/{screens.lock.pk}/change/"
    assert 'name="comment"' not in client.get(other).content.decode()
    assert client.post(other, body).status_code == 403


def test_the_list_of_locks_says_what_each_holds_and_where(screens: Screens, client: Client) -> None:
    LockFactory(dataset_pattern="/Keep/*", site_pattern="T9_*", owner="asmith")
    client.force_login(account("Group representatives", "asmith"))
    page = client.get("/admin/inventory/lock/").content.decode()
    assert page.count("2.00 TB") == 2
    assert "everywhere, because no site is called T9_*" in page
    mine = client.get("/admin/inventory/lock/?whose=mine").content.decode()
    assert "asmith" in mine
    assert "a thesis" not in mine


def test_a_document_that_is_there_by_half_is_gone_on_with_or_given_up(screens: Screens, client: Client) -> None:
    client.force_login(account("Operators"))
    half = half_loaded()
    page = f"/admin/inventory/injection/{half.pk}/change/"
    resume, give_up = act_url("injection-resume", half.pk), act_url("injection-give-up", half.pk)
    assert page in client.get("/admin/").content.decode()
    shown = client.get(page, follow=True).content.decode()
    assert resume in shown
    assert give_up in shown
    assert "nothing was changed" not in shown
    client.post(resume)
    half.refresh_from_db()
    assert half.state == "QUEUED"
    assert resume not in client.get(page, follow=True).content.decode()
    assert client.post(give_up, {"reason": "the file is lost"}).status_code == 409
    Injection.objects.filter(pk=half.pk).update(state="FAILED", document="")
    shown = client.get(page, follow=True).content.decode()
    assert resume not in shown
    assert "by the command that began" in shown
    assert client.post(give_up).status_code == 200
    client.post(give_up, {"reason": "the file is lost"})
    half.refresh_from_db()
    assert half.state == "CANCELLED"
    assert AuditEvent.objects.get(action="inventory.injection_give_up").reason == "the file is lost"
    assert give_up not in client.get(page, follow=True).content.decode()
