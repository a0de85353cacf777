"""A campaign by the API alone: the same services, the same refusals, one shape of errors."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from campaigns.choices import CampaignState
from campaigns.models import Campaign, Notice
from campaigns.services.reports import report_carry_out, report_verify
from campaigns.services.studies import study_carry_out
from campaigns.services.ticking import campaigns_tick
from inventory.models import Injection
from inventory.services.audit import Actor
from tests.factories.api import ANY_VERSION, client_of
from tests.factories.campaigns import TEXT, Collaboration

BASE = "/api/v1/campaigns/"


class Caller:
    """A person with a token."""

    def __init__(self, login: str) -> None:
        self.client: Client = client_of(User.objects.get(username=login))

    def get(self, path: str, expected: int = 200) -> Any:
        answer = self.client.get(BASE + path)
        assert answer.status_code == expected, answer.content
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None, expected: int = 200) -> Any:
        answer = self.client.post(BASE + path, data=json.dumps(body or {}), content_type="application/json")
        assert answer.status_code == expected, answer.content
        return answer.json()


@pytest.fixture
def now_people(people: Collaboration) -> Collaboration:
    """The API goes by the real clock."""
    people.now = timezone.now()
    Injection.objects.update(finished_at=people.now)
    return people


def test_a_whole_campaign_by_the_api_alone(now_people: Collaboration, django_capture_on_commit_callbacks: Any) -> None:
    now = now_people.now
    olga, petra, carla, dan, rita = (Caller(login) for login in ("olga", "petra", "carla", "dan", "rita"))
    draft = olga.post(
        "campaigns/",
        {
            "title": "By API",
            "purpose": "room",
            "partition": "Everything",
            "text": TEXT,
            "exceptions_close_at": (now + timedelta(days=15)).isoformat(),
            "earliest_start_at": (now + timedelta(days=16)).isoformat(),
            "expires_at": (now + timedelta(days=60)).isoformat(),
        },
        201,
    )
    one = f"campaigns/{draft['id']}/"
    dan.get(one, 404)  # a draft is nobody's business yet
    patched = olga.client.patch(
        BASE + one, data=json.dumps({"purpose": "more room"}), content_type="application/json", headers=ANY_VERSION
    )
    assert (patched.status_code, patched.json()["purpose"]) == (200, "more room")
    study = olga.post(f"{one}study/", expected=202)
    study_carry_out(study_id=study["id"], actor=Actor("worker"), now=now)
    assert olga.get(f"{one}studies/")[0]["state"] == "COMPLETED"
    assert [offer["action"] for offer in olga.get(f"{one}actions/") if offer["is_possible"]] == [
        "STUDY",
        "PROPOSE",
        "REVISE",
        "CANCEL",
    ]
    revision = olga.get(f"{one}revision/")
    assert (revision["num_items"], revision["size_bytes"]) == (6, 120)
    with django_capture_on_commit_callbacks(execute=False):
        assert olga.post(f"{one}propose/")["state"] == CampaignState.PROPOSED
    campaigns_tick(now=now)
    assert dan.get(one)["state"] == CampaignState.PROPOSED
    assert rita.get("inbox/")["results"][0]["part"]["size_bytes"] == 60
    notices = [notice["id"] for notice in rita.get("inbox/")["results"]]
    assert rita.post("inbox/read/", {"notices": notices}) == {"num_marked": len(notices)}
    assert Notice.objects.filter(user__username="rita", read_at__isnull=True).count() == 0

    assert dan.post(f"{one}effect/", {"patterns": ["/Higgs/*"]}) == {"num_items": 3, "num_datasets": 1, "size_bytes": 60}
    until = (now + timedelta(days=90)).date().isoformat()
    wish = {"patterns": ["/Higgs/*"], "reason": "thesis", "until": until, "group": "higgs"}
    exception = dan.post(f"{one}except/", wish, 201)
    dan.post(f"exceptions/{exception['id']}/decide/", {"is_granted": True}, 403)
    assert rita.post(f"exceptions/{exception['id']}/decide/", {"is_granted": True})["state"] == "GRANTED"
    second = dan.post(f"{one}except/", wish | {"patterns": ["/Top/*"]}, 201)
    refused = rita.post("campaigns/decide/", {"exceptions": [second["id"]], "is_granted": False, "reason": "copied"})
    assert [row["state"] for row in refused] == ["REFUSED"]

    digest = petra.get(f"{one}quorum/")["digest"]
    sign = {"verdict": "APPROVE", "digest": digest}
    assert petra.post(f"{one}sign/", sign | {"digest": "0" * 64}, 409)["code"] == "digest_outdated"
    petra.post(f"{one}sign/", sign)
    assert petra.post(f"{one}sign/", sign, 409)["code"] == "already_signed"
    dan.post(f"{one}sign/", sign, 403)
    assert carla.post(f"{one}sign/", sign)["state"] == CampaignState.APPROVED
    assert olga.post(f"{one}execute/", expected=409)["code"] == "too_early"
    assert carla.get(f"{one}quorum/")["missing"] == []
    items = dan.get(f"{one}items/?page_size=4")
    assert (len(items["results"]), items["next_after_sequence"]) == (4, 3)
    rest = dan.get(f"{one}items/?after_sequence=3")
    assert (len(rest["results"]), rest["next_after_sequence"]) == (2, None)
    dropped = [row["dropped_because"] for row in items["results"] + rest["results"]]
    assert sum("exception" in reason for reason in dropped) == 3

    Campaign.objects.update(
        announced_at=now - timedelta(days=20),
        exceptions_close_at=now - timedelta(days=2),
        earliest_start_at=now - timedelta(days=1),
    )
    assert dan.post(f"{one}except/", wish, 409)["code"] == "too_late"
    assert olga.post(f"{one}execute/")["state"] == CampaignState.EXECUTING
    assert petra.post(f"{one}pause/", {"reason": "wait"})["state"] == CampaignState.PAUSED
    petra.post(f"{one}resume/", expected=403)
    assert olga.post(f"{one}resume/")["state"] == CampaignState.EXECUTING
    assert olga.post(f"{one}propose/", expected=409)["code"] == "invalid_transition"
    assert dan.post(f"{one}comment/", {"text": "thank you"}, 201)["author_name"] == "dan"
    assert [row["text"] for row in dan.get(f"{one}comments/")] == ["thank you"]
    assert olga.post(f"{one}cancel/", {"reason": "enough"})["state"] == CampaignState.CANCELLED

    asked = dan.post(f"{one}report/", expected=202)
    assert (asked["state"], asked["files"]) == ("RUNNING", {})
    assert dan.client.get(f"{BASE}{one}report/json/").status_code == 404
    assert dan.post(f"{one}report/", expected=409)["code"] == "not_ready"
    report_carry_out(report_id=asked["id"], now=now)
    report = dan.get(f"{one}reports/")[0]
    assert set(report["files"]) == {"json", "html", "csv", "parquet"}
    files = {f"r.{kind}": dan.client.get(f"{BASE}{one}report/{kind}/").content for kind in report["files"]}
    assert all(one.is_true for one in report_verify(files=files))
    assert [event["action"] for event in dan.get(f"{one}events/")][-2:] == ["COMMENT", "CANCEL"]
    assert [row["number"] for row in dan.get(f"{one}revisions/")] == [1]


def test_the_proposer_cannot_sign_by_the_api_not_even_a_superuser(now_people: Collaboration) -> None:
    campaign = now_people.studied()
    root = Caller("root")
    one = f"campaigns/{campaign.pk}/"
    root.post(f"{one}propose/")
    digest = root.get(f"{one}quorum/")["digest"]
    assert root.post(f"{one}sign/", {"verdict": "APPROVE", "digest": digest}, 403)["code"] == "own_proposal"


def test_lists_show_what_one_may_see_and_refuse_unknown_filters(now_people: Collaboration) -> None:
    draft = now_people.draft("Secret")
    now_people.proposed("Open")
    anna, dan = Caller("anna"), Caller("dan")
    assert [row["title"] for row in anna.get("campaigns/")["results"]] == ["Open", "Secret"]
    assert [row["title"] for row in dan.get("campaigns/")["results"]] == ["Open"]
    assert [row["title"] for row in anna.get("campaigns/?state=DRAFT")["results"]] == [draft.title]
    dan.get("campaigns/?stat=DRAFT", 400)
    assert dan.get("exceptions/?state=ASKED")["results"] == []
    assert Client().get(f"{BASE}campaigns/").status_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("study", {}),
        ("propose", {}),
        ("revise", {"reason": "x"}),
        ("cancel", {"reason": "x"}),
        ("execute", {}),
        ("pause", {"reason": "x"}),
        ("resume", {}),
        ("sign", {"verdict": "APPROVE", "digest": "0"}),
    ],
)
def test_acts_are_refused_without_the_right_and_with_it_on_another_campaign(
    now_people: Collaboration, path: str, body: dict[str, Any]
) -> None:
    from guardian.shortcuts import assign_perm  # noqa: PLC0415 - used here alone

    campaign, other = now_people.proposed("This"), now_people.draft("Other")
    dan = User.objects.get(username="dan")
    caller = Caller("dan")
    rights = ("change", "propose", "approve", "pause", "execute", "view")
    caller.post(f"campaigns/{campaign.pk}/{path}/", body, 403)
    for right in rights:
        assign_perm(f"campaigns.{right}_campaign", dan, other)
    caller.post(f"campaigns/{campaign.pk}/{path}/", body, 403)
    for right in rights:
        assign_perm(f"campaigns.{right}_campaign", dan, campaign)
    answer = caller.client.post(f"{BASE}campaigns/{campaign.pk}/{path}/", data=json.dumps(body), content_type="application/json")
    assert answer.status_code in (200, 202, 409), answer.content


def test_lists_cost_the_same_queries_however_long_they_are(now_people: Collaboration, django_assert_max_num_queries: Any) -> None:
    now_people.proposed("One")
    anna = Caller("anna")
    anna.get("campaigns/")
    with django_assert_max_num_queries(20) as few:
        anna.get("campaigns/")
    for number in range(5):
        now_people.draft(f"More {number}")
    with django_assert_max_num_queries(20) as many:
        anna.get("campaigns/")
    assert len(few) == len(many)


def test_who_must_sign_and_who_speaks_for_a_group_is_set_by_those_who_may(now_people: Collaboration) -> None:
    olga, dan = Caller("olga"), Caller("dan")
    rule = {"partition": "Everything", "min_signatures": 3, "groups": {"Physics coordinators": 2}}
    dan.post("quorum-rules/", rule, 403)
    assert olga.post("quorum-rules/", rule) == rule
    assert dan.get("quorum-rules/") == [rule]
    assert olga.post("quorum-rules/", rule | {"groups": {"Nobody": 1}}, 400)["code"] == "invalid_input"
    wish = {"group": "higgs", "login": "dan", "speaks": True}
    dan.post("representatives/", wish, 403)
    assert olga.post("representatives/", wish) == {"is_changed": True}
    assert olga.post("representatives/", wish) == {"is_changed": False}
    assert {"group": "higgs", "login": "dan"} in dan.get("representatives/")
    assert olga.post("representatives/", wish | {"speaks": False}) == {"is_changed": True}
    assert olga.post("representatives/", wish | {"login": "nobody"}, 400)["code"] == "invalid_input"
