"""A campaign from the first idea to its end, by the services that screens, API and commands call."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse

from campaigns.choices import CampaignState, ExceptionState, Verdict
from campaigns.exceptions import (
    AlreadySigned,
    DigestOutdated,
    InvalidInput,
    InvalidTransition,
    NotReady,
    OwnProposal,
    QuorumImpossible,
    TooEarly,
    TooLate,
)
from campaigns.models import Approval, CampaignEvent, DroppedItem, Notice, Revision
from campaigns.selectors.quorum import quorum_of
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import Edits, campaign_edit, campaign_revise
from campaigns.services.exception_requests import exception_ask, exception_decide, exception_effect, exceptions_decide
from campaigns.services.execution import campaign_execute
from campaigns.services.proposals import campaign_propose
from campaigns.services.studies import campaign_study
from campaigns.services.ticking import CLOCK, campaigns_tick
from inventory.models import Injection, Lock
from inventory.services.audit import audit_verify
from policies.choices import PlanKind, PlanState
from policies.exceptions import PolicyError, PolicyInvalidError
from policies.models import Plan
from policies.services.partitions import partition_define
from tests.factories.api import client_of
from tests.factories.campaigns import TEXT, Collaboration

HIGGS = "/Higgs/Run2026A-v1/AOD"


def test_a_study_freezes_the_list_and_counts_it_by_what_people_ask(people: Collaboration) -> None:
    campaign = people.studied()
    revision = people.revision(campaign)
    plan = Plan.objects.get(pk=revision.plan_id)
    assert (campaign.state, plan.kind, plan.state) == (CampaignState.STUDIED, PlanKind.CAMPAIGN, PlanState.FROZEN)
    assert (revision.num_items, revision.num_datasets, revision.size_bytes) == (6, 2, 6 * 20)
    assert revision.digest == plan.digest
    assert revision.partition_bytes == 12 * 20
    assert revision.num_last_copies == 0
    for name in ("sites", "tiers", "eras", "groups", "last_access"):
        assert sum(row["size_bytes"] for row in revision.sums[name]) == revision.size_bytes, name
    assert [row["name"] for row in revision.sums["tiers"]] == ["AOD", "RAW"]
    assert [row["name"] for row in revision.sums["eras"]] == ["Run2026A", "Run2026B"]
    assert audit_verify() is None


def test_last_copies_are_counted_apart_and_need_two_signatures(people: Collaboration) -> None:
    site = people.spare_site()
    people.world.replica(people.world.block("/Only/Run2026C-v1/AOD", "only"), site)
    revision = people.revision(people.studied())
    assert (revision.num_last_copies, revision.last_copy_bytes) == (1, 30)
    assert [row["dataset"] for row in revision.sums["last_copies"]] == ["/Only/Run2026C-v1/AOD"]
    assert any("last copies" in reason for reason in quorum_of(revision).two_because)


def test_a_whole_campaign_is_signed_and_executed_once_its_time_has_come(people: Collaboration) -> None:
    campaign = people.proposed()
    people.sign(campaign, "petra")
    assert people.fresh(campaign).state == CampaignState.PROPOSED
    people.sign(campaign, "carla")
    assert people.fresh(campaign).state == CampaignState.APPROVED
    with pytest.raises(TooEarly, match="exceptions close at"):
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    people.later(days=15, hours=1)
    with pytest.raises(TooEarly, match="it may start at"):
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    people.later(days=1)
    with pytest.raises(NotReady, match="brought up to date"):
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    Injection.objects.update(finished_at=people.now)
    campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    assert people.plan_state(campaign) == PlanState.RELEASED
    assert list(CampaignEvent.objects.filter(campaign=campaign).order_by("pk").values_list("action", flat=True)) == [
        "CREATE",
        "STUDY",
        "PROPOSE",
        "SIGN",
        "SIGN",
        "APPROVE",
        "EXECUTE",
    ]
    assert audit_verify() is None


def test_two_of_one_group_do_not_make_a_quorum_of_two_groups(people: Collaboration) -> None:
    campaign = people.proposed()
    people.sign(campaign, "petra")
    people.sign(campaign, "paul")
    assert people.fresh(campaign).state == CampaignState.PROPOSED
    assert quorum_of(people.revision(campaign)).missing == ("1 of Computing coordinators",)


def test_the_proposer_never_signs_not_even_a_superuser_and_the_database_refuses_too(people: Collaboration) -> None:
    campaign = people.studied()
    campaign_propose(campaign_id=campaign.pk, actor=people.actor("root"), now=people.now)
    with pytest.raises(OwnProposal, match="somebody else must sign"):
        people.sign(campaign, "root")
    revision = people.revision(campaign)
    root = people.user("root")
    with pytest.raises(IntegrityError, match="approval_not_by_proposer"), transaction.atomic():
        Approval.objects.bulk_create(
            [
                Approval(
                    campaign=campaign,
                    revision=revision,
                    digest=revision.digest,
                    requester=root,
                    approver=root,
                    verdict=Verdict.APPROVE,
                    at=people.now,
                )
            ]
        )


@pytest.mark.parametrize("way", ["page", "API", "command", "change of a signature", "SQL"])
def test_the_proposer_signs_by_no_way_whatever_rights_the_account_has(people: Collaboration, client: Client, way: str) -> None:
    campaign = people.studied()
    root = people.user("root")
    campaign_propose(campaign_id=campaign.pk, actor=people.actor("root"), now=people.now)
    revision = people.revision(campaign)
    body = {"verdict": "APPROVE", "digest": revision.digest}
    said = "somebody else must sign"
    match way:
        case "page":
            client.force_login(root)
            page = reverse("admin:campaigns_do", args=[campaign.pk, "sign"])
            assert said in client.post(page, body, follow=True).content.decode()
        case "API":
            address = f"/api/v1/campaigns/campaigns/{campaign.pk}/sign/"
            answer = client_of(root).post(address, body, content_type="application/json")
            assert (answer.status_code, answer.json()["code"]) == (403, "own_proposal")
        case "command":
            with pytest.raises(CommandError, match=said):
                call_command("campaign", "sign", str(campaign.pk), "--as", "root", "--digest", revision.digest, "--approve")
        case _:
            approval = people.sign(campaign, "petra")
            with pytest.raises(IntegrityError, match="approval_not_by_proposer"), transaction.atomic():
                if way == "SQL":
                    with connection.cursor() as cursor:
                        change = "UPDATE campaigns_approval SET approver_id = requester_id WHERE id = %s"
                        cursor.execute(change, [approval.pk])
                else:
                    Approval.objects.filter(pk=approval.pk).update(approver=root)
    assert not Approval.objects.filter(approver=root).exists()
    assert people.fresh(campaign).state == CampaignState.PROPOSED


def test_what_was_answered_waits_in_no_inbox_any_more(people: Collaboration) -> None:
    campaign = people.proposed()
    exception = ask(people, campaign, [HIGGS])
    campaigns_tick(now=people.now)

    def waiting(kind: str) -> set[str]:
        return set(Notice.objects.filter(kind=kind, read_at__isnull=True).values_list("user__username", flat=True))

    assert (waiting("TO_SIGN"), waiting("EXCEPTION_ASKED")) == ({"petra", "paul", "carla"}, {"olga", "rita"})
    people.sign(campaign, "petra")
    people.grant(exception)
    campaigns_tick(now=people.now)
    assert (waiting("TO_SIGN"), waiting("EXCEPTION_ASKED")) == ({"paul", "carla"}, set())


def test_a_forged_requester_counts_for_nothing(people: Collaboration) -> None:
    campaign = people.proposed()
    revision = people.revision(campaign)
    Approval.objects.create(
        campaign=campaign,
        revision=revision,
        digest=revision.digest,
        requester=people.user("dan"),
        approver=people.user("olga"),
        verdict=Verdict.APPROVE,
        at=people.now,
    )
    assert quorum_of(revision).given == 0


def test_a_signature_is_of_the_digest_that_was_seen(people: Collaboration) -> None:
    campaign = people.proposed()
    old = people.revision(campaign).digest
    campaign_revise(
        campaign_id=campaign.pk,
        reason="spare RAW",
        text=TEXT.replace("*/*/*", "*/*/AOD"),
        actor=people.actor("olga"),
        now=people.now,
    )
    people.study(campaign)
    campaign_propose(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    with pytest.raises(DigestOutdated, match="look at what changed"):
        campaign_sign(campaign_id=campaign.pk, verdict=Verdict.APPROVE, digest=old, actor=people.actor("petra"), now=people.now)
    assert not Approval.objects.filter(campaign=campaign).exists()


def test_revising_voids_signatures_and_gives_the_list_up(people: Collaboration) -> None:
    campaign = people.approved()
    first = people.revision(campaign)
    campaign_revise(campaign_id=campaign.pk, reason="one more dataset", actor=people.actor("olga"), now=people.now)
    assert Plan.objects.get(pk=first.plan_id).state == PlanState.DISCARDED
    second = people.study(people.fresh(campaign))
    campaign_propose(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    assert (second.number, quorum_of(people.revision(campaign)).given) == (2, 0)
    assert Revision.objects.get(pk=first.pk).voided_reason == "one more dataset"


def test_a_person_says_one_thing_about_a_revision(people: Collaboration) -> None:
    campaign = people.proposed()
    people.sign(campaign, "petra", Verdict.ABSTAIN)
    with pytest.raises(AlreadySigned, match="is not changed"):
        people.sign(campaign, "petra")


def test_a_rejection_needs_a_reason_and_ends_the_proposal(people: Collaboration) -> None:
    campaign = people.proposed()
    with pytest.raises(InvalidInput, match="say why"):
        people.sign(campaign, "petra", Verdict.REJECT, " ")
    people.sign(campaign, "petra", Verdict.REJECT, "the analysis still reads it")
    assert people.fresh(campaign).state == CampaignState.REJECTED
    with pytest.raises(InvalidTransition, match="the campaign is rejected"):
        people.sign(campaign, "carla")


def test_after_the_expiry_nothing_is_signed_and_the_clock_ends_it(people: Collaboration) -> None:
    campaign = people.proposed()
    people.later(days=61)
    with pytest.raises(TooLate, match="expired at"):
        people.sign(campaign, "petra")
    assert campaigns_tick(now=people.now).expired == 1
    assert people.fresh(campaign).state == CampaignState.EXPIRED
    assert people.plan_state(campaign) == PlanState.DISCARDED


def test_a_right_that_was_revoked_meanwhile_is_refused(people: Collaboration) -> None:
    campaign = people.proposed()
    petra = people.actor("petra")
    petra.user.has_perm("campaigns.approve_campaign", campaign)  # what the page asked fills the caches of the account
    people.user("petra").groups.clear()
    with pytest.raises(PermissionDenied, match="approve_campaign"):
        campaign_sign(
            campaign_id=campaign.pk,
            verdict=Verdict.APPROVE,
            digest=people.revision(campaign).digest,
            actor=petra,
            now=people.now,
        )


def test_a_group_without_members_cannot_be_asked_to_sign(people: Collaboration) -> None:
    campaign = people.studied()
    people.user("carla").groups.clear()
    with pytest.raises(QuorumImpossible, match="Computing coordinators"):
        campaign_propose(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)


def test_a_group_emptied_after_the_proposal_is_named_as_what_is_missing(people: Collaboration) -> None:
    campaign = people.proposed()
    people.user("carla").groups.clear()
    people.sign(campaign, "petra")
    people.sign(campaign, "paul")
    assert people.fresh(campaign).state == CampaignState.PROPOSED
    assert "nobody of it is left who could" in quorum_of(people.revision(campaign)).missing[0]


def test_less_than_the_usual_notice_needs_a_reason_that_is_shown(people: Collaboration) -> None:
    campaign = people.studied(notice_reason="")
    people.later(days=5)
    with pytest.raises(InvalidInput, match="the usual notice is 14 days"):
        campaign_propose(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    campaign_revise(campaign_id=campaign.pk, reason="notice", actor=people.actor("olga"), now=people.now)
    edits = Edits(notice_reason="the site closes")
    campaign_edit(campaign_id=campaign.pk, edits=edits, actor=people.actor("olga"), now=people.now)
    people.study(people.fresh(campaign))
    campaign_propose(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    campaigns_tick(now=people.now)
    assert "because: the site closes" in Notice.objects.filter(kind="ANNOUNCED").first().text


def test_times_out_of_order_are_refused(people: Collaboration) -> None:
    campaign = people.draft()
    with pytest.raises(InvalidInput, match="The times must come in this order"):
        campaign_edit(
            campaign_id=campaign.pk,
            edits=Edits(expires_at=people.now + timedelta(days=1)),
            actor=people.actor("olga"),
            now=people.now,
        )


def ask(people: Collaboration, campaign: object, patterns: list[str], login: str = "dan", days: int = 200) -> object:
    return exception_ask(
        campaign_id=campaign.pk,
        patterns=patterns,
        reason="my thesis",
        until=(people.now + timedelta(days=days)).date(),
        group_name="higgs",
        actor=people.actor(login),
        now=people.now,
    )


def test_a_granted_exception_drops_out_of_the_list_and_keeps_signatures_and_digest(people: Collaboration) -> None:
    campaign = people.approved()
    revision = people.revision(campaign)
    effect = exception_effect(campaign_id=campaign.pk, patterns=[HIGGS])
    assert (effect.num_items, effect.num_datasets, effect.size_bytes) == (3, 1, 60)
    exception = ask(people, campaign, [HIGGS])
    assert (exception.num_items, exception.size_bytes) == (3, 60)
    done = exception_decide(exception_id=exception.pk, is_granted=True, actor=people.actor("rita"), now=people.now)
    assert done.state == ExceptionState.GRANTED
    assert DroppedItem.objects.filter(revision=revision).count() == 3
    assert people.fresh(campaign).state == CampaignState.APPROVED
    assert quorum_of(people.revision(campaign)).is_met
    assert people.revision(campaign).digest == revision.digest
    assert done.rule_text == f"Protect @exception-{done.pk}(owner=higgs, expires={done.until}) dataset.name == {HIGGS}"


def test_granted_exceptions_stand_on_top_of_the_text_when_it_is_studied_again(people: Collaboration) -> None:
    campaign = people.proposed()
    exception = ask(people, campaign, ["/Higgs/*"])
    exception_decide(exception_id=exception.pk, is_granted=True, actor=people.actor("rita"), now=people.now)
    campaign_revise(campaign_id=campaign.pk, reason="again", actor=people.actor("olga"), now=people.now)
    revision = people.study(people.fresh(campaign))
    assert revision.text.startswith(f"Protect @exception-{exception.pk}(owner=higgs")
    assert (revision.num_items, revision.num_datasets) == (3, 1)


def test_exceptions_are_refused_after_closing_and_for_what_they_cannot_mean(people: Collaboration) -> None:
    campaign = people.proposed()
    for patterns, problem in (
        (["/Nothing/*"], "nothing would be kept"),
        (["/A b/*"], "no name of a dataset"),
        (["/A[12]*"], "no name of a dataset"),
        ([], "expected 1 to"),
    ):
        with pytest.raises(InvalidInput, match=problem):
            ask(people, campaign, patterns)
    with pytest.raises(InvalidInput, match="more than a year away"):
        ask(people, campaign, [HIGGS], days=400)
    with pytest.raises(InvalidInput, match="is past"):
        ask(people, campaign, [HIGGS], days=-1)
    people.later(days=15)
    with pytest.raises(TooLate, match="exceptions closed at"):
        ask(people, campaign, [HIGGS])


def test_execution_waits_until_every_exception_is_decided(people: Collaboration) -> None:
    campaign = people.approved()
    exception = ask(people, campaign, [HIGGS])
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    with pytest.raises(NotReady, match="1 exception wait"):
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    exception_decide(
        exception_id=exception.pk, is_granted=False, reason="there is a copy", actor=people.actor("rita"), now=people.now
    )
    campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)


def test_exceptions_are_shortened_or_refused_with_a_reason_and_decided_in_bulk(people: Collaboration) -> None:
    campaign = people.proposed()
    first, second, third = (ask(people, campaign, [HIGGS]) for _ in range(3))
    with pytest.raises(InvalidInput, match="say why it is refused"):
        exception_decide(exception_id=first.pk, is_granted=False, actor=people.actor("rita"), now=people.now)
    shorter = (people.now + timedelta(days=30)).date()
    done = exception_decide(
        exception_id=first.pk, is_granted=True, until=shorter, reason="till the paper", actor=people.actor("olga"), now=people.now
    )
    assert (done.state, done.granted_until) == (ExceptionState.SHORTENED, shorter)
    with pytest.raises(PermissionDenied, match="may not decide exceptions"):
        exception_decide(exception_id=second.pk, is_granted=True, actor=people.actor("dan"), now=people.now)
    results = exceptions_decide(
        exception_ids=[first.pk, second.pk, third.pk], is_granted=False, reason="done", actor=people.actor("rita"), now=people.now
    )
    assert [(row.state, "already" in row.problem) for row in results] == [("", True), ("REFUSED", False), ("REFUSED", False)]


def test_an_exception_outlives_its_campaign_as_a_lock_where_it_was_so_granted(people: Collaboration) -> None:
    campaign = people.proposed()
    exception = ask(people, campaign, ["/Higgs/*"])
    exception_decide(exception_id=exception.pk, is_granted=True, becomes_lock=True, actor=people.actor("rita"), now=people.now)
    assert campaigns_tick(now=people.now).locks == 1
    assert campaigns_tick(now=people.now).locks == 0
    lock = Lock.objects.get(source=f"exception {exception.pk}")
    assert (lock.dataset_pattern, lock.owner, lock.expires_at.date()) == (
        "/Higgs/*",
        "higgs",
        exception.until + timedelta(days=1),
    )


def test_everybody_concerned_is_told_once_and_a_mail_server_that_is_down_loses_nothing(
    people: Collaboration, settings: object
) -> None:
    people.proposed()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1  # nobody listens there
    ticked = campaigns_tick(now=people.now)
    assert ticked.told == 8
    assert (ticked.mailed, ticked.mails_failed) == (0, 8)
    assert set(Notice.objects.filter(kind="ANNOUNCED").values_list("user__username", flat=True)) == {
        "olga",
        "petra",
        "paul",
        "carla",
        "rita",
    }
    part = Notice.objects.get(kind="ANNOUNCED", user__username="rita").part
    assert (part["groups"], part["items"], part["size_bytes"]) == (["higgs"], 3, 60)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert campaigns_tick(now=people.now).mailed == 0  # it waits a little first
    ticked = campaigns_tick(now=people.later(minutes=6))
    assert (ticked.told, ticked.mailed) == (0, 8)
    assert len(mail.outbox) == 8
    assert campaigns_tick(now=people.later(days=1)).mailed == 0


def test_reminders_come_seven_days_and_one_day_before_exceptions_close(people: Collaboration) -> None:
    people.proposed()
    campaigns_tick(now=people.now)
    told = [campaigns_tick(now=people.later(days=1)).told for _ in range(15)]
    assert [day + 1 for day, number in enumerate(told) if number] == [8, 14]
    assert {number for number in told if number} == {5}


def test_a_campaign_that_starts_by_itself_does_and_another_does_not(people: Collaboration) -> None:
    alone = people.approved("By itself", text=TEXT.replace("/*/*/*", "/Higgs/*"), starts_by_itself=True)
    other = people.approved("By hand", text=TEXT.replace("/*/*/*", "/Top/*"))
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    assert campaigns_tick(now=people.now).started == 1
    assert (people.fresh(alone).state, people.fresh(other).state) == (CampaignState.EXECUTING, CampaignState.APPROVED)
    with pytest.raises(PermissionDenied, match="does not start by itself"):
        campaign_execute(campaign_id=other.pk, actor=CLOCK, now=people.now)


def test_a_text_that_no_longer_parses_is_refused_with_its_findings_and_a_signed_list_goes_on(people: Collaboration) -> None:
    signed = people.approved("Signed")
    draft = people.draft("Draft")
    type(draft).objects.update(text="Protect dataset.nam == /A\nOn nothing\n")
    with pytest.raises(PolicyInvalidError, match="errors"):
        campaign_study(campaign_id=draft.pk, actor=people.actor("olga"), now=people.now)
    studied = people.studied("Studied", text=TEXT)
    Revision.objects.update(text="Protect dataset.nam == /A\n")
    with pytest.raises(PolicyInvalidError):
        campaign_propose(campaign_id=studied.pk, actor=people.actor("olga"), now=people.now)
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    campaign_execute(campaign_id=signed.pk, actor=people.actor("olga"), now=people.now)
    assert people.plan_state(signed) == PlanState.RELEASED


def test_a_partition_with_a_campaign_is_not_deleted_and_one_defined_anew_leaves_the_signed_list_alone(
    people: Collaboration,
) -> None:
    draft = people.draft("Draft")
    with pytest.raises(ProtectedError, match="protected foreign keys"):
        people.partition.delete()
    campaign = people.approved("Signed")
    digest = people.revision(campaign).digest
    partition_define(name="Everything", condition="site.storage_type == MSS", actor=people.actor("root"))
    assert people.revision(campaign).digest == digest
    assert quorum_of(people.revision(campaign)).is_met
    with pytest.raises(PolicyError, match="nothing to delete"):
        people.study(draft)
