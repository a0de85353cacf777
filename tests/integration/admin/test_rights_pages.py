"""Rights on one site, partition or policy: given on its page, never more than the giver has, each change with an audit row."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from inventory.models import AuditEvent, Site
from inventory.permissions import may
from policies.models import Partition
from tests.factories.policies import define

pytestmark = pytest.mark.django_db


def account(login: str, *rights: str) -> User:
    user = get_user_model().objects.create_user(login)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


@pytest.fixture
def site() -> Site:
    return Site.objects.create(name="T2_A")


def page(site: Site, holder: User | Group) -> str:
    kind = "group" if isinstance(holder, Group) else "user"
    return reverse(f"admin:inventory_site_permissions_manage_{kind}", args=[site.pk, holder.pk])


def events() -> list[tuple[str, str, dict[str, object]]]:
    found = AuditEvent.objects.filter(action__endswith=".rights").order_by("pk")
    return [(event.actor, event.subject, event.details) for event in found]


def test_a_right_is_given_and_taken_with_an_audit_row(client: Client, site: Site) -> None:
    dan, team = account("dan"), Group.objects.create(name="Night shift")
    client.force_login(account("olga", "change_site", "view_site", "pause_site"))
    offered = client.get(page(site, dan)).content.decode()
    assert "pause_site" in offered
    assert "add_site" not in offered
    client.post(page(site, dan), {"permissions": ["pause_site"]})
    assert may(dan, "inventory.pause_site", site, afresh=True)
    client.post(page(site, dan), {"permissions": [], "csrfmiddlewaretoken": "as a browser sends it"})
    client.post(page(site, dan), {"permissions": [], "csrfmiddlewaretoken": "as a browser sends it"})  # the same again is nothing
    client.post(page(site, team), {"permissions": ["view_site"]})
    assert not may(dan, "inventory.pause_site", site, afresh=True)
    assert events() == [
        ("olga", "T2_A", {"account": "dan", "given": ["pause_site"], "taken": []}),
        ("olga", "T2_A", {"account": "dan", "given": [], "taken": ["pause_site"]}),
        ("olga", "T2_A", {"group": "Night shift", "given": ["view_site"], "taken": []}),
    ]


def test_nobody_gives_or_takes_a_right_that_they_do_not_have(client: Client, site: Site) -> None:
    olga = account("olga", "change_site", "view_site")
    client.force_login(olga)
    assert "pause_site" not in client.get(page(site, olga)).content.decode()
    client.post(page(site, olga), {"permissions": ["pause_site"]})
    assert not may(olga, "inventory.pause_site", site, afresh=True)
    dan = account("dan")
    client.force_login(account("root", "change_site", "pause_site"))
    client.post(page(site, dan), {"permissions": ["pause_site"]})
    client.force_login(olga)
    client.post(page(site, dan), {"permissions": ["view_site"]})
    assert may(dan, "inventory.pause_site", site, afresh=True), "what the giver cannot see on offer stays"


@pytest.mark.parametrize("rights", [(), ("view_site", "pause_site")])
def test_who_may_not_change_sites_gives_nothing(client: Client, site: Site, rights: tuple[str, ...]) -> None:
    dan = account("dan", *rights)
    client.force_login(dan)
    assert client.post(page(site, dan), {"permissions": ["view_site"]}).status_code in (302, 403)
    assert events() == []


def test_partitions_and_policies_have_the_same_pages(client: Client) -> None:
    partition: Partition = define("Physics", "site.name == *")
    dan = account("dan")
    client.force_login(account("olga", "change_partition", "view_partition", "change_policy"))
    url = reverse("admin:policies_partition_permissions_manage_user", args=[partition.pk, dan.pk])
    client.post(url, {"permissions": ["view_partition"]})
    assert may(dan, "policies.view_partition", partition, afresh=True)
    assert [action for action in AuditEvent.objects.values_list("action", flat=True) if action.endswith("rights")] == [
        "policies.partition.rights"
    ]
