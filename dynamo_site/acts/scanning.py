"""Acts on scans of storages and on clean-ups; whose right is on a site alone may at that site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynamo_site.acts.act import Act
from inventory.selectors.sites import sites_without_right
from inventory.selectors.wording import plural, size_text
from inventory.services.audit import Actor
from operations.selectors.scans import open_missing_sums
from operations.services.clean_ups import clean_up_create, clean_up_discard, clean_up_release
from operations.services.scan_missing import missing_confirm, missing_take_back
from operations.services.scans import DECIDE, SCAN, scan_accept, scan_cancel, scan_discard, scan_start


def _may(permission: str) -> Callable[[Actor, Any], bool]:
    """Return whether somebody has a right at the site of a row."""
    return lambda actor, row: actor.user is not None and not sites_without_right(actor.user, permission, [row.site_name])


def _scan_start(site: Any, actor: Actor, reason: str) -> str:
    done = scan_start(site_name=site.name, actor=actor)
    return f"{done} begins: its page says how far it is. Nothing at the site is changed by it."


def _scan_accept(scan: Any, actor: Actor, reason: str) -> str:
    return f"{scan_accept(scan_id=scan.pk, actor=actor, reason=reason)} counts: decide on what it found."


def _scan_discard(scan: Any, actor: Actor, reason: str) -> str:
    return f"{scan_discard(scan_id=scan.pk, actor=actor, reason=reason)} is discarded: it counts for nothing."


def _scan_cancel(scan: Any, actor: Actor, reason: str) -> str:
    return f"{scan_cancel(scan_id=scan.pk, actor=actor, reason=reason)} is cancelled."


def _missing_verb(scan: Any) -> str:
    number, size = open_missing_sums(scan.pk)
    return f"Take {plural(number, 'file')}, {size_text(size)}, out of the inventory"


def _missing_confirm(scan: Any, actor: Actor, reason: str) -> str:
    missing_confirm(scan_id=scan.pk, actor=actor, reason=reason)
    return "Each file is looked at once more; what is not there leaves the inventory. The page of the scan says when it is done."


def _missing_take_back(scan: Any, actor: Actor, reason: str) -> str:
    back, others = missing_take_back(scan_id=scan.pk, actor=actor, reason=reason)
    return f"{plural(back, 'file')} are in the inventory again" + (
        f"; {others:,} cannot be: their size is another." if others else "."
    )


def _clean_up_create(scan: Any, actor: Actor, reason: str) -> str:
    made = clean_up_create(scan_id=scan.pk, actor=actor, reason=reason)
    size = size_text(made.plan.size_bytes)
    return f"{made} lists {plural(made.plan.num_items, 'file')}, {size}: look at the list, then release it or give it up."


def _clean_up_verb(row: Any) -> str:
    return f"Delete {plural(row.plan.num_items, 'file')}, {size_text(row.plan.size_bytes)}"


def _clean_up_release(row: Any, actor: Actor, reason: str) -> str:
    # The page that asked showed this list: another one of the same clean-up cannot be.
    clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=actor, reason=reason)
    return f"{row} is released: its deletions are queued, unless a safety limit holds them."


def _clean_up_discard(row: Any, actor: Actor, reason: str) -> str:
    return f"{clean_up_discard(clean_up_id=row.pk, actor=actor, reason=reason)} is given up: what has not been begun stays."


ACTS: dict[str, Act] = {
    "scan-start": Act(
        label="Scan its storage",
        verb=lambda site: f"Scan {site.name}",
        permission=SCAN,
        model="inventory.Site",
        question=lambda site: f"Scan the storage of {site.name}?",
        consequence=lambda site: "Every folder is listed and compared with the inventory. Nothing is changed by it.",
        perform=_scan_start,
        reason_required=False,
    ),
    "scan-accept": Act(
        label="Let it count…",
        verb=lambda scan: "Let the scan count",
        permission=DECIDE,
        also=_may(DECIDE),
        model="operations.StorageScan",
        question=lambda scan: f"Let scan {scan.pk} of {scan.site_name} count, in spite of the limit?",
        consequence=lambda scan: (
            f"{'; '.join(scan.tripped)}. Only when you know why: a wrong rule or a lost mount looks the same."
        ),
        perform=_scan_accept,
        is_dangerous=True,
    ),
    "scan-discard": Act(
        label="Discard…",
        verb=lambda scan: "Discard the scan",
        permission=DECIDE,
        also=_may(DECIDE),
        model="operations.StorageScan",
        question=lambda scan: f"Discard scan {scan.pk} of {scan.site_name}?",
        consequence=lambda scan: "It counts for nothing: nothing is missing or dark because of it.",
        perform=_scan_discard,
    ),
    "scan-cancel": Act(
        label="Cancel the scan…",
        verb=lambda scan: "Cancel the scan",
        permission=SCAN,
        also=_may(SCAN),
        model="operations.StorageScan",
        question=lambda scan: f"Cancel scan {scan.pk} of {scan.site_name}?",
        consequence=lambda scan: "What it has seen is forgotten; another scan begins anew.",
        perform=_scan_cancel,
    ),
    "missing-confirm": Act(
        label="Take missing files out…",
        verb=_missing_verb,
        permission=DECIDE,
        also=_may(DECIDE),
        model="operations.StorageScan",
        question=lambda scan: f"Are these files lost at {scan.site_name}?",
        consequence=lambda scan: (
            "Each is looked at once more. What is not there leaves the inventory: its block replicas are incomplete then. "
            "If a file is there again at a later scan, it can be taken up again."
        ),
        perform=_missing_confirm,
        is_dangerous=True,
    ),
    "missing-take-back": Act(
        label="Take up again…",
        verb=lambda scan: "Take them up again",
        permission=DECIDE,
        also=_may(DECIDE),
        model="operations.StorageScan",
        question=lambda scan: f"Take up again what had been missing at {scan.site_name} and is there?",
        consequence=lambda scan: "Each whose size is right is in the inventory again, in its block replica.",
        perform=_missing_take_back,
    ),
    "clean-up-create": Act(
        label="List what can be cleaned up…",
        verb=lambda scan: "Freeze the list",
        permission=DECIDE,
        also=_may(DECIDE),
        model="operations.StorageScan",
        question=lambda scan: f"Freeze the list of dark files of {scan.site_name} that count?",
        consequence=lambda scan: (
            "In it are those that two scans saw, far enough apart, and that are older than that. "
            "Nothing is deleted before the list is released."
        ),
        perform=_clean_up_create,
    ),
    "clean-up-release": Act(
        label="Release…",
        verb=_clean_up_verb,
        permission=DECIDE,
        also=_may(DECIDE),
        model="operations.CleanUp",
        question=lambda row: f"Delete {plural(row.plan.num_items, 'file')} at {row.site_name} that nobody knows?",
        consequence=lambda row: (
            "Whoever had the list frozen cannot release it. "
            "Each file is asked once more: one that somebody knows by then, or that is not as it was seen, stays. "
            "They go into the trash, where the site has one, and can be brought back from it."
        ),
        perform=_clean_up_release,
        is_dangerous=True,
    ),
    "clean-up-discard": Act(
        label="Give up…",
        verb=lambda row: "Give the list up",
        permission=DECIDE,
        also=_may(DECIDE),
        model="operations.CleanUp",
        question=lambda row: f"Give {row} up?",
        consequence=lambda row: "What has been begun comes to its end; nothing else of it goes.",
        perform=_clean_up_discard,
    ),
}
