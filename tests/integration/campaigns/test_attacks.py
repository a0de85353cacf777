"""What an attacker, a broken file or a bad moment may try with a campaign, and what is refused, carried on or said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from campaigns.choices import Verdict
from campaigns.exceptions import InvalidInput, QuorumImpossible, TooEarly, TooLate
from campaigns.models import Notice
from campaigns.selectors.campaigns import inbox
from campaigns.selectors.execution import campaigns_standing
from campaigns.selectors.quorum import quorum_of
from campaigns.services import studies
from campaigns.services.campaigns import Edits, campaign_cancel, campaign_edit, campaign_revise
from campaigns.services.exception_requests import exception_decide
from campaigns.services.execution import campaign_execute
from campaigns.services.proposals import campaign_propose
from campaigns.services.studies import campaign_study, study_carry_out
from campaigns.services.ticking import campaigns_tick
from inventory.models import Injection, Lock
from policies.exceptions import PlanAlteredError
from policies.models import Plan, PlanItem
from policies.selectors.plans import digest_row, items_digest, plan_digest_matches
from tests.factories.api import client_of
from tests.factories.campaigns import Collaboration

LONG = "because " * 500


def forge(plan_id: int) -> None:
    """Alter a frozen list and give it the digest of what it is now, as somebody with the database could."""
    PlanItem.objects.filter(plan_id=plan_id, sequence=0).update(block_name="another")
    plan = Plan.objects.get(pk=plan_id)
    plan.digest = items_digest(digest_row(item) for item in PlanItem.objects.filter(plan_id=plan_id).order_by("sequence"))[1]
    plan.save(update_fields=["digest"])
    assert plan_digest_matches(plan_id)


def test_a_list_that_was_altered_with_its_digest_is_not_the_one_that_was_signed(people: Collaboration) -> None:
    campaign = people.approved()
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    forge(people.revision(campaign).plan_id)
    with pytest.raises(PlanAlteredError, match="signed"):
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)


def test_a_list_that_is_altered_with_its_digest_while_it_executes_is_held(people: Collaboration) -> None:
    campaign = people.executing()
    plan_id = people.revision(campaign).plan_id
    assert campaigns_standing([plan_id], now=people.now)[plan_id].hold == ""
    forge(plan_id)
    assert "not the one that was signed" in campaigns_standing([plan_id], now=people.now)[plan_id].hold


def test_sites_that_are_changed_while_a_draft_is_studied_void_the_study(
    people: Collaboration, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = people.draft()
    study = campaign_study(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    evaluate = studies.list_study

    def evaluate_while_somebody_edits(**kwargs: Any) -> Any:
        studied = evaluate(**kwargs)
        campaign_edit(campaign_id=campaign.pk, edits=Edits(site_patterns="T1_*"), actor=people.actor("olga"), now=people.now)
        return studied

    monkeypatch.setattr(studies, "list_study", evaluate_while_somebody_edits)
    with pytest.raises(InvalidInput, match="narrow the text"):
        study_carry_out(study_id=study.pk, actor=people.actor("olga"), now=people.now)


def waiting(kind: str) -> set[str]:
    return set(Notice.objects.filter(kind=kind, read_at__isnull=True).values_list("user__username", flat=True))


@pytest.mark.parametrize("way", ["revised", "cancelled", "rejected", "approved", "expired"])
def test_nobody_is_asked_to_sign_what_can_or_need_not_be_signed_any_more(people: Collaboration, way: str) -> None:
    campaign = people.proposed()
    campaigns_tick(now=people.now)
    assert waiting("TO_SIGN") == {"petra", "paul", "carla"}
    who = {"campaign_id": campaign.pk, "actor": people.actor("olga"), "now": people.now}
    match way:
        case "revised":
            campaign_revise(reason="other", **who)
        case "cancelled":
            campaign_cancel(reason="other", **who)
        case "rejected":
            people.sign(campaign, "petra", Verdict.REJECT, "no")
        case "approved":
            people.sign(campaign, "petra")
            people.sign(campaign, "carla")
        case _:
            campaigns_tick(now=people.later(days=61))
    campaigns_tick(now=people.now)
    assert waiting("TO_SIGN") == set()


@pytest.mark.parametrize("way", ["cancelled", "expired"])
def test_nobody_is_asked_to_decide_what_cannot_be_decided_any_more(people: Collaboration, way: str) -> None:
    campaign = people.proposed()
    people.ask(campaign)
    campaigns_tick(now=people.now)
    assert waiting("EXCEPTION_ASKED") == {"olga", "rita"}
    if way == "cancelled":
        campaign_cancel(campaign_id=campaign.pk, reason="other", actor=people.actor("olga"), now=people.now)
    else:
        people.later(days=61)
    campaigns_tick(now=people.now)
    assert waiting("EXCEPTION_ASKED") == set()


def test_what_waits_for_an_answer_comes_first_in_the_inbox_on_every_database(people: Collaboration) -> None:
    campaign = people.proposed()
    petra = people.user("petra")
    rows = [("read", None, people.now), ("undated", None, None), ("late", 9, None), ("soon", 2, None)]
    Notice.objects.bulk_create(
        Notice(
            user=petra,
            campaign=campaign,
            kind="MOVED",
            key=name,
            subject=name,
            text="",
            created_at=people.now,
            read_at=read_at,
            due_at=None if days is None else people.now + timedelta(days=days),
        )
        for name, days, read_at in rows
    )
    assert [notice.key for notice in inbox(petra.pk)] == ["soon", "late", "undated", "read"]


def test_a_reason_may_be_long_by_every_way(people: Collaboration, client: Client) -> None:
    for number, way in enumerate(("API", "page", "command")):
        campaign = people.proposed(f"Campaign {number}")
        match way:
            case "API":
                address = f"/api/v1/campaigns/campaigns/{campaign.pk}/cancel/"
                assert client_of(people.user("olga")).post(address, {"reason": LONG}, "application/json").status_code == 200
            case "page":
                client.force_login(people.user("olga"))
                client.post(reverse("admin:campaigns_do", args=[campaign.pk, "cancel"]), {"reason": LONG})
            case _:
                call_command("campaign", "cancel", str(campaign.pk), "--as", "olga", "--reason", LONG)
        assert (people.fresh(campaign).state, people.fresh(campaign).state_reason) == ("CANCELLED", LONG.strip()), way


@pytest.mark.parametrize("action", ["cancel", "comment", "pause", "revise", "sign"])
def test_what_no_database_takes_is_refused_on_the_page(people: Collaboration, client: Client, action: str) -> None:
    campaign = people.proposed()
    before = people.fresh(campaign).state
    client.force_login(people.user("root"))
    client.raise_request_exception = False
    form = {"reason": "a\x00b", "verdict": "REJECT", "digest": people.revision(campaign).digest}
    answer = client.post(reverse("admin:campaigns_do", args=[campaign.pk, action]), form)
    assert answer.status_code in (302, 400)
    assert people.fresh(campaign).state == before
    answer = client.get(reverse("admin:campaigns_effect", args=[campaign.pk]), {"patterns": "/A\x00*"})
    assert (answer.status_code, answer.json()["is_problem"]) == (200, True)


def test_an_empty_text_is_refused_with_what_is_expected(people: Collaboration, tmp_path: Path) -> None:
    campaign = people.proposed()
    with pytest.raises(InvalidInput, match="text"):
        campaign_revise(campaign_id=campaign.pk, reason="x", text="", actor=people.actor("olga"), now=people.now)
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    with pytest.raises(CommandError, match="text"):
        call_command("campaign", "revise", str(campaign.pk), "--as", "olga", "--reason", "x", "--text", str(empty))


def test_a_campaign_whose_file_is_lost_does_not_keep_others_from_what_is_due(people: Collaboration) -> None:
    broken, other = people.proposed("Broken"), people.proposed("Whole")
    exception = people.ask(other)
    exception_decide(exception_id=exception.pk, is_granted=True, becomes_lock=True, actor=people.actor("rita"), now=people.now)
    default_storage.delete(people.revision(broken).items_file)
    with pytest.raises(ExceptionGroup, match="campaigns"):
        campaigns_tick(now=people.now)
    assert Lock.objects.filter(source=f"exception {exception.pk}").exists()
    assert set(Notice.objects.filter(campaign=other, kind="ANNOUNCED").values_list("user__username", flat=True)) > {"rita"}
    assert mail.outbox


def test_an_address_that_no_mail_can_go_to_does_not_keep_others_from_theirs(people: Collaboration, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    people.proposed()
    petra = people.user("petra")
    petra.email = "petra@example.org\nBcc: all@example.org"
    petra.save()
    ticked = campaigns_tick(now=people.now)
    assert (ticked.mailed, ticked.mails_failed) == (6, 2)
    assert not any("Bcc" in str(message.message()) for message in mail.outbox)


def test_who_has_abstained_is_nobody_who_could_still_sign(people: Collaboration) -> None:
    campaign = people.proposed()
    people.sign(campaign, "carla", Verdict.ABSTAIN)
    assert "nobody of it is left who could" in quorum_of(people.revision(campaign)).missing[0]


def test_a_partition_without_a_rule_and_without_two_who_could_sign_is_told_so(people: Collaboration) -> None:
    people.partition.quorum_rule.delete()
    campaign = people.studied()
    assert quorum_of(people.revision(campaign), proposer_id=people.user("olga").pk).needed == 2
    for login in ("petra", "paul", "root"):
        user = people.user(login)
        user.is_active = False
        user.save()
    with pytest.raises(QuorumImpossible, match="1 of 2"):
        campaign_propose(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)


def test_the_closing_date_the_start_and_the_expiry_each_begin_at_their_instant(people: Collaboration) -> None:
    campaign = people.approved()
    instant = timedelta(microseconds=1)
    people.now = campaign.exceptions_close_at - instant
    exception = people.ask(campaign)
    people.now = campaign.exceptions_close_at
    with pytest.raises(TooLate, match="exceptions closed"):
        people.ask(campaign, patterns=("/Top/*",))
    people.grant(exception)  # what was asked in time is decided afterwards too, and execution waits for it
    Injection.objects.update(finished_at=campaign.earliest_start_at)
    who = {"campaign_id": campaign.pk, "actor": people.actor("olga")}
    with pytest.raises(TooEarly, match="it may start"):
        campaign_execute(now=campaign.earliest_start_at - instant, **who)
    campaign_execute(now=campaign.earliest_start_at, **who)
    plan_id = people.revision(campaign).plan_id
    expires = people.fresh(campaign).expires_at
    assert campaigns_standing([plan_id], now=expires - instant)[plan_id].hold == ""
    assert "expired" in campaigns_standing([plan_id], now=expires)[plan_id].hold
