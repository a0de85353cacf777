"""Rights are asked by the services themselves: without, with, and with one for another object."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from guardian.shortcuts import assign_perm

from inventory.models import AuditEvent, FactFeed, Lock, Site
from inventory.services.audit import Actor
from inventory.services.edits import definition_save
from inventory.services.lock_sets import lock_set_replace
from inventory.services.locks import lock_create, lock_extend, lock_release
from inventory.services.sites import site_pause, site_resume
from tests.factories.inventory import NOW, LockFactory, SiteFactory

pytestmark = pytest.mark.django_db


def user_with(*codenames: str, name: str = "somebody_else") -> User:
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def actor_with(*codenames: str, name: str = "somebody_else") -> Actor:
    return Actor.of(user_with(*codenames, name=name))


def test_a_site_is_paused_and_resumed_by_who_may_there() -> None:
    here, there = SiteFactory(name="T2_Here"), SiteFactory(name="T2_There")
    user = user_with("view_site")
    for act in (site_pause, site_resume):
        right = f"inventory.{act.__name__.removeprefix('site_')}_site"
        with pytest.raises(PermissionDenied, match=right):
            act(site_name=here.name, actor=Actor.of(user), reason="because")
        assign_perm(right, user, there)
        user = User.objects.get(pk=user.pk)
        with pytest.raises(PermissionDenied, match="T2_Here"):
            act(site_name=here.name, actor=Actor.of(user), reason="because")
        assign_perm(right, user, here)
        user = User.objects.get(pk=user.pk)
        act(site_name=here.name, actor=Actor.of(user), reason="because")
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["inventory.site_resume", "inventory.site_pause"]
    assert not Site.objects.filter(deletion_paused_at__isnull=False).exists()


def test_a_lock_is_made_by_who_may_add_locks() -> None:
    with pytest.raises(PermissionDenied, match=r"inventory\.add_lock"):
        lock_create(dataset_pattern="/A", actor=actor_with("view_lock"), now=NOW)
    assert not Lock.objects.exists()
    lock_create(dataset_pattern="/A", actor=actor_with("add_lock", name="asmith"), now=NOW)
    assert Lock.objects.get().owner == "asmith"


ACTS: list[tuple[Any, dict[str, Any]]] = [(lock_release, {}), (lock_extend, {"expires_at": NOW + timedelta(days=9)})]


@pytest.mark.parametrize(("act", "more"), ACTS)
def test_a_lock_is_ended_and_renewed_by_its_owner_or_who_may_change_locks(act: Any, more: dict[str, Any]) -> None:
    for codenames, is_own, may in [
        (("add_lock",), False, False),
        (("change_lock",), False, True),
        (("add_lock",), True, True),
        (("view_lock",), True, False),
        ((), False, False),
    ]:
        name = f"user-{'-'.join(codenames)}-{is_own}"
        actor = actor_with(*codenames, name=name)
        lock = LockFactory(owner=name if is_own else "physics")
        if may:
            act(lock_id=lock.pk, actor=actor, now=NOW, **more)
        else:
            with pytest.raises(PermissionDenied, match=r"inventory\.change_lock"):
                act(lock_id=lock.pk, actor=actor, now=NOW, **more)
        fresh = Lock.objects.get(pk=lock.pk)
        assert (
            (fresh.released_at, fresh.expires_at) != (None, None)
            if may
            else (fresh.released_at, fresh.expires_at) == (None, None)
        )


def test_a_lock_made_for_somebody_else_is_still_its_makers_to_end() -> None:
    maker = actor_with("add_lock", name="maker")
    lock = lock_create(dataset_pattern="/A", owner="physics", actor=maker, now=NOW)
    lock_release(lock_id=lock.pk, actor=maker, now=NOW)
    assert Lock.objects.get().released_at == NOW


def test_a_set_of_another_owner_takes_the_right_to_change_locks() -> None:
    for codenames in ((), ("change_lock",), ("add_lock",)):
        with pytest.raises(PermissionDenied):
            lock_set_replace(owner="other", name="s", locks=[], actor=actor_with(*codenames, name=f"u{codenames}"), now=NOW)
    lock_set_replace(owner="other", name="s", locks=[], actor=actor_with("add_lock", "change_lock", name="both"), now=NOW)
    lock_set_replace(owner="me", name="s", locks=[], actor=actor_with("add_lock", name="me"), now=NOW)


def test_a_definition_is_saved_by_who_may_change_that_row() -> None:
    here, there = SiteFactory(name="T2_Here"), SiteFactory(name="T2_There")
    user = user_with("view_site", "change_factfeed")
    assign_perm("inventory.change_site", user, there)
    here.host = "new.example"
    with pytest.raises(PermissionDenied, match=r"inventory\.change_site"):
        definition_save(user=user, instance=here, changed_fields=["host"])
    with pytest.raises(PermissionDenied, match=r"inventory\.add_site"):
        definition_save(user=user, instance=Site(name="T2_New"), changed_fields=["name"])
    assert set(Site.objects.values_list("name", "host")) == {("T2_Here", ""), ("T2_There", "")}
    assert not AuditEvent.objects.exists()
    there.host = "new.example"
    definition_save(user=user, instance=there, changed_fields=["host"])
    feed = FactFeed.objects.create(name="popularity", source="test")
    definition_save(user=user, instance=feed, changed_fields=[])
    assert Site.objects.get(name="T2_There").host == "new.example"
