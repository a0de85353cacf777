"""Telling people: rows of the inbox at once, mails as soon as the mail server takes them. A notice is given once."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

import polars as pl
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q

from campaigns.choices import FINAL_STATES, CampaignState, ExceptionState, NoticeKind
from campaigns.constants import REMINDERS
from campaigns.models import Campaign, CampaignEvent, ExceptionRequest, GroupRepresentative, Notice, Revision
from campaigns.selectors.quorum import approver_groups
from inventory.selectors.locks import ActiveLock, active_locks, rows_held_by
from inventory.selectors.locks_in_force import lock_people
from inventory.selectors.wording import exact_text, plural, size_text

logger = logging.getLogger(__name__)

#: No longer wait than this between two attempts to send a mail.
_LONGEST_WAIT = timedelta(hours=6)
_MAILS_PER_TURN = 200
#: A mail server that was down so often is a matter for people: the row of the inbox stays.
_ATTEMPTS = 30


@dataclass(slots=True)
class Part:
    """What of a list concerns one person: for which groups and by which locks, in bytes and block replicas."""

    groups: set[str] = field(default_factory=set)
    num_locks: int = 0
    items: int = 0
    size_bytes: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "groups": sorted(self.groups),
            "locks": self.num_locks,
            "items": self.items,
            "size_bytes": self.size_bytes,
        }


def campaign_tell(*, campaign_id: int, now: datetime) -> int:
    """Give every notice that is due for the campaign as it stands and was not given yet; return how many were given."""
    campaign = Campaign.objects.select_related("coordinator").get(pk=campaign_id)
    revision = Revision.objects.filter(campaign=campaign, is_current=True).first()
    told = 0
    if campaign.state == CampaignState.PROPOSED and revision is not None and revision.told_at is None:
        told += _announce(campaign, revision, now)
        Revision.objects.filter(pk=revision.pk).update(told_at=now)
    told += _tell_of_exceptions(campaign, now)
    _settle_what_is_over(campaign, now)
    return told + _tell_of_moves(campaign, now)


def reminders_give(*, now: datetime) -> int:
    """Remind everybody who was told of a campaign, 7 days and 1 day before exceptions close; return how many were."""
    given = 0
    waiting = Campaign.objects.filter(
        state__in=[CampaignState.PROPOSED, CampaignState.APPROVED], exceptions_close_at__gt=now
    ).order_by("pk")
    for campaign in waiting:
        closes = campaign.exceptions_close_at
        revision = Revision.objects.filter(campaign=campaign, is_current=True).first()
        due = [before for before in REMINDERS if closes is not None and closes - before <= now]
        if revision is None or closes is None or not due:
            continue
        before = min(due)
        if campaign.announced_at is not None and campaign.announced_at > closes - before:
            continue  # announced after that moment: the announcement is the reminder
        announced = Notice.objects.filter(campaign=campaign, key__startswith=f"announced-{revision.pk}-").order_by("pk")
        notices = [
            _notice(
                notice.user_id,
                campaign,
                NoticeKind.REMINDER,
                f"reminder-{revision.pk}-{before.days}-",
                f"{campaign.title}: exceptions close on {exact_text(closes)}",
                "What you do not want to lose can still be excepted until then.\n\n" + _about(campaign, revision),
                now=now,
                part=notice.part,
                due_at=closes,
            )
            for notice in announced
        ]
        given += _give(notices)
    return given


def notices_mail(*, now: datetime) -> tuple[int, int]:
    """Send the mails that wait; return how many went and how many failed and will be tried again.

    Each is claimed in a short transaction first: two senders never send the same one at the same time. A sender that dies after
    the mail server took it sends it once more later.
    """
    sent = failed = 0
    for pk in _mails_claim(now):
        notice = Notice.objects.select_related("user", "campaign").get(pk=pk)
        try:
            EmailMessage(subject=" ".join(notice.subject.split()), body=_body(notice), to=[notice.user.email]).send(
                fail_silently=False
            )
        except (OSError, SMTPException, ValueError) as error:  # the last: an address that cannot stand in a mail
            failed += 1
            Notice.objects.filter(pk=pk).update(mail_error=str(error)[:512])
            logger.warning("mail to %s failed: %s", notice.user, error, extra={"campaign_id": notice.campaign_id})
        else:
            sent += 1
            Notice.objects.filter(pk=pk).update(mailed_at=now, mail_error="")
    return sent, failed


@transaction.atomic
def notices_read(*, user_id: int, notice_ids: Iterable[int], now: datetime) -> int:
    """Mark notices of the user as read; return how many were not."""
    return Notice.objects.filter(user_id=user_id, pk__in=list(notice_ids), read_at__isnull=True).update(read_at=now)


def notices_settle(*, key_prefix: str, now: datetime, user_id: int | None = None) -> None:
    """Take what waited for an answer out of the inboxes once it is given; *user_id* None: of everybody who was asked."""
    waiting = Notice.objects.filter(key__startswith=key_prefix, read_at__isnull=True)
    if user_id is not None:
        waiting = waiting.filter(user_id=user_id)
    waiting.update(read_at=now)


def _settle_what_is_over(campaign: Campaign, now: datetime) -> None:
    """Take out of the inboxes what need not or cannot be answered any more."""
    over = [NoticeKind.TO_SIGN] if campaign.state != CampaignState.PROPOSED else []
    if campaign.state in FINAL_STATES:
        over.append(NoticeKind.EXCEPTION_ASKED)
    Notice.objects.filter(campaign=campaign, kind__in=over, read_at__isnull=True).update(read_at=now)


def parts_of(revision: Revision, now: datetime) -> dict[int, Part]:
    """Return what of a list concerns whom: who represents an owning group, and who has a lock on it."""
    with default_storage.open(revision.items_file) as file:
        items = pl.read_parquet(file, columns=["dataset", "block", "site", "owner", "size"])
    items = items.rename({"owner": "group"})
    parts: dict[int, Part] = defaultdict(Part)
    owned = {row["group"]: row for row in items.group_by("group").agg(pl.col("size").sum(), items=pl.len()).iter_rows(named=True)}
    speakers = GroupRepresentative.objects.filter(group__name__in=owned, user__is_active=True).order_by("pk")
    for user_id, group in speakers.values_list("user_id", "group__name"):
        parts[user_id].groups.add(group)
        parts[user_id].items += owned[group]["items"]
        parts[user_id].size_bytes += owned[group]["size"]
    people = lock_people(now)
    by_user: dict[int, list[ActiveLock]] = defaultdict(list)
    for lock in active_locks(now):
        if lock.key in people:
            by_user[people[lock.key]].append(lock)
    for user_id, locks in by_user.items():
        held = items.filter(rows_held_by(locks, items))
        if held.height:
            parts[user_id].num_locks = len(locks)
            parts[user_id].items += held.height
            parts[user_id].size_bytes += int(held.get_column("size").sum())
    return dict(parts)


def _announce(campaign: Campaign, revision: Revision, now: datetime) -> int:
    parts = parts_of(revision, now)
    approvers = set(
        get_user_model()
        .objects.filter(groups__name__in=approver_groups(campaign.partition_id), is_active=True)
        .exclude(pk=revision.proposed_by_id or 0)
        .values_list("pk", flat=True)
    )
    subject = f"{campaign.title}: {size_text(revision.size_bytes)} would be deleted"
    about = _about(campaign, revision)
    notices = []
    for user_id in sorted(set(parts) | approvers | {campaign.coordinator_id}):
        part = parts.get(user_id, Part())
        text = about
        if part.items:
            text += f"\n\nOf it, {plural(part.items, 'block replica')} ({size_text(part.size_bytes)}) concern you."
        key, closes = f"announced-{revision.pk}-", campaign.exceptions_close_at
        notices.append(
            _notice(user_id, campaign, NoticeKind.ANNOUNCED, key, subject, text, now=now, part=part.as_json(), due_at=closes)
        )
    for user_id in sorted(approvers):
        key = f"to-sign-{revision.pk}-"
        title = f"{campaign.title}: waits for your signature"
        notices.append(
            _notice(user_id, campaign, NoticeKind.TO_SIGN, key, title, about, now=now, due_at=campaign.earliest_start_at)
        )
    return _give(notices)


def _about(campaign: Campaign, revision: Revision) -> str:
    last = f"; {plural(revision.num_last_copies, 'last copy', 'last copies')} among them" if revision.num_last_copies else ""
    tape = f"; {size_text(revision.tape_bytes)} on tape" if revision.tape_bytes else ""
    what = (
        f"{size_text(revision.size_bytes)} in {plural(revision.num_datasets, 'dataset')} "
        f"({plural(revision.num_items, 'block replica')}) of the partition {campaign.partition} would be deleted{last}{tape}."
    )
    lines = [
        campaign.purpose,
        "",
        what,
        f"Exceptions close: {exact_text(campaign.exceptions_close_at)}",
        f"Earliest start:   {exact_text(campaign.earliest_start_at)}",
        f"Coordinator:      {campaign.coordinator.get_username()}",
    ]
    if campaign.notice_reason:
        lines.append(f"Less than the usual notice is given, because: {campaign.notice_reason}")
    return "\n".join(lines)


def _tell_of_exceptions(campaign: Campaign, now: datetime) -> int:
    notices = []
    for exception in ExceptionRequest.objects.filter(campaign=campaign, state=ExceptionState.ASKED).order_by("pk"):
        speakers = GroupRepresentative.objects.filter(group__name=exception.group_name, user__is_active=True)
        deciders = {campaign.coordinator_id, *speakers.values_list("user_id", flat=True)}
        subject = f"{campaign.title}: {exception.asked_by.get_username()} asks to keep {size_text(exception.size_bytes)}"
        text = f"For {exception.group_name} until {exception.until}: {', '.join(exception.patterns[:20])}\n\n{exception.reason}"
        key, kind = f"exception-{exception.pk}-asked-", NoticeKind.EXCEPTION_ASKED
        closes = campaign.exceptions_close_at
        notices += [_notice(user_id, campaign, kind, key, subject, text, now=now, due_at=closes) for user_id in sorted(deciders)]
    decided = ExceptionRequest.objects.filter(campaign=campaign).exclude(
        state__in=[ExceptionState.ASKED, ExceptionState.WITHDRAWN]
    )
    for exception in decided.order_by("pk"):
        subject = f"{campaign.title}: your exception is {exception.get_state_display()}"
        until = f" until {exception.granted_until}" if exception.granted_until else ""
        text = f"{', '.join(exception.patterns[:20])}{until}\n\n{exception.decision_reason}"
        key = f"exception-{exception.pk}-decided-"
        notices.append(_notice(exception.asked_by_id, campaign, NoticeKind.EXCEPTION_DECIDED, key, subject, text, now=now))
    return _give(notices)


def _tell_of_moves(campaign: Campaign, now: datetime) -> int:
    """Tell everybody who was told of the campaign when it was approved, rejected, revised, started, paused or ended."""
    told = set(Notice.objects.filter(campaign=campaign).order_by().values_list("user_id", flat=True).distinct())
    quiet = [CampaignState.STUDIED, CampaignState.PROPOSED]
    moves = [
        event
        for event in CampaignEvent.objects.filter(campaign=campaign).exclude(to_state__in=quiet).order_by("pk")
        if event.from_state != event.to_state
    ]
    if not told or not moves:
        return 0
    event = moves[-1]
    state = CampaignState(event.to_state).label
    text = f"{event.actor}, {exact_text(event.at)}" + (f": {event.reason}" if event.reason else "")
    key = f"moved-{event.pk}-"
    notices = [
        _notice(user_id, campaign, NoticeKind.MOVED, key, f"{campaign.title} is {state}", text, now=now)
        for user_id in sorted(told)
    ]
    return _give(notices)


def _notice(  # noqa: PLR0917 - read as a sentence where it is called
    user_id: int,
    campaign: Campaign,
    kind: NoticeKind,
    key: str,
    subject: str,
    text: str,
    *,
    now: datetime,
    part: dict[str, Any] | None = None,
    due_at: datetime | None = None,
) -> Notice:
    return Notice(
        user_id=user_id,
        campaign=campaign,
        kind=kind,
        key=f"{key}{user_id}",
        subject=subject[:255],
        text=text,
        part=part or {},
        due_at=due_at,
        created_at=now,
    )


def _give(notices: list[Notice]) -> int:
    """Store those notices that were not given yet, and return how many."""
    known = set(Notice.objects.filter(key__in=[notice.key for notice in notices]).values_list("key", flat=True))
    fresh = [notice for notice in notices if notice.key not in known]
    Notice.objects.bulk_create(fresh, ignore_conflicts=True, batch_size=1000)
    return len(fresh)


@transaction.atomic
def _mails_claim(now: datetime) -> list[int]:
    waiting = (
        Notice.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(Q(mail_not_before__isnull=True) | Q(mail_not_before__lte=now), mailed_at__isnull=True)
        .filter(mail_attempts__lt=_ATTEMPTS, user__is_active=True)
        .exclude(user__email="")
        .order_by("pk")[:_MAILS_PER_TURN]
    )
    rows = list(waiting)
    for row in rows:
        row.mail_attempts += 1
        row.mail_not_before = now + min(timedelta(minutes=5) * (1 << min(row.mail_attempts - 1, 10)), _LONGEST_WAIT)
    Notice.objects.bulk_update(rows, ["mail_attempts", "mail_not_before"])
    return [row.pk for row in rows]


def _body(notice: Notice) -> str:
    where = settings.DYNAMO_BASE_URL.rstrip("/")
    return f"{notice.text}\n\n{where}/admin/campaigns/campaign/{notice.campaign_id}/change/\n"
