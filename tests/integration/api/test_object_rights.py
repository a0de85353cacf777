"""Rights on one object by the API: the same service, refusals and audit rows as the pages of the admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User

from inventory.models import AuditEvent, Site
from inventory.permissions import may
from tests.factories.api import client_of
from tests.factories.campaigns import Collaboration
from tests.integration.api.rights import user_with

pytestmark = pytest.mark.django_db
GIVERS = ("inventory.view_site", "inventory.change_site", "inventory.pause_site")


@pytest.fixture
def site() -> Site:
    return Site.objects.create(name="T2_X")


@pytest.fixture
def address(site: Site) -> str:
    return f"/api/v1/inventory/sites/{site.pk}/rights/"


def give(user: User, address: str, **wanted: Any) -> Any:
    return client_of(user).post(address, wanted, content_type="application/json")


def test_rights_on_one_site_are_given_listed_and_taken_back(site: Site, address: str) -> None:
    giver, holder = user_with("olga", *GIVERS), User.objects.create_user("dan")
    shifters = AuthGroup.objects.create(name="Shifters")
    assert client_of(giver).get(address).json() == []
    answer = give(giver, address, account="dan", rights=["change_site", "view_site"])
    assert (answer.status_code, answer.json()) == (
        200,
        [{"account": "dan", "group": None, "rights": ["change_site", "view_site"]}],
    )
    assert may(User.objects.get(pk=holder.pk), "inventory.change_site", site)
    assert not may(User.objects.get(pk=holder.pk), "inventory.change_site", Site.objects.create(name="T2_Y"))
    event = AuditEvent.objects.latest("pk")
    assert (event.actor, event.action, event.subject) == ("olga", "inventory.site.rights", "T2_X")
    assert event.details == {"account": "dan", "given": ["change_site", "view_site"], "taken": []}
    give(giver, address, group=shifters.name, rights=["view_site"])
    give(giver, address, account="dan", rights=[])
    assert client_of(giver).get(address).json() == [{"account": None, "group": "Shifters", "rights": ["view_site"]}]
    assert AuditEvent.objects.latest("pk").details == {"account": "dan", "given": [], "taken": ["change_site", "view_site"]}


def test_nobody_hands_out_more_than_they_have_and_what_is_beyond_stays(site: Site, address: str) -> None:
    owner, giver = user_with("root", *GIVERS), user_with("olga", *GIVERS[:2])
    User.objects.create_user("dan")
    give(owner, address, account="dan", rights=["pause_site"])
    refused = give(giver, address, account="dan", rights=["pause_site", "view_site"])
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert "pause_site" in refused.json()["message"]
    given = give(giver, address, account="dan", rights=["view_site"]).json()
    assert given == [{"account": "dan", "group": None, "rights": ["pause_site", "view_site"]}]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"account": "dan", "group": "Auditors", "rights": []}, "either an account or a group"),
        ({"rights": []}, "either an account or a group"),
        ({"account": "nobody", "rights": []}, "no active account 'nobody'"),
        ({"group": "nobody", "rights": []}, "no group of accounts 'nobody'"),
        ({"account": "dan", "rights": ["fly"]}, "there is no right 'fly' on this: expected some of approve_deletion,"),
        ({"account": "dan", "rights": ["delete_site"]}, "there is no right 'delete_site'"),
        ({"account": "dan"}, "rights"),
        ({"account": "dan", "rights": "view_site"}, "rights"),
    ],
)
def test_wrong_wishes_are_told_what_is_expected_and_change_nothing(address: str, wanted: dict[str, Any], said: str) -> None:
    giver = user_with("olga", *GIVERS)
    User.objects.create_user("dan")
    answer = give(giver, address, **wanted)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert client_of(giver).get(address).json() == []


def test_the_list_costs_the_same_number_of_queries_for_many(site: Site, address: str, django_assert_max_num_queries: Any) -> None:
    giver = user_with("olga", *GIVERS)
    client = client_of(giver)
    give(giver, address, account="olga", rights=["view_site"])
    with django_assert_max_num_queries(50) as first:
        client.get(address)
    before = len(first)
    for number in range(5):
        User.objects.create_user(f"dan-{number}")
        give(giver, address, account=f"dan-{number}", rights=["view_site", "change_site"])
    with django_assert_max_num_queries(before):
        assert len(client.get(address).json()) == 6


def test_who_may_say_who_must_sign_gives_rights_on_a_campaign_that_they_do_not_have(tmp_path: Path) -> None:
    people = Collaboration(tmp_path)
    campaign = people.proposed()
    address = f"/api/v1/campaigns/campaigns/{campaign.pk}/rights/"
    ruler = user_with("ruler", "campaigns.change_quorumrule")
    assert give(people.user("petra"), address, account="dan", rights=["approve_campaign"]).status_code == 403
    assert not may(people.user("dan"), "campaigns.approve_campaign", campaign)
    answer = give(ruler, address, account="dan", rights=["approve_campaign"])
    assert {"account": "dan", "group": None, "rights": ["approve_campaign"]} in answer.json()
    assert may(User.objects.get(username="dan"), "campaigns.approve_campaign", campaign)
    assert client_of(people.user("dan")).get(address).status_code == 403
    assert client_of(people.user("anna")).get(address).json() == answer.json(), "auditors read everything"
