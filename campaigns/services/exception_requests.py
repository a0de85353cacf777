"""Exceptions: asked for by anybody, decided by the coordinator or who speaks for the group, never forgotten.

A granted one marks what drops out of the frozen list; the list and its digest stay what was signed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Sum

from campaigns.choices import KEEPING_STATES, CampaignAction, ExceptionState
from campaigns.constants import LONGEST_EXCEPTION, MAX_PATTERNS
from campaigns.exceptions import CampaignError, InvalidInput, InvalidTransition, NotFound, TooLate
from campaigns.lifecycle import next_state
from campaigns.models import Campaign, DroppedItem, ExceptionRequest, Revision
from campaigns.models.exception_requests import protect_rule
from campaigns.permissions import DECIDE_EXCEPTIONS, represents
from campaigns.services.notices import notices_settle
from campaigns.services.transitions import campaign_lock, campaign_move, current_revision, demand_reason, storable
from inventory.permissions import may
from inventory.selectors.groups import group_exists
from inventory.services.audit import Actor
from policies.selectors.plan_items import NamedItem, plan_datasets_named, plan_items_named
from policies.services.checking import policy_check

#: What a name or pattern may be made of: nothing that ends a value of the language or means more in it than in a lock.
_PATTERN = re.compile(r"[^\s\x00-\x1f\x7f\[\](),#'\"]{1,512}")
_FRAME = "On site.name == *\nWhen never\nUntil never\nDismiss\n"


@dataclass(frozen=True, slots=True)
class Effect:
    """What an exception would keep of the frozen list, in block replicas, datasets and bytes; dropped ones do not count."""

    num_items: int
    num_datasets: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Decided:
    """One of a bulk of decisions: what became of the exception, or why not."""

    exception_id: int
    state: str
    problem: str = ""


def exception_effect(*, campaign_id: int, patterns: Sequence[str]) -> Effect:
    """Return what the names or patterns would keep. Reads only. Raises `NotFound`, `InvalidInput` for a wrong pattern."""
    wanted = patterns_clean(patterns)
    revision = Revision.objects.filter(campaign_id=campaign_id, is_current=True).first()
    if revision is None:
        raise NotFound(f"campaign {campaign_id} has no list: there is nothing to keep")
    return _would_keep(revision, wanted)


@transaction.atomic
def exception_ask(
    *, campaign_id: int, patterns: Sequence[str], reason: str, until: date, group_name: str, actor: Actor, now: datetime
) -> ExceptionRequest:
    """Ask that data be kept until the end of the day *until* (UTC); anybody with an account may.

    Raises `InvalidTransition` where the campaign does not take any, `TooLate` after the closing date, `InvalidInput` for a wrong
    pattern, an end in the past or more than a year away, an unknown group, no reason, or where nothing of the list is concerned.
    """
    campaign = campaign_lock(campaign_id)
    next_state(campaign.state, CampaignAction.ASK)
    if actor.user is None:
        raise InvalidInput("an exception is asked for by a person: name the account")
    if campaign.exceptions_close_at is None or now >= campaign.exceptions_close_at:
        raise TooLate(f"exceptions closed at {campaign.exceptions_close_at:%Y-%m-%d %H:%M} UTC: ask the coordinator for a lock")
    wanted = patterns_clean(patterns)
    reason = demand_reason(reason, "the data are to be kept")
    _check_until(until, now)
    if not group_exists(group_name):
        raise InvalidInput(f"there is no group {group_name!r}: name the group that the data are kept for")
    _check_rule(wanted, group_name, until)
    revision = current_revision(campaign)
    effect = _would_keep(revision, wanted)
    if effect.num_items == 0:
        raise InvalidInput("nothing of this campaign's list has such a name: nothing would be kept; look at the names again")
    exception = ExceptionRequest(
        campaign=campaign,
        patterns=wanted,
        reason=reason,
        until=until,
        group_name=group_name,
        asked_by_id=actor.user.pk,
        asked_at=now,
        revision=revision,
        num_items=effect.num_items,
        size_bytes=effect.size_bytes,
    )
    exception.full_clean(validate_unique=False)
    exception.save()
    campaign_move(
        campaign,
        CampaignAction.ASK,
        actor=actor,
        now=now,
        reason=reason,
        details={"exception": exception.pk, "patterns": wanted[:20], "until": str(until), "size_bytes": effect.size_bytes},
    )
    return exception


@transaction.atomic
def exception_decide(
    *,
    exception_id: int,
    is_granted: bool,
    actor: Actor,
    now: datetime,
    reason: str = "",
    until: date | None = None,
    becomes_lock: bool = False,
) -> ExceptionRequest:
    """Grant, shorten (*until* before what was asked) or refuse an exception; what is granted drops out of the list at once.

    *becomes_lock*: a lock keeps the data until the end, also after the campaign. Raises ``PermissionDenied`` unless the actor may
    decide exceptions of the campaign or speaks for the group, `InvalidTransition` where it is decided already or the campaign
    does not take decisions, `InvalidInput` without a reason to shorten or refuse, or for an end that is later than asked or past.
    """
    exception = ExceptionRequest.objects.filter(pk=exception_id).first()
    if exception is None:
        raise NotFound(f"there is no exception {exception_id}")
    campaign = campaign_lock(exception.campaign_id)
    exception = ExceptionRequest.objects.select_for_update(of=("self",)).get(pk=exception_id)
    _require_decider(actor, campaign, exception)
    next_state(campaign.state, CampaignAction.DECIDE)
    if exception.state != ExceptionState.ASKED:
        raise InvalidTransition(f"exception {exception.pk} is {exception.get_state_display()} already")
    state = _decision(exception, is_granted=is_granted, until=until, reason=reason, now=now)
    exception.state, exception.decided_at, exception.decision_reason = state, now, storable(reason)
    exception.decided_by_id = None if actor.user is None else actor.user.pk
    exception.granted_until = (until or exception.until) if state in KEEPING_STATES else None
    exception.becomes_lock = becomes_lock and state in KEEPING_STATES
    exception.full_clean(validate_unique=False)
    exception.save()
    notices_settle(key_prefix=f"exception-{exception.pk}-asked-", now=now)
    dropped = _drop(exception, current_revision(campaign), now) if state in KEEPING_STATES else Effect(0, 0, 0)
    campaign_move(
        campaign,
        CampaignAction.DECIDE,
        actor=actor,
        now=now,
        reason=exception.decision_reason,
        details={
            "exception": exception.pk,
            "decision": state.value,
            "until": str(exception.granted_until or ""),
            "dropped_items": dropped.num_items,
            "dropped_bytes": dropped.size_bytes,
        },
    )
    return exception


def exceptions_decide(
    *, exception_ids: Sequence[int], is_granted: bool, actor: Actor, now: datetime, reason: str = "", becomes_lock: bool = False
) -> list[Decided]:
    """Decide several exceptions in the same way, each for itself: one that is refused for its state leaves the others alone."""
    decided: list[Decided] = []
    for exception_id in exception_ids:
        try:
            done = exception_decide(
                exception_id=exception_id,
                is_granted=is_granted,
                actor=actor,
                now=now,
                reason=reason,
                becomes_lock=becomes_lock,
            )
            decided.append(Decided(exception_id, done.state))
        except (CampaignError, PermissionDenied) as error:
            decided.append(Decided(exception_id, "", str(error)))
    return decided


@transaction.atomic
def exception_withdraw(*, exception_id: int, actor: Actor, now: datetime) -> ExceptionRequest:
    """Take back one's own exception before it is decided. Raises ``PermissionDenied``, `NotFound`, `InvalidTransition`."""
    exception = ExceptionRequest.objects.filter(pk=exception_id).first()
    if exception is None:
        raise NotFound(f"there is no exception {exception_id}")
    campaign = campaign_lock(exception.campaign_id)
    exception = ExceptionRequest.objects.select_for_update(of=("self",)).get(pk=exception_id)
    if actor.user is None or actor.user.pk != exception.asked_by_id:
        raise PermissionDenied(f"exception {exception.pk} is withdrawn by who asked for it.")
    next_state(campaign.state, CampaignAction.DECIDE)
    if exception.state != ExceptionState.ASKED:
        raise InvalidTransition(f"exception {exception.pk} is {exception.get_state_display()} already")
    exception.state, exception.decided_at, exception.decided_by_id = ExceptionState.WITHDRAWN, now, actor.user.pk
    exception.full_clean(validate_unique=False)
    exception.save()
    notices_settle(key_prefix=f"exception-{exception.pk}-asked-", now=now)
    details = {"exception": exception.pk, "decision": ExceptionState.WITHDRAWN.value}
    campaign_move(campaign, CampaignAction.DECIDE, actor=actor, now=now, details=details)
    return exception


def patterns_clean(patterns: Sequence[str]) -> list[str]:
    """Return the patterns, each once. Raises `InvalidInput` for what is none."""
    wanted = list(dict.fromkeys(pattern.strip() for pattern in patterns if pattern.strip()))
    if not 1 <= len(wanted) <= MAX_PATTERNS:
        raise InvalidInput(f"{len(wanted)} names were given: expected 1 to {MAX_PATTERNS}, a pattern with * for more")
    for pattern in wanted:
        if not _PATTERN.fullmatch(pattern):
            raise InvalidInput(
                f"{pattern[:80]!r} is no name of a dataset: letters, digits and punctuation without blanks, brackets, commas, "
                "quotes or '#' are expected, * for any text and ? for any character"
            )
    return wanted


def _check_until(until: date, now: datetime) -> None:
    if until < now.date():
        raise InvalidInput(f"{until} is past: until when are the data to be kept?")
    if until > (now + LONGEST_EXCEPTION).date():
        raise InvalidInput(f"{until} is more than a year away: an exception lasts at most a year, ask again then")


def _check_rule(patterns: list[str], group_name: str, until: date) -> None:
    """Raise `InvalidInput` unless the exception gives a rule that the language takes."""
    rule = protect_rule(1, group_name, patterns, str(until))
    found = policy_check(text=f"{rule}\n{_FRAME}", partition_name="x", with_inventory=False)
    errors = [diagnostic.message for diagnostic in found if diagnostic.is_error]
    if errors:
        raise InvalidInput(f"the exception gives no rule of the policy language: {errors[0]}")


def _require_decider(actor: Actor, campaign: Campaign, exception: ExceptionRequest) -> None:
    if actor.user is None:
        raise InvalidInput("an exception is decided by a person: name the account")
    if not (may(actor.user, DECIDE_EXCEPTIONS, campaign, afresh=True) or represents(actor.user, exception.group_name)):
        raise PermissionDenied(
            f"{actor.name} may not decide exceptions of '{campaign}': it takes the right {DECIDE_EXCEPTIONS!r}, "
            f"or to represent {exception.group_name}."
        )


def _decision(exception: ExceptionRequest, *, is_granted: bool, until: date | None, reason: str, now: datetime) -> ExceptionState:
    if not is_granted:
        demand_reason(reason, "it is refused")
        return ExceptionState.REFUSED
    if until is None or until == exception.until:
        return ExceptionState.GRANTED
    if until > exception.until or until < now.date():
        raise InvalidInput(f"{until} is not between today and {exception.until}, which was asked for")
    demand_reason(reason, "it is shortened")
    return ExceptionState.SHORTENED


def _would_keep(revision: Revision, patterns: Sequence[str]) -> Effect:
    """Add up what the patterns name of a list without what has dropped out already, dataset by dataset in the database."""
    found = plan_datasets_named(revision.plan_id, patterns)
    dropped = DroppedItem.objects.filter(revision=revision).order_by().values("plan_item__dataset_name")
    gone = {
        name: (number, size)
        for name, number, size in dropped.annotate(number=Count("pk"), size=Sum("size_bytes")).values_list(
            "plan_item__dataset_name", "number", "size"
        )
    }
    kept = [(number - gone.get(name, (0, 0))[0], size - gone.get(name, (0, 0))[1]) for name, (number, size) in found.items()]
    return Effect(sum(number for number, _ in kept), sum(number > 0 for number, _ in kept), sum(size for _, size in kept))


def _concerned(revision: Revision, patterns: Sequence[str]) -> list[NamedItem]:
    dropped = set(DroppedItem.objects.filter(revision=revision).values_list("plan_item_id", flat=True))
    return [item for item in plan_items_named(revision.plan_id, patterns) if item.id not in dropped]


def _effect(items: Sequence[NamedItem]) -> Effect:
    return Effect(len(items), len({item.dataset_name for item in items}), sum(item.size_bytes for item in items))


def _drop(exception: ExceptionRequest, revision: Revision, now: datetime) -> Effect:
    items = _concerned(revision, exception.patterns)
    reason = f"exception {exception.pk} for {exception.group_name} until {exception.granted_until}"
    DroppedItem.objects.bulk_create(
        (
            DroppedItem(
                revision=revision, plan_item_id=item.id, exception=exception, reason=reason, size_bytes=item.size_bytes, at=now
            )
            for item in items
        ),
        batch_size=2000,
    )
    return _effect(items)
