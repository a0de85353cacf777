"""What is removed when it is old, by the settings ``DYNAMO_..._DAYS``; docs/retention.md says what never is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from inventory.services.audit import Actor, audit_record
from inventory.services.retention import documents_forget, injections_forget
from operations.services.retention import details_forget
from policies.services.retention import decisions_forget, quota_previews_forget

ACTOR = Actor("schedule")


@dataclass(frozen=True, slots=True)
class Retention:
    """One kind of thing: the setting that says for how many days it is kept (0: for ever), and what removes it."""

    what: str
    setting: str
    forget: Callable[..., int]


#: In this order: an injection goes only when its files have gone.
RETENTIONS = (
    Retention("documents and bad records of injections", "DYNAMO_DOCUMENT_DAYS", documents_forget),
    Retention("records of injections", "DYNAMO_JOB_DAYS", injections_forget),
    Retention("previews of quotas", "DYNAMO_JOB_DAYS", quota_previews_forget),
    Retention("decisions of cycles", "DYNAMO_DECISIONS_DAYS", decisions_forget),
    Retention("attempts, files and lists of trash of deletions", "DYNAMO_DELETION_DETAIL_DAYS", details_forget),
)


def old_forget(*, now: datetime) -> dict[str, int]:
    """Remove what is older than the settings say; return how much of what, and keep that in the audit trail.

    Each kind goes by itself: what was removed before an error stays removed. Raises ``ImproperlyConfigured`` for a negative
    number of days, before anything is removed.
    """
    kept_for = {retention.setting: _days(retention.setting) for retention in RETENTIONS}
    removed: dict[str, int] = {}
    for retention in RETENTIONS:
        days = kept_for[retention.setting]
        number = retention.forget(before=now - timedelta(days=days)) if days else 0
        if number:
            removed[retention.what] = number
    if removed:
        details = {"removed": removed, "days": kept_for}
        audit_record(
            actor=ACTOR, action="site.old_forgotten", subject="what is old", reason="retention settings", details=details
        )
    return removed


def _days(setting: str) -> float:
    days: float = getattr(settings, setting)
    if days < 0:
        raise ImproperlyConfigured(f"{setting} is {days:g}; expected a number of days, or 0 to keep it for ever")
    return days
