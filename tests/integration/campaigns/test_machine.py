"""Several people do anything with a campaign in any order, the clock moves, and what must never happen does not."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from campaigns.choices import CampaignState, ExceptionState, Verdict
from campaigns.exceptions import CampaignError
from campaigns.models import Approval, Campaign, CampaignEvent, DroppedItem, ExceptionRequest, Revision
from campaigns.selectors.quorum import quorum_of
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import campaign_cancel, campaign_revise
from campaigns.services.exception_requests import exception_ask, exception_decide
from campaigns.services.execution import campaign_execute, campaign_pause, campaign_resume
from campaigns.services.proposals import campaign_propose
from campaigns.services.ticking import campaigns_tick
from inventory.models import Injection
from inventory.services.audit import audit_verify
from policies.choices import PlanState
from policies.exceptions import PolicyError
from policies.models import Plan
from policies.selectors.plans import plan_digest_matches
from tests.factories.campaigns import Collaboration

PEOPLE = st.sampled_from(["olga", "petra", "paul", "carla", "rita", "anna", "dan", "root"])
PATTERNS = st.sampled_from(["/Higgs/*", "/Top/*", "/*/*/RAW"])


class Campaigning(RuleBasedStateMachine):
    """What people try; refusals are fine, broken promises are not."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.example = transaction.atomic()  # undone at its end: each example begins with an empty database
        self.example.__enter__()
        self.people = Collaboration(self.folder, num_blocks=1)
        self.campaign = self.people.studied()
        self.digests: dict[int, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    def attempt(self, act: object, **kwargs: object) -> None:
        before = CampaignEvent.objects.count()
        try:
            act(now=self.people.now, **kwargs)
        except (CampaignError, PermissionDenied):
            assert CampaignEvent.objects.count() == before, "a refusal leaves nothing behind"

    @rule(login=PEOPLE)
    def propose(self, login: str) -> None:
        self.attempt(campaign_propose, campaign_id=self.campaign.pk, actor=self.people.actor(login))

    @rule(login=PEOPLE, verdict=st.sampled_from(list(Verdict)), is_current=st.booleans())
    def sign(self, login: str, verdict: Verdict, is_current: bool) -> None:
        revision = Revision.objects.filter(campaign=self.campaign, is_current=True).first()
        digest = revision.digest if revision is not None and is_current else "0" * 64
        self.attempt(
            campaign_sign,
            campaign_id=self.campaign.pk,
            verdict=verdict,
            digest=digest,
            comment="so I think",
            actor=self.people.actor(login),
        )

    @rule(login=PEOPLE, pattern=PATTERNS)
    def ask(self, login: str, pattern: str) -> None:
        self.attempt(
            exception_ask,
            campaign_id=self.campaign.pk,
            patterns=[pattern],
            reason="mine",
            until=(self.people.now + timedelta(days=99)).date(),
            group_name="higgs",
            actor=self.people.actor(login),
        )

    @rule(login=PEOPLE, is_granted=st.booleans())
    def decide(self, login: str, is_granted: bool) -> None:
        exception = ExceptionRequest.objects.filter(state=ExceptionState.ASKED).first()
        if exception is not None:
            self.attempt(
                exception_decide,
                exception_id=exception.pk,
                is_granted=is_granted,
                reason="so be it",
                actor=self.people.actor(login),
            )

    @rule(login=PEOPLE)
    def execute(self, login: str) -> None:
        Injection.objects.update(finished_at=self.people.now)
        self.attempt(campaign_execute, campaign_id=self.campaign.pk, actor=self.people.actor(login))

    @rule(login=PEOPLE, act=st.sampled_from([campaign_pause, campaign_resume]))
    def stop_or_go(self, login: str, act: object) -> None:
        self.attempt(act, campaign_id=self.campaign.pk, reason="because", actor=self.people.actor(login))

    @rule(login=PEOPLE, act=st.sampled_from([campaign_revise, campaign_cancel]))
    def give_up(self, login: str, act: object) -> None:
        self.attempt(act, campaign_id=self.campaign.pk, reason="because", actor=self.people.actor(login))

    @rule()
    def study(self) -> None:
        if self.state() in (CampaignState.DRAFT, CampaignState.STUDIED):
            try:
                self.people.study(self.people.fresh(self.campaign))
            except PolicyError as error:
                assert "nothing to delete" in str(error), error

    @rule(days=st.sampled_from([1, 8, 17]))
    def wait(self, days: int) -> None:
        self.people.later(days=days)
        campaigns_tick(now=self.people.now)

    @rule(login=st.sampled_from(["petra", "carla"]), is_member=st.booleans())
    def membership(self, login: str, is_member: bool) -> None:
        user = self.people.user(login)
        user.is_active = is_member
        user.save()

    def state(self) -> CampaignState:
        return CampaignState(Campaign.objects.values_list("state", flat=True).get(pk=self.campaign.pk))

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "campaign"):
            return
        campaign = Campaign.objects.get(pk=self.campaign.pk)
        current = Revision.objects.filter(campaign=campaign, is_current=True)
        assert current.count() <= 1
        for approval in Approval.objects.select_related("revision"):
            assert approval.approver_id != approval.revision.proposed_by_id
            assert approval.digest == approval.revision.digest
        for revision in Revision.objects.all():
            assert self.digests.setdefault(revision.pk, revision.digest) == revision.digest
            assert plan_digest_matches(revision.plan_id)
        released = Plan.objects.filter(state=PlanState.RELEASED)
        for plan in released:
            assert campaign.state in (CampaignState.EXECUTING, CampaignState.PAUSED)
            assert quorum_of(Revision.objects.get(plan=plan)).is_met
            assert self.people.now >= campaign.earliest_start_at
            assert campaign.started_at < campaign.expires_at
            assert not ExceptionRequest.objects.filter(campaign=campaign, state=ExceptionState.ASKED).exists()
        for exception in ExceptionRequest.objects.filter(state=ExceptionState.GRANTED, revision__in=current):
            dropped = DroppedItem.objects.filter(revision=current.get(), exception=exception)
            assert dropped.exists() or DroppedItem.objects.filter(revision=current.get()).exists()
        assert audit_verify() is None


@pytest.mark.django_db
def test_no_order_of_acts_breaks_a_promise() -> None:
    run_state_machine_as_test(
        Campaigning,
        settings=settings(max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)),
    )
