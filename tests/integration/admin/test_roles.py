"""The default roles: what each may, and that a second ``migrate`` changes nothing."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from dynamo_site.roles import ROLES, default_roles_ensure

pytestmark = pytest.mark.django_db


def _rights(name: str) -> set[str]:
    rows = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def test_every_right_that_a_role_names_exists_and_is_given() -> None:
    for name, role in ROLES.items():
        assert role.rights <= _rights(name), name


def test_auditors_and_services_may_look_and_do_nothing() -> None:
    for name in ("Auditors", "Services"):
        assert all(right.split(".")[1].startswith("view_") for right in _rights(name)), name
    assert {"inventory.view_auditevent", "auth.view_user", "policies.view_plan"} <= _rights("Auditors")


def test_who_may_pause_may_not_let_go_on_unless_an_operator() -> None:
    may_pause = {name for name in ROLES if "operations.pause_all" in _rights(name)}
    may_resume = {name for name in ROLES if "operations.resume_all" in _rights(name)}
    assert may_pause == {"Operators", "Physics coordinators", "Computing coordinators"}
    assert may_resume == {"Operators"}


def test_no_role_may_delete_a_row_or_edit_replicas_by_hand() -> None:
    for name in ROLES:
        rights = _rights(name)
        assert not {r for r in rights if ".delete_" in r}, name
        assert not {r for r in rights if r.endswith(("replica", "block", "file")) and ".view_" not in r}, name


def test_making_the_roles_again_changes_nothing_and_keeps_what_was_added() -> None:
    extra = Permission.objects.get(codename="run_policy")
    Group.objects.get(name="Physics coordinators").permissions.add(extra)
    before = {name: _rights(name) for name in ROLES}
    for app_config in apps.get_app_configs():
        default_roles_ensure(app_config)
    assert {name: _rights(name) for name in ROLES} == before
    assert "policies.run_policy" in before["Physics coordinators"]
