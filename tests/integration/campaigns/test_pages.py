"""The pages of campaigns, as people with different rights use them; every refusal is said and nothing has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.choices import CampaignState, ExceptionState
from campaigns.models import Approval, Campaign, CampaignReport, Comment, ExceptionRequest, Look, Notice, Study
from campaigns.services.notices import campaign_tell
from campaigns.services.reports import report_carry_out
from policies.services.kept_snapshots import snapshots_forget
from tests.factories.campaigns import Collaboration

pytestmark = pytest.mark.django_db
EVERYBODY = ("olga", "petra", "carla", "rita", "anna", "dan", "root")


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.VAR_DIR = tmp_path / "var"
    yield
    snapshots_forget()


@pytest.fixture
def people(tmp_path: Path) -> Collaboration:
    return Collaboration(tmp_path, now=timezone.now())


def page_of(campaign: Campaign, name: str = "campaign_change") -> str:
    return reverse(f"admin:campaigns_{name}", args=[campaign.pk])


def do(client: Client, campaign: Campaign, action: str, **data: str) -> str:
    """Send the form of an act and return the page that one comes back to."""
    answer = client.post(reverse("admin:campaigns_do", args=[campaign.pk, action]), data, follow=True)
    assert answer.redirect_chain[-1][0] == page_of(campaign)
    return answer.content.decode()


def enter(client: Client, people: Collaboration, login: str) -> None:
    client.force_login(people.user(login))


def test_everybody_with_an_account_sees_an_announced_campaign_and_no_draft(people: Collaboration, client: Client) -> None:
    draft, proposed = people.draft("A draft"), people.proposed("Announced")
    for login in EVERYBODY:
        enter(client, people, login)
        for name in ("campaign_change", "items", "except", "study"):
            assert client.get(page_of(proposed, name)).status_code == 200, (login, name)
        listed = client.get(reverse("admin:campaigns_campaign_changelist")).content.decode()
        assert "Announced" in listed
        sees_draft = login != "dan"
        assert ("A draft" in listed) == sees_draft, login
        assert client.get(page_of(draft)).status_code == (200 if sees_draft else 404), login
    client.logout()
    assert client.get(page_of(proposed)).status_code == 302


@pytest.mark.parametrize("state", list(CampaignState))
def test_the_page_opens_in_every_state(people: Collaboration, client: Client, state: CampaignState) -> None:
    campaign = people.at(state)
    enter(client, people, "olga")
    page = client.get(page_of(campaign)).content.decode()
    steps = page.split('<ol class="dy-stepper"')[1].split("</ol>")[0]
    current = steps.split('aria-current="step">')[1].split("</b>")[0].removeprefix("<b>")
    expected = {
        CampaignState.DRAFT: "Studied",
        CampaignState.STUDIED: "Announced",
        CampaignState.PROPOSED: "Exceptions close",
        CampaignState.APPROVED: "Executing",
        CampaignState.EXECUTING: "Executing",
        CampaignState.PAUSED: "Executing",
    }
    assert current == expected.get(state, campaign.get_state_display().capitalize())


def test_an_approver_signs_with_what_is_before_the_eyes(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    digest = people.revision(campaign).digest
    enter(client, people, "petra")
    page = client.get(page_of(campaign)).content.decode()
    assert f'name="digest" value="{digest}"' in page
    assert "Sign for Physics coordinators" in page
    assert "You have signed." in do(client, campaign, "sign", verdict="APPROVE", digest=digest, reason="fine")
    approval = Approval.objects.get()
    assert (approval.approver.get_username(), approval.digest, approval.address) == ("petra", digest, "127.0.0.1")


@pytest.mark.parametrize(
    ("login", "data", "said"),
    [
        ("petra", {"verdict": "APPROVE", "digest": "0" * 64}, "is not the one that is proposed now"),
        ("petra", {"verdict": "REJECT", "digest": "current"}, "say why"),
        ("petra", {"verdict": "MAYBE", "digest": "current"}, "say whether you approve, reject or abstain"),
        ("olga", {"verdict": "APPROVE", "digest": "current"}, "olga"),
        ("dan", {"verdict": "APPROVE", "digest": "current"}, "lacks the right"),
    ],
)
def test_a_signature_that_may_not_be_is_refused_in_words(
    people: Collaboration, client: Client, login: str, data: dict[str, str], said: str
) -> None:
    campaign = people.proposed()
    enter(client, people, login)
    if data["digest"] == "current":
        data = data | {"digest": people.revision(campaign).digest}
    assert said in do(client, campaign, "sign", **data)
    assert not Approval.objects.exists()
    assert people.fresh(campaign).state == CampaignState.PROPOSED


def test_the_page_says_what_changed_since_one_looked(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    enter(client, people, "petra")
    assert "Since you last looked" not in client.get(page_of(campaign)).content.decode()
    Look.objects.update(at=people.revision(campaign).created_at)
    people.later(seconds=1)
    exception = people.ask(campaign, "dan")
    people.grant(exception)
    page = client.get(page_of(campaign)).content.decode()
    assert "Since you last looked" in page
    assert "dropped out;" in page
    assert "nothing was added." in page


def test_who_does_not_want_to_lose_data_is_shown_what_is_concerned_and_asks(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    enter(client, people, "rita")
    page = client.get(page_of(campaign, "except")).content.decode()
    assert "These datasets of yours are concerned" in page
    assert people.datasets[0] in page
    effect = client.get(reverse("admin:campaigns_effect", args=[campaign.pk]), {"patterns": "/Higgs/*"}).json()
    assert effect["text"].startswith("would keep 60 B: 1 dataset, 3 block replicas")
    assert client.get(reverse("admin:campaigns_effect", args=[campaign.pk]), {"patterns": "/Nothing/*"}).json()["is_problem"]
    form = {
        "patterns": "/Higgs/*",
        "reason": "thesis",
        "until": str((people.now + timedelta(days=90)).date()),
        "group_name": "higgs",
    }
    answer = client.post(page_of(campaign, "except"), form, follow=True)
    assert "60 B would be kept" in answer.content.decode()
    asked = ExceptionRequest.objects.get()
    assert (asked.patterns, asked.asked_by.get_username()) == (["/Higgs/*"], "rita")
    late = client.post(page_of(campaign, "except"), form | {"until": "2099-01-01"})
    assert "more than a year away" in late.content.decode()
    assert ExceptionRequest.objects.count() == 1


def test_who_may_decides_exceptions_and_nobody_else_has_the_form(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    exception = people.ask(campaign, "dan")
    for login, may in (("rita", True), ("olga", True), ("petra", False), ("dan", False)):
        enter(client, people, login)
        page = client.get(page_of(campaign)).content.decode()
        assert ('value="grant"' in page) == may, login
    enter(client, people, "petra")
    assert "may not decide exceptions" in do(client, campaign, "decide", exception=str(exception.pk), decision="grant")
    enter(client, people, "rita")
    assert "The exception is granted." in do(client, campaign, "decide", exception=str(exception.pk), decision="grant")
    exception.refresh_from_db()
    assert exception.state == ExceptionState.GRANTED
    other = people.proposed("Another")
    assert client.post(reverse("admin:campaigns_do", args=[other.pk, "decide"]), {"exception": exception.pk}).status_code == 404


def test_acts_are_posts_and_an_unknown_one_is_not_found(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    enter(client, people, "olga")
    assert client.get(reverse("admin:campaigns_do", args=[campaign.pk, "sign"])).status_code == 405
    assert client.post(reverse("admin:campaigns_do", args=[campaign.pk, "delete-all"])).status_code == 404


def test_a_coordinator_goes_the_whole_way_by_pages(people: Collaboration, client: Client) -> None:
    enter(client, people, "olga")
    close, start, end = (people.now + timedelta(days=days) for days in (20, 21, 60))
    form = {
        "title": "By hand", "purpose": "Make room.", "partition": "Everything", "site_patterns": "T3_*",
        "exceptions_close_at": close.strftime("%Y-%m-%dT%H:%M"), "earliest_start_at": start.strftime("%Y-%m-%dT%H:%M"),
        "expires_at": end.strftime("%Y-%m-%dT%H:%M"), "site_bytes_per_day": "150 TB",
    }  # fmt: skip
    wrong = client.post(reverse("admin:campaigns_new"), form | {"site_bytes_per_day": "150 apples"})
    assert wrong.status_code == 200
    assert not Campaign.objects.exists()
    saved = client.post(reverse("admin:campaigns_new"), form)
    campaign = Campaign.objects.get()
    assert saved["Location"] == page_of(campaign, "study")
    assert campaign.site_bytes_per_day == 150 * 10**12
    picked = client.post(
        reverse("admin:campaigns_explore", args=[campaign.pk]),
        json.dumps({"picked": {"tier": ["AOD"]}, "base": campaign.text}),
        content_type="application/json",
    ).json()
    assert picked["rule"] == "Delete dataset.name == */AOD"
    assert "60 B" in picked["html"]
    client.post(page_of(campaign, "study"), {"text": picked["joined"], "study": "1"})
    study = Study.objects.get()
    assert picked["rule"] in Campaign.objects.get().text
    people.carry_out(study)
    assert "is proposed" in do(client, campaign, "propose")
    assert people.fresh(campaign).state == CampaignState.PROPOSED
    assert "Back to draft" in client.get(page_of(campaign)).content.decode()
    assert "say why" in do(client, campaign, "revise", reason="")
    assert "is a draft again" in do(client, campaign, "revise", reason="a wrong date")
    assert "is cancelled" in do(client, campaign, "cancel", reason="not now")


def test_findings_in_a_text_are_shown_and_nothing_is_frozen(people: Collaboration, client: Client) -> None:
    campaign = people.draft()
    enter(client, people, "olga")
    answer = client.post(page_of(campaign, "study"), {"text": "Delete replica.sise > 3", "study": "1"})
    assert answer.status_code == 409
    assert "did you mean" in answer.content.decode()
    url = reverse("admin:campaigns_explore", args=[campaign.pk])
    for body, problem in (
        ({"text": "Delete replica.sise > 3"}, "P104"),
        ({"picked": {"colour": ["red"]}}, "nothing can be picked by colour"),
        ([1], "expected"),
    ):
        refused = client.post(url, json.dumps(body), content_type="application/json")
        assert refused.status_code == 400
        assert problem in refused.json()["problem"]
    assert client.post(url, "{", content_type="application/json").status_code == 400
    enter(client, people, "dan")
    assert client.post(url, "{}", content_type="application/json").status_code == 404, "drafts are not his"
    announced = reverse("admin:campaigns_explore", args=[people.proposed("Announced").pk])
    assert client.post(announced, "{}", content_type="application/json").status_code == 403


def test_the_inbox_shows_the_oldest_deadline_first_and_what_is_read_goes(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    campaign_tell(campaign_id=campaign.pk, now=people.now)
    enter(client, people, "petra")
    inbox = reverse("admin:campaigns_inbox")
    page = client.get(inbox).content.decode()
    assert "waits for your signature" in page
    mine = list(Notice.objects.filter(user=people.user("petra")).values_list("pk", flat=True))
    others = Notice.objects.exclude(user=people.user("petra")).first()
    assert others is not None
    client.post(inbox, {"notice": [*mine, others.pk]})
    assert "Nothing waits for you." in client.get(inbox).content.decode()
    others.refresh_from_db()
    assert others.read_at is None, "nobody reads the mail of others"


def test_what_people_write_is_escaped(people: Collaboration, client: Client) -> None:
    campaign = people.proposed("<script>alert(1)</script>")
    enter(client, people, "petra")
    page = do(client, campaign, "comment", reason="<script>alert(2)</script>")
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 2
    assert Comment.objects.count() == 1


def test_pages_ask_the_same_number_of_queries_whatever_the_size(
    people: Collaboration, client: Client, django_assert_max_num_queries: Any
) -> None:
    campaign = people.proposed()
    enter(client, people, "olga")
    client.get(page_of(campaign))
    with django_assert_max_num_queries(90) as first:
        client.get(page_of(campaign))
    before = len(first)
    for _ in range(4):
        people.ask(campaign, "dan")
        do(client, campaign, "comment", reason="again")
    with django_assert_max_num_queries(before):
        client.get(page_of(campaign))


def test_a_report_is_made_read_and_is_the_one_that_the_chain_knows(people: Collaboration, client: Client) -> None:
    campaign = people.proposed("<b>bold</b>")
    enter(client, people, "anna")
    made = client.post(reverse("admin:campaigns_do", args=[campaign.pk, "report"]), follow=True)
    assert made.redirect_chain[-1][0] == page_of(campaign, "reports")
    report = report_carry_out(report_id=CampaignReport.objects.get().pk, now=people.now)
    for kind, file in report.files.items():
        answer = client.get(reverse("admin:campaigns_report", args=[campaign.pk, report.pk, kind]))
        content = answer.content
        assert hashlib.sha256(content).hexdigest() == file["sha256"], kind
    assert (
        "<b>bold</b>" not in client.get(reverse("admin:campaigns_report", args=[campaign.pk, report.pk, "html"])).content.decode()
    )
    assert client.get(reverse("admin:campaigns_report", args=[campaign.pk, report.pk, "exe"])).status_code == 404
    other = people.proposed("Another")
    assert client.get(reverse("admin:campaigns_report", args=[other.pk, report.pk, "json"])).status_code == 404


@pytest.mark.parametrize(("page", "entry"), [("campaigns_campaign_changelist", "Campaigns"), ("campaigns_inbox", "Inbox")])
def test_one_entry_of_the_sidebar_is_that_of_the_page(people: Collaboration, client: Client, page: str, entry: str) -> None:
    enter(client, people, "olga")
    (campaigns,) = [
        group for group in client.get(reverse(f"admin:{page}")).context["sidebar_navigation"] if group.get("title") == "Campaigns"
    ]
    assert [str(item["title"]) for item in campaigns["items"] if item["active"]] == [entry]
