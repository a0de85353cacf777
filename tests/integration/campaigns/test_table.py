"""The whole table of states, actions and people: each combination does what the table says, or is refused in the right way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction

from campaigns.choices import CampaignAction, CampaignState, Verdict
from campaigns.exceptions import CampaignError, InvalidTransition, NotFound
from campaigns.lifecycle import TRANSITIONS, diagram, next_state
from campaigns.models import Campaign, ExceptionRequest, Revision
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import Edits, campaign_cancel, campaign_edit, campaign_revise
from campaigns.services.exception_requests import exception_ask, exception_decide
from campaigns.services.execution import campaign_execute, campaign_pause, campaign_resume
from campaigns.services.offers import actions_offered
from campaigns.services.proposals import campaign_propose
from campaigns.services.studies import campaign_study
from tests.factories.campaigns import Collaboration

HIGGS = "/Higgs/Run2026A-v1/AOD"

#: Which actions of people each state takes, written down a second time: the table itself is under test.
TAKES: dict[str, str] = {
    "DRAFT": "EDIT STUDY CANCEL",
    "STUDIED": "STUDY REVISE PROPOSE CANCEL",
    "PROPOSED": "ASK DECIDE SIGN REJECT REVISE CANCEL",
    "APPROVED": "ASK DECIDE SIGN REJECT EXECUTE REVISE CANCEL",
    "REJECTED": "REVISE CANCEL",
    "EXECUTING": "PAUSE CANCEL",
    "PAUSED": "RESUME CANCEL",
    "COMPLETED": "",
    "CANCELLED": "",
    "EXPIRED": "",
}
EVERYTHING = "EDIT STUDY PROPOSE ASK DECIDE SIGN REJECT EXECUTE PAUSE RESUME REVISE CANCEL"
#: What each person has the right to, whatever the state; olga is operator and coordinator, rita speaks for higgs.
MAY: dict[str, str] = {
    "olga": "EDIT STUDY PROPOSE ASK DECIDE EXECUTE PAUSE RESUME REVISE CANCEL",
    "petra": "ASK SIGN REJECT PAUSE",
    "carla": "ASK SIGN REJECT PAUSE",
    "rita": "ASK DECIDE",
    "anna": "ASK",
    "dan": "ASK",
    "root": EVERYTHING,
}


def acts(people: Collaboration, campaign: Campaign, login: str) -> dict[str, Callable[[], object]]:
    who = {"actor": people.actor(login), "now": people.now}
    number = campaign.pk
    digest = Revision.objects.filter(campaign=campaign).values_list("digest", flat=True).first() or ""
    exception = ExceptionRequest.objects.filter(campaign=campaign).first()
    until = (people.now + timedelta(days=9)).date()
    signing = {"campaign_id": number, "digest": digest, "comment": "because"}
    return {
        "EDIT": lambda: campaign_edit(campaign_id=number, edits=Edits(purpose="other"), **who),
        "STUDY": lambda: campaign_study(campaign_id=number, **who),
        "PROPOSE": lambda: campaign_propose(campaign_id=number, **who),
        "ASK": lambda: exception_ask(campaign_id=number, patterns=[HIGGS], reason="mine", until=until, group_name="higgs", **who),
        "DECIDE": lambda: exception_decide(exception_id=exception.pk if exception else 0, is_granted=True, **who),
        "SIGN": lambda: campaign_sign(verdict=Verdict.APPROVE, **signing, **who),
        "REJECT": lambda: campaign_sign(verdict=Verdict.REJECT, **signing, **who),
        "EXECUTE": lambda: campaign_execute(campaign_id=number, **who),
        "PAUSE": lambda: campaign_pause(campaign_id=number, reason="because", **who),
        "RESUME": lambda: campaign_resume(campaign_id=number, **who),
        "REVISE": lambda: campaign_revise(campaign_id=number, reason="because", **who),
        "CANCEL": lambda: campaign_cancel(campaign_id=number, reason="because", **who),
    }


def outcome(act: Callable[[], object], campaign: Campaign) -> tuple[str, str]:
    """Do *act*, return what came of it and the state after it, and undo it."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                act()
            word = "done"
        except PermissionDenied:
            word = "denied"
        except (InvalidTransition, NotFound):
            word = "wrong state"
        except CampaignError as refused:
            word = refused.code
        after = Campaign.objects.values_list("state", flat=True).get(pk=campaign.pk)
        transaction.set_rollback(True)
    return word, after


@pytest.mark.parametrize("state", list(CampaignState))
def test_every_action_of_everybody_in_every_state(people: Collaboration, state: CampaignState) -> None:
    campaign = people.at(state)
    revision = Revision.objects.filter(campaign=campaign).first()
    if revision is not None:
        ExceptionRequest.objects.create(
            campaign=campaign,
            patterns=[HIGGS],
            reason="mine",
            until=(people.now + timedelta(days=9)).date(),
            group_name="higgs",
            asked_by=people.user("dan"),
            asked_at=people.now,
            revision=revision,
            num_items=3,
            size_bytes=60,
        )
    wrong = []
    for login, rights in MAY.items():
        offered = actions_offered(campaign=campaign, actor=people.actor(login), now=people.now)
        offers = {offer.action.value: offer for offer in offered}
        for action, act in acts(people, campaign, login).items():
            word, after = outcome(act, campaign)
            takes, may = action in TAKES[state].split(), action in rights.split()
            if action == "DECIDE" and revision is None:
                expected = {"wrong state"}
            elif not may:
                expected = {"denied"}
            elif not takes:
                expected = {"wrong state"}
            else:
                # Time, signatures and open exceptions may still say no, but never as a matter of right or state.
                expected = {"done", "too_early", "too_late", "not_ready", "already_signed"}
            if word not in expected:
                wrong.append(f"{login} {action}: {word}, expected {sorted(expected)}")
            target = TRANSITIONS.get((state, CampaignAction(action)))
            if word == "done" and action not in ("STUDY", "SIGN") and after != target:
                wrong.append(f"{login} {action}: {after} afterwards, expected {target}")
            if word != "done" and after != state:
                wrong.append(f"{login} {action}: refused, and {after} afterwards")
            offer = offers.get(action)
            if offer is not None and action not in ("DECIDE", "STUDY") and offer.is_possible != (word == "done"):
                wrong.append(f"{login} {action}: offered {offer.is_possible} ({offer.why_not}), but {word}")
    assert wrong == []


def test_what_is_done_by_the_system_is_in_the_table_and_ends_are_ends() -> None:
    of_people = {(state, action) for state, actions in TAKES.items() for action in actions.split()}
    of_system = {(state.value, action.value) for state, action in TRANSITIONS} - of_people
    assert {action for _, action in of_system} == {"APPROVE", "COMPLETE", "EXPIRE"}
    for state in ("COMPLETED", "CANCELLED", "EXPIRED"):
        for action in CampaignAction:
            with pytest.raises(InvalidTransition, match="is possible only when it is"):
                next_state(state, action)
    assert all(state.label in diagram() for state in CampaignState)
