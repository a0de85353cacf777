"""A signature counts as long as its giver could still give it: who left, lost the right or was shut out signs no more."""

from __future__ import annotations

import getpass

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import remove_perm

from campaigns.choices import CampaignState
from campaigns.exceptions import NotReady
from campaigns.models import Approval, QuorumRule
from campaigns.selectors.execution import campaigns_standing
from campaigns.selectors.quorum import quorum_of
from campaigns.services.execution import campaign_execute
from inventory.models import Injection
from tests.factories.campaigns import PHYSICS, Collaboration

WAYS = {
    "left the group": "petra's signature does not count: not in Physics coordinators any more",
    "lost the right": "petra's signature does not count: the account may not sign this campaign any more",
    "was shut out": "petra's signature does not count: the account is not active any more",
}


def goes(people: Collaboration, way: str) -> None:
    """Let petra, who has signed, not be one who may sign."""
    petra = people.user("petra")
    match way:
        case "left the group":
            petra.groups.remove(AuthGroup.objects.get(name=PHYSICS))
            petra.groups.add(AuthGroup.objects.get(name="Computing coordinators"))
        case "lost the right":
            group = AuthGroup.objects.get(name=PHYSICS)
            group.permissions.remove(Permission.objects.get(codename="approve_campaign"))
            for campaign in people.partition.campaigns.all():
                remove_perm("approve_campaign", group, campaign)
        case _:
            petra.is_active = False
            petra.save()


@pytest.mark.parametrize("way", WAYS)
def test_an_approved_campaign_is_not_executed_on_a_signature_whose_giver_may_not_sign_any_more(
    people: Collaboration, way: str
) -> None:
    campaign = people.approved()
    goes(people, way)
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    with pytest.raises(NotReady, match=WAYS[way]):
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    assert people.fresh(campaign).state == CampaignState.APPROVED


@pytest.mark.parametrize("way", WAYS)
def test_a_campaign_that_executes_is_held_until_another_may_answer_for_it(people: Collaboration, way: str) -> None:
    campaign = people.executing()
    plan_id = people.revision(campaign).plan_id
    assert campaigns_standing([plan_id], now=people.now)[plan_id].hold == ""
    goes(people, way)
    assert WAYS[way] in campaigns_standing([plan_id], now=people.now)[plan_id].hold


def test_another_member_signs_in_the_place_of_one_who_left(people: Collaboration) -> None:
    campaign = people.approved()
    goes(people, "left the group")
    assert not quorum_of(people.revision(campaign)).is_met
    people.sign(campaign, "paul")
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    assert people.fresh(campaign).state == CampaignState.EXECUTING


def test_who_joins_a_group_after_signing_has_not_signed_for_it(people: Collaboration) -> None:
    campaign = people.proposed()
    people.sign(campaign, "petra")
    people.user("petra").groups.add(AuthGroup.objects.get(name="Computing coordinators"))
    assert [group.given for group in quorum_of(people.revision(campaign)).groups] == [0, 1]


def test_without_a_rule_a_signature_counts_as_long_as_the_right_is_there(people: Collaboration) -> None:
    QuorumRule.objects.all().delete()
    campaign = people.approved()
    goes(people, "left the group")
    assert quorum_of(people.revision(campaign)).is_met
    people.user("petra").groups.clear()
    assert quorum_of(people.revision(campaign)).given == 1


def test_what_was_carried_out_stays_signed_though_people_leave_later(people: Collaboration) -> None:
    campaign = people.at(CampaignState.COMPLETED)
    goes(people, "was shut out")
    found = quorum_of(people.revision(campaign))
    assert (found.is_met, found.given) == (True, 2)


def test_the_page_says_which_signature_does_not_count(people: Collaboration, client: Client) -> None:
    campaign = people.approved()
    goes(people, "was shut out")
    client.force_login(people.user("olga"))
    page = client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    assert "does not count: the account is not active any more" in page


def test_a_signature_that_is_given_at_a_shell_says_at_whose(people: Collaboration) -> None:
    """Who has a shell may name any account: two signatures from one shell may be of one person, and evidence shows it."""
    people.now = timezone.now()
    campaign = people.proposed()
    digest = people.revision(campaign).digest
    call_command("campaign", "sign", str(campaign.pk), "--as", "petra", "--digest", digest, "--approve")
    assert Approval.objects.get().address == f"shell ({getpass.getuser()})"
