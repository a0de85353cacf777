"""Who may do what with campaigns: what is not announced is hidden, and each act takes its right in general or on the campaign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from campaigns.models import Campaign, Revision
from tests.factories.campaigns import TEXT, Campaigns
from tests.integration.api.expected import Expected, rights_below

BASE = "/api/v1/campaigns/"
CAMPAIGN = BASE + "campaigns/(?P<pk>[^/.]+)/"
EXCEPTION = BASE + "exceptions/(?P<pk>[^/.]+)/"
VIEW, CHANGE = "campaigns.view_campaign", "campaigns.change_campaign"
EXECUTE = "campaigns.execute_campaign"

Chosen = Callable[[Campaigns], Campaign]


def key_of(chosen: Chosen) -> Callable[[Campaigns], Mapping[str, Any]]:
    return lambda world: {"pk": chosen(world).pk, "kind": "json"}


def draft(world: Campaigns) -> Campaign:
    return world.draft


def studied(world: Campaigns) -> Campaign:
    return world.studied


def proposed(world: Campaigns) -> Campaign:
    return world.proposed


def hidden(method: str, below: str, status: int = 200, *, of: Chosen = studied, body: Any = None) -> Expected:
    """Who may see a campaign that is not announced: everything below it is not there for others."""
    return Expected(
        method,
        CAMPAIGN + below,
        VIEW,
        status,
        kwargs=key_of(of),
        body=None if method == "GET" else lambda _: body or {},
        guarded=of,
        another=lambda world: world.draft if of is studied else world.studied,
        hidden=True,
    )


def act(name: str, right: str, status: int = 200, *, of: Chosen, body: Any = None) -> Expected:
    """An act on a campaign by one right."""
    method, below = ("POST", f"{name}/") if name else ("PATCH", "")
    return Expected(
        method,
        CAMPAIGN + below,
        right,
        status,
        kwargs=key_of(of),
        body=body if callable(body) else lambda _: body or {},
        guarded=of,
        another=lambda world: world.studied if of is draft else world.draft,
        also=(VIEW,),
    )


def signature(world: Campaigns) -> Mapping[str, Any]:
    return {"verdict": "APPROVE", "digest": Revision.objects.get(campaign=world.proposed, is_current=True).digest}


WISH = {"patterns": ["/Higgs/*"], "reason": "thesis", "group": "higgs"}

EXPECTED = (
    Expected("GET", BASE, None),
    Expected("GET", BASE + "campaigns/", None),
    Expected(
        "POST",
        BASE + "campaigns/",
        "campaigns.add_campaign",
        201,
        body=lambda _: {"title": "New", "purpose": "room", "partition": "Everything", "text": TEXT},
    ),
    hidden("GET", "", of=draft),
    *(hidden("GET", f"{below}/") for below in ("actions", "comments", "events", "items", "quorum")),
    *(
        hidden("GET", f"{below}/")
        for below in ("revision", "revisions", "studies", "reports", "report/(?P<kind>json|html|csv|parquet)")
    ),
    hidden("POST", "comment/", 201, body={"text": "well"}),
    hidden("POST", "effect/", body={"patterns": ["/Higgs/*"]}),
    hidden("POST", "report/", 202),
    act("", CHANGE, of=draft, body={"purpose": "more room"}),
    act("study", CHANGE, 202, of=draft),
    act("revise", CHANGE, of=studied, body={"reason": "too much"}),
    act("cancel", CHANGE, of=draft, body={"reason": "no need"}),
    act("propose", "campaigns.propose_campaign", of=studied),
    act("sign", "campaigns.approve_campaign", of=proposed, body=signature),
    act("execute", EXECUTE, of=lambda world: world.approved),
    act("pause", "campaigns.pause_campaign", of=lambda world: world.executing, body={"reason": "wait"}),
    act("resume", EXECUTE, of=lambda world: world.paused),
    # Anybody may ask that data be kept, of what is announced; the list of many is decided one by one, each with its answer.
    Expected("POST", CAMPAIGN + "except/", None, 201, kwargs=key_of(proposed), body=lambda world: WISH | {"until": world.until}),
    Expected(
        "POST",
        BASE + "campaigns/decide/",
        None,
        body=lambda world: {"exceptions": [world.exception.pk], "is_granted": False, "reason": "copied"},
    ),
    Expected("GET", BASE + "exceptions/", None),
    Expected("GET", EXCEPTION, None, kwargs=lambda world: {"pk": world.exception.pk}),
    Expected(
        "POST",
        EXCEPTION + "decide/",
        "campaigns.decide_exceptions",
        kwargs=lambda world: {"pk": world.exception.pk},
        body=lambda _: {"is_granted": True},
        guarded=proposed,
        another=draft,
    ),
    # Only who asked takes it back, whatever the rights.
    Expected("POST", EXCEPTION + "withdraw/", None, 403, kwargs=lambda world: {"pk": world.exception.pk}, body=lambda _: {}),
    # The inbox is one's own: a notice of somebody else is not there.
    Expected("GET", BASE + "inbox/", None),
    Expected("GET", BASE + "inbox/(?P<pk>[^/.]+)/", None, 404, kwargs=lambda world: {"pk": world.notice.pk}),
    Expected("POST", BASE + "inbox/read/", None, body=lambda world: {"notices": [world.notice.pk]}),
    *rights_below(BASE + "campaigns/", "campaigns.change_quorumrule", of=proposed, also=VIEW),
    Expected("GET", BASE + "quorum-rules/", None),
    Expected(
        "POST",
        BASE + "quorum-rules/",
        "campaigns.change_quorumrule",
        body=lambda _: {"partition": "Everything", "min_signatures": 3, "groups": {}},
    ),
    Expected("GET", BASE + "representatives/", None),
    Expected(
        "POST",
        BASE + "representatives/",
        "campaigns.change_grouprepresentative",
        body=lambda _: {"group": "higgs", "login": "dan", "speaks": True},
    ),
)
