"""A small collaboration: people with roles, a partition with a quorum, data at real folders, and a campaign at any state."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group as AuthGroup
from django.utils import timezone

from campaigns.choices import CampaignState, Verdict
from campaigns.models import (
    Approval,
    Campaign,
    ExceptionRequest,
    GroupRepresentative,
    Notice,
    QuorumGroup,
    QuorumRule,
    Revision,
    Study,
)
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import Edits, campaign_cancel, campaign_create
from campaigns.services.exception_requests import exception_ask, exception_decide
from campaigns.services.execution import campaign_execute, campaign_expire, campaign_pause, campaign_settle
from campaigns.services.proposals import campaign_propose
from campaigns.services.reports import campaign_report_make
from campaigns.services.studies import campaign_study, study_carry_out
from campaigns.services.ticking import CLOCK, campaigns_tick
from inventory.choices import FactFeedName, InjectionState
from inventory.models import BlockReplica, FactFeed, Group, Injection, Site
from inventory.services.audit import Actor
from policies.choices import PlanState
from policies.models import Partition, Plan
from policies.services.plans import plan_finish
from tests.factories.operations import NOW, World

PHYSICS, COMPUTING = "Physics coordinators", "Computing coordinators"
TEXT = "On site.name == T3_*\nWhen always\nUntil never\nDelete dataset.name == /*/*/*\nProtect\n"


@dataclass
class Collaboration:
    """``now`` is the clock that everything is done at; tests move it."""

    folder: Path
    now: datetime = NOW
    num_blocks: int = 3
    datasets: tuple[str, ...] = ("/Higgs/Run2026A-v1/AOD", "/Top/Run2026B-v1/RAW")
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(self.folder)
        self.partition = Partition.objects.create(name="Everything", condition="site.storage_type == DISK")
        self.higgs = Group.objects.create(name="higgs")
        people = {
            "olga": "Operators",
            "petra": PHYSICS,
            "paul": PHYSICS,
            "carla": COMPUTING,
            "rita": "Group representatives",
            "anna": "Auditors",
        }
        for login, role in people.items():
            user = get_user_model().objects.create_user(login, f"{login}@example.org", is_staff=True)
            user.groups.add(AuthGroup.objects.get(name=role))
        get_user_model().objects.create_user("dan", "dan@example.org")
        get_user_model().objects.create_superuser("root", "root@example.org")
        GroupRepresentative.objects.create(group=self.higgs, user=self.user("rita"))
        rule = QuorumRule.objects.create(partition=self.partition, min_signatures=2)
        for name in (PHYSICS, COMPUTING):
            QuorumGroup.objects.create(rule=rule, group=AuthGroup.objects.get(name=name))
        self.copies: list[BlockReplica] = []
        for dataset in self.datasets:
            self.copies += self.world.two_copies(self.num_blocks, num_files=2, dataset=dataset)
        BlockReplica.objects.filter(block__dataset__name=self.datasets[0]).update(group=self.higgs)
        for name in FactFeedName.values:
            FactFeed.objects.create(name=name, source="test", measured_at=self.now, max_age=timedelta(days=3650))
        Injection.objects.create(source="test", started_by="test", state=InjectionState.COMPLETED, finished_at=self.now)

    def user(self, login: str) -> object:
        return get_user_model().objects.get(username=login)

    def actor(self, login: str) -> Actor:
        return Actor.of(get_user_model().objects.get(username=login))

    def later(self, **kwargs: float) -> datetime:
        self.now += timedelta(**kwargs)
        return self.now

    def times(self, **kwargs: object) -> Edits:
        return Edits(
            exceptions_close_at=self.now + timedelta(days=15),
            earliest_start_at=self.now + timedelta(days=16),
            expires_at=self.now + timedelta(days=60),
            **kwargs,  # type: ignore[arg-type]
        )

    def draft(self, title: str = "Spring cleaning", text: str = TEXT, **kwargs: object) -> Campaign:
        return campaign_create(
            title=title,
            purpose="Make room for the new data.",
            partition_name="Everything",
            text=text,
            actor=self.actor("olga"),
            now=self.now,
            times=self.times(**kwargs),
        )

    def study(self, campaign: Campaign) -> Revision:
        return self.carry_out(campaign_study(campaign_id=campaign.pk, actor=self.actor("olga"), now=self.now))

    def carry_out(self, study: Study) -> Revision:
        """Do what a worker does with a study that was started."""
        Study.objects.filter(pk=study.pk).update(heartbeat_at=self.now)
        done = study_carry_out(study_id=study.pk, actor=self.actor("olga"), now=self.now)
        assert done.revision is not None
        return done.revision

    def studied(self, title: str = "Spring cleaning", text: str = TEXT, **kwargs: object) -> Campaign:
        campaign = self.draft(title, text, **kwargs)
        self.study(campaign)
        return self.fresh(campaign)

    def ask(self, campaign: Campaign, login: str = "dan", patterns: tuple[str, ...] = ("/Higgs/*",)) -> ExceptionRequest:
        until = (self.now + timedelta(days=90)).date()
        return exception_ask(
            campaign_id=campaign.pk,
            patterns=patterns,
            reason="thesis",
            until=until,
            group_name="higgs",
            actor=self.actor(login),
            now=self.now,
        )

    def grant(self, exception: ExceptionRequest, login: str = "rita") -> ExceptionRequest:
        return exception_decide(exception_id=exception.pk, is_granted=True, actor=self.actor(login), now=self.now)

    def proposed(self, title: str = "Spring cleaning", text: str = TEXT, **kwargs: object) -> Campaign:
        campaign = self.studied(title, text, **kwargs)
        campaign_propose(campaign_id=campaign.pk, actor=self.actor("olga"), now=self.now)
        return self.fresh(campaign)

    def sign(self, campaign: Campaign, login: str, verdict: Verdict = Verdict.APPROVE, comment: str = "") -> Approval:
        digest = self.revision(campaign).digest
        return campaign_sign(
            campaign_id=campaign.pk, verdict=verdict, digest=digest, actor=self.actor(login), now=self.now, comment=comment
        )

    def approved(self, title: str = "Spring cleaning", text: str = TEXT, **kwargs: object) -> Campaign:
        campaign = self.proposed(title, text, **kwargs)
        for login in ("petra", "carla"):
            self.sign(campaign, login)
        return self.fresh(campaign)

    def executing(self, title: str = "Spring cleaning", text: str = TEXT, **kwargs: object) -> Campaign:
        campaign = self.approved(title, text, **kwargs)
        self.later(days=17)
        Injection.objects.update(finished_at=self.now)
        campaign_execute(campaign_id=campaign.pk, actor=self.actor("olga"), now=self.now)
        return self.fresh(campaign)

    def at(self, state: CampaignState, title: str = "Spring cleaning") -> Campaign:
        """Bring a new campaign to *state* by the services alone; the clock moves as far as it must."""
        match state:
            case CampaignState.DRAFT:
                return self.draft(title)
            case CampaignState.STUDIED:
                return self.studied(title)
            case CampaignState.PROPOSED:
                return self.proposed(title)
            case CampaignState.APPROVED:
                return self.approved(title)
            case CampaignState.REJECTED:
                campaign = self.proposed(title)
                self.sign(campaign, "petra", Verdict.REJECT, "not now")
            case CampaignState.CANCELLED:
                campaign = self.proposed(title)
                campaign_cancel(campaign_id=campaign.pk, reason="not needed", actor=self.actor("olga"), now=self.now)
            case CampaignState.EXPIRED:
                campaign = self.proposed(title)
                self.later(days=61)
                campaign_expire(campaign_id=campaign.pk, actor=CLOCK, now=self.now)
            case CampaignState.EXECUTING:
                return self.executing(title)
            case CampaignState.PAUSED:
                campaign = self.executing(title)
                campaign_pause(campaign_id=campaign.pk, reason="wait", actor=self.actor("petra"), now=self.now)
            case CampaignState.COMPLETED:
                campaign = self.executing(title)
                plan_finish(plan_id=self.revision(campaign).plan_id)
                campaign_settle(campaign_id=campaign.pk, actor=CLOCK, now=self.now)
        return self.fresh(campaign)

    def fresh(self, campaign: Campaign) -> Campaign:
        return Campaign.objects.get(pk=campaign.pk)

    def revision(self, campaign: Campaign) -> Revision:
        return Revision.objects.select_related("campaign").get(campaign=campaign, is_current=True)

    def plan_state(self, campaign: Campaign) -> PlanState:
        return PlanState(Plan.objects.get(campaign_revision__campaign=campaign, campaign_revision__is_current=True).state)

    def spare_site(self) -> Site:
        return Site.objects.get(name="T3_B")


@dataclass(frozen=True)
class Campaigns:
    """A campaign in each state that acts begin from, by the real clock: what the API goes by."""

    draft: Campaign
    studied: Campaign
    proposed: Campaign
    approved: Campaign
    executing: Campaign
    paused: Campaign
    exception: ExceptionRequest
    notice: Notice
    until: str


def make_campaigns(folder: Path) -> Campaigns:
    """Make the campaigns as they came to be: those that are carried out were proposed weeks ago."""
    people = Collaboration(folder)
    today = timezone.now()
    people.now = today - timedelta(days=17)
    executing, paused, approved = people.proposed("Executing"), people.proposed("Paused"), people.proposed("Approved")
    for campaign in (executing, paused, approved):
        for login in ("petra", "carla"):
            people.sign(campaign, login)
    people.now = today
    Injection.objects.update(finished_at=today)
    for campaign in (executing, paused):
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=today)
    campaign_pause(campaign_id=paused.pk, reason="wait", actor=people.actor("petra"), now=today)
    studied, proposed = people.studied("Studied"), people.proposed("Proposed")
    campaign_report_make(campaign_id=studied.pk, actor=people.actor("olga"), now=today)
    notice = Notice.objects.filter(user__username="rita").first()
    if notice is None:
        campaigns_tick(now=today)
        notice = Notice.objects.filter(user__username="rita").earliest("pk")
    return Campaigns(
        draft=people.draft("Draft"),
        studied=studied,
        proposed=proposed,
        approved=people.fresh(approved),
        executing=people.fresh(executing),
        paused=people.fresh(paused),
        exception=people.ask(proposed),
        notice=notice,
        until=(today + timedelta(days=90)).date().isoformat(),
    )
