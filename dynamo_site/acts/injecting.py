"""Acts on documents of which the inventory has a part and not the whole."""

from __future__ import annotations

from typing import Any

from dynamo_site.acts.act import Act
from inventory.selectors.wording import plural
from inventory.services.audit import Actor
from inventory.services.injection_jobs import injection_resume
from inventory.services.injection_rights import CHANGE_INJECTION, may_decide
from inventory.services.resumable import injection_give_up


def _kept(injection: Any) -> str:
    return plural(injection.records_kept, "record")


def _resume(injection: Any, actor: Actor, _: str) -> str:
    injection_resume(injection_id=injection.pk, actor=actor)
    return f"A worker goes on with {injection.source}."


def _give_up(injection: Any, actor: Actor, reason: str) -> str:
    injection_give_up(injection_id=injection.pk, actor=actor, reason=reason)
    return f"The rest of {injection.source} is given up: what is there counts as the inventory."


ACTS: dict[str, Act] = {
    "injection-resume": Act(
        label="Go on…",
        verb=lambda injection: f"Go on after {_kept(injection)}",
        permission=CHANGE_INJECTION,
        also=may_decide,
        model="inventory.Injection",
        question=lambda injection: f"Go on with {injection.source}?",
        consequence=lambda injection: (
            f"A worker reads on where it stopped, after {_kept(injection)}. What stopped it must be mended, or it stops there "
            "again. Nothing is deleted until all of it is there."
        ),
        perform=_resume,
        reason_required=False,
    ),
    "injection-give-up": Act(
        label="Give up the rest…",
        verb=lambda injection: "Give up the rest",
        permission=CHANGE_INJECTION,
        also=may_decide,
        model="inventory.Injection",
        question=lambda injection: f"Give up the rest of {injection.source}?",
        consequence=lambda injection: (
            f"What its first {_kept(injection)} say counts as the inventory from then on: without the rest, without all facts "
            "and locks of the document, which come last. Deletions go on. Only injecting it again mends that."
        ),
        perform=_give_up,
        is_dangerous=True,
    ),
}
