"""What a person must look at first: each a sentence with a way on. The front page begins with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone

from campaigns.selectors.campaigns import num_unread
from dynamo_site.panels import PartitionPanel
from dynamo_site.views.belts import BeltsBrief
from dynamo_site.views.storage import storage_warnings
from inventory.selectors.feeds import stale_feeds
from inventory.selectors.locks_in_force import locks_to_renew
from inventory.selectors.sites import site_storage
from inventory.selectors.snapshot import InventoryStanding, inventory_standing
from inventory.selectors.wording import duration_text, plural, size_text, some_of, when_text
from operations.choices import ScanState
from operations.selectors.belts import AGE_OF_INVENTORY, GROUNDS_OF_A_PLAN
from operations.selectors.heartbeat import silence
from operations.selectors.pausing import pause_file, pause_state
from operations.selectors.progress import SiteProgress
from operations.selectors.requests import requests_of_others
from operations.selectors.scans import SiteScanned
from policies.selectors.cycles_overview import failed_cycles, held_plans

#: Sites where storage runs short that have a line of their own.
WARNINGS_SHOWN = 3
#: Locks that end soon and have a line of their own.
LOCKS_SHOWN = 3
#: Sites that one sentence names.
SITES_NAMED = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to look at: one sentence and one link, or acts by name on a key (none for acts on everything)."""

    kind: str
    text: str
    link: str = ""
    link_text: str = ""
    acts: tuple[str, ...] = ()
    key: int | str = ""


def notices(
    user: Any,
    *,
    panels: Sequence[PartitionPanel],
    brief: BeltsBrief | None,
    under_way: Sequence[SiteProgress],
    scans: Sequence[SiteScanned],
) -> list[Notice]:
    """Return what this user must look at, what stops something first; the rest is what the page shows them anyway."""
    found = _pause_notices() + _inbox_notices(user)
    if user.has_perm("operations.view_deletion"):
        found += _silence_notices(under_way)
    found += _failed_notices(under_way) + _scan_notices(scans)
    if user.has_perm("operations.view_deletionrequest"):
        found += _request_notices(user)
    if user.has_perm("policies.view_plan"):
        found += _plan_notices()
    standing = inventory_standing()
    if brief is not None:
        found += _belt_notices(brief, standing)
    if user.has_perm("policies.view_cycle"):
        found += _cycle_notices(panels)
    if user.has_perm("policies.view_partition"):
        found += _storage_notices()
    if user.has_perm("inventory.view_site"):
        found += _site_notices()
    if user.has_perm("inventory.view_injection"):
        found += _inventory_notices(standing)
    if user.has_perm("inventory.view_factfeed"):
        found += _feed_notices()
    if user.has_perm("inventory.view_lock"):
        found += _lock_notices(user)
    return sorted(found, key=lambda notice: notice.kind != "danger")


def _pause_notices() -> list[Notice]:
    """Everybody sees that nothing is deleted, as in the corner of every page."""
    pause = pause_state()
    if pause.is_switched:
        since, reason = when_text(pause.changed_at), pause.reason or "no reason given"
        text = f"All deletions were paused {since} by {pause.changed_by}: {reason}"
        return [Notice("danger", text, acts=("resume-all",))]
    if pause.is_file_present:
        return [Notice("danger", f"Deletions on this host are stopped by the file {pause_file()}: remove it to let them go on")]
    return []


def _silence_notices(under_way: Sequence[SiteProgress]) -> list[Notice]:
    text = silence(under_way, now=timezone.now())
    return [Notice("danger", text)] if text else []


def _failed_notices(under_way: Sequence[SiteProgress]) -> list[Notice]:
    failed = {site.site_name: site.num_failed for site in under_way if site.num_failed}
    if not failed:
        return []
    where = some_of(sorted(failed), SITES_NAMED)
    text = f"{plural(sum(failed.values()), 'block replica')} at {where} could not be deleted: try again or give them up"
    return [Notice("warning", text, f"{reverse('admin:operations_deletion_changelist')}?state__exact=FAILED", "Look")]


def _scan_notices(scans: Sequence[SiteScanned]) -> list[Notice]:
    said = {
        ScanState.HELD: "the scan is held by a limit: let it count or discard it",
        ScanState.FAILED: "the last scan failed",
    }
    return [
        Notice(
            "warning",
            f"{row.site_name}: {said[ScanState(row.current.state)]}",
            reverse("admin:operations_storagescan_change", args=[row.current.pk]),
            "Look",
        )
        for row in scans
        if row.current is not None and row.current.state in said
    ]


def _request_notices(user: Any) -> list[Notice]:
    """Requests of others: nobody decides on their own."""
    number = requests_of_others(user.pk)
    if not number:
        return []
    link = f"{reverse('admin:operations_deletionrequest_changelist')}?state__exact=WAITING"
    return [Notice("warning", f"{plural(number, 'deletion request')} of others to decide on", link, "Look")]


def _inbox_notices(user: Any) -> list[Notice]:
    unread = num_unread(user.pk)
    if not unread:
        return []
    return [
        Notice("warning", f"{plural(unread, 'message')} of campaigns in your inbox", reverse("admin:campaigns_inbox"), "Inbox")
    ]


def _plan_notices() -> list[Notice]:
    return [
        Notice(
            "warning",
            f"{plan.partition_name}: a plan to delete {size_text(plan.size_bytes)} ({plural(plan.num_items, 'block replica')}) "
            f"is held by {plural(len(plan.tripped), 'safety limit or guardrail', 'safety limits or guardrails')} "
            f"(frozen {when_text(plan.frozen_at)})",
            reverse("admin:policies_plan_change", args=[plan.pk]),
            "Look",
            ("plan-release", "plan-discard"),
            plan.pk,
        )
        for plan in held_plans()
    ]


def _belt_notices(brief: BeltsBrief, standing: InventoryStanding) -> list[Notice]:
    """What stops deletions and is told by no other notice; plans that are held, pauses and feeds have their own."""
    link = reverse("dynamo_belts")
    is_half_loaded = bool(standing.half_loaded)  # told by a notice of its own, with the way out of it
    told = {
        AGE_OF_INVENTORY: "No automatic cycle deletes anything: the inventory is too old, {reading} (allowed: {limit})",
        GROUNDS_OF_A_PLAN: "The deletions of {scope} wait: {reading}",
    }
    return [
        Notice("warning", told[belt.name].format(scope=belt.scope, reading=belt.reading, limit=belt.limit), link, "Safety limits")
        for belt in brief.shown
        if belt.is_tripped and belt.name in told and not (belt.name == AGE_OF_INVENTORY and is_half_loaded)
    ]


def _cycle_notices(panels: list[PartitionPanel]) -> list[Notice]:
    notices = [
        Notice(
            "danger",
            f"{cycle.partition_name}: the cycle of {when_text(cycle.started_at)} failed; nothing was deleted by it",
            reverse("admin:policies_cycle_change", args=[cycle.pk]),
            "Look",
        )
        for cycle in failed_cycles()
    ]
    for panel in panels:
        stuck = [bar for bar in panel.occupancy.bars if bar.is_stuck]
        if stuck and panel.occupancy.cycle_id is not None:
            names = some_of([bar.site_name for bar in stuck], SITES_NAMED)
            notices.append(
                Notice(
                    "warning",
                    f"{panel.occupancy.partition_name}: {names} cannot get below the mark: what is left there is protected",
                    reverse("admin:policies_cycle_change", args=[panel.occupancy.cycle_id]),
                    "Why",
                )
            )
    return notices


def _storage_notices() -> list[Notice]:
    warnings, link = storage_warnings(), reverse("dynamo_storage")
    shown = [Notice("warning", text, link, "Look") for text in warnings[:WARNINGS_SHOWN]]
    if len(warnings) > WARNINGS_SHOWN:
        more = plural(len(warnings) - WARNINGS_SHOWN, "more site")
        shown.append(Notice("warning", f"Storage runs short at {more}", link, "All of them"))
    return shown


def _site_notices() -> list[Notice]:
    return [
        Notice(
            "danger",
            f"{site.name}: deletions were paused {when_text(site.paused_at)}: {site.paused_reason or 'no reason given'}",
            reverse("admin:inventory_site_change", args=[site.key]),
            "Look",
            ("site-resume",),
            site.key,
        )
        for site in site_storage().values()
        if site.is_paused
    ]


def _lock_notices(user: Any) -> list[Notice]:
    """The user's own locks that end soon: to everybody else they are no news."""
    found = locks_to_renew(user, now=timezone.now(), limit=LOCKS_SHOWN + 1)
    notices = [
        Notice(
            "warning",
            f"Your lock on {lock.text} ends {when_text(lock.expires_at)}: what it holds may be deleted then",
            reverse("admin:inventory_lock_change", args=[lock.key]),
            "Look",
            ("lock-renew",),
            lock.key,
        )
        for lock in found[:LOCKS_SHOWN]
    ]
    if len(found) > LOCKS_SHOWN:
        link = f"{reverse('admin:inventory_lock_changelist')}?whose=soon"
        notices.append(Notice("warning", "More of your locks end within 14 days", link, "All of them"))
    return notices


def _inventory_notices(standing: InventoryStanding) -> list[Notice]:
    if not standing.half_loaded:
        return []
    link = reverse("admin:inventory_injection_change", args=[standing.half_loaded_id])
    text = f"Nothing is deleted, because the inventory is half loaded: {standing.half_loaded}"
    return [Notice("warning", text, link, "Injection")]


def _feed_notices() -> list[Notice]:
    return [
        Notice(
            "warning",
            f"The feed {feed.name} was measured {when_text(feed.measured_at)} (limit {duration_text(feed.max_age)}): "
            "its facts are unknown: rules on them protect, and plans that are ordered by them wait for a person",
            reverse("admin:inventory_factfeed_change", args=[feed.pk]),
            "Feed",
        )
        for feed in stale_feeds(timezone.now())
    ]
