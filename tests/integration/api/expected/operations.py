"""Who may do what with deletions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from inventory.models import Site
from inventory.selectors.sites import site_storage
from inventory.services.naming import targets_of
from operations.models import CleanUp, ScanFinding, SiteScans, StorageScan
from operations.services.clean_ups import clean_up_create
from operations.services.deletion_requests import deletion_request_create
from operations.services.invalidation_preview import invalidation_preview
from operations.services.scan_place import place_digest
from tests.factories.screens import ACTOR, Screens
from tests.integration.api.expected import Expected

OPERATIONS = "/api/v1/operations/"
INVALIDATE, APPROVE = "operations.invalidate", "inventory.approve_deletion"
VIEW_LIMITS = "operations.view_sitelimits"
VIEW_REQUEST = "operations.view_deletionrequest"
REQUESTS = OPERATIONS + "deletion-requests/"
SCANS, SCAN, DECIDE = OPERATIONS + "scans/", "inventory.scan_site", "inventory.decide_scan"
NAMED = {"dataset": [{"name": "/Data000/A-v1/RAW"}]}
WISH = {"dataset_pattern": "/Data001/*", "site_pattern": "T1_Full", "reason": "space"}


def previewed(_: Screens) -> Mapping[str, Any]:
    """A confirmation of what a preview shows now."""
    found = invalidation_preview(targets=targets_of(NAMED), now=timezone.now())
    return {**NAMED, "digest": found.digest, "reason": "broken"}


def of_site(screens: Screens) -> Mapping[str, Any]:
    return {"pk": screens.site.pk}


def of_request(_: Screens) -> Mapping[str, Any]:
    return {"pk": deletion_request_create(**WISH, actor=ACTOR).pk}


def decision(act: str) -> Expected:
    """Approving, rejecting and cancelling take the right at the sites concerned."""
    return Expected(
        "POST",
        REQUESTS + f"(?P<pk>[^/.]+)/{act}/",
        APPROVE,
        kwargs=of_request,
        body=lambda _: {"reason": "looked at it"},
        guarded=lambda screens: screens.site,
        another=lambda _: Site.objects.get(name="T2_Roomy"),
        also=(VIEW_REQUEST,),
    )


def begin(screens: Screens) -> Mapping[str, Any]:
    """A site that has a storage."""
    Site.objects.filter(pk=screens.site.pk).update(endpoint_url="file:///srv/storage")
    return {"site": screens.site.name}


def scan_of(screens: Screens, **fields: Any) -> StorageScan:
    """A scan that found a lost file, one that nobody knows for long, and one that had been lost and is there again."""
    now = timezone.now()
    name = screens.site.name
    place = place_digest(site_storage([name])[name])
    common = {"site_name": name, "started_at": now, "place_digest": place, "last_replica_key": 0}
    earlier = StorageScan.objects.create(**common, state="DONE")
    scan = StorageScan.objects.create(**common, **fields)
    SiteScans.objects.get_or_create(site=screens.site, defaults={"has_no_links": True})
    found = {"site_name": name, "folder": "", "size_bytes": 1, "seen_at": now, "first_seen_at": now - timedelta(days=40)}
    known = {"lfn": "/store/x", "dataset_name": "/Data000/A-v1/RAW", "block_name": "b1"}
    old = {"kind": "DARK", "path": "dark", "path_digest": "1", "modified_at": now - timedelta(days=90)}
    ScanFinding.objects.create(scan=scan, **found, **old)
    ScanFinding.objects.create(scan=scan, kind="MISSING", path="/store/x", path_digest="2", **found, **known)
    ScanFinding.objects.create(scan=scan, kind="STRAY", path="store/x", path_digest="3", **found, **known)
    ScanFinding.objects.create(scan=earlier, kind="MISSING", path="/store/x", path_digest="2", state="APPLIED", **found, **known)
    return scan


def on_scan(act: str, fields: Mapping[str, Any], *, right: str = DECIDE, status: int = 200) -> Expected:
    """Deciding takes the right at the site of the scan."""
    return Expected(
        "POST",
        SCANS + f"(?P<pk>[^/.]+)/{act}/",
        right,
        status,
        kwargs=lambda screens: {"pk": scan_of(screens, **fields).pk},
        body=lambda _: {"reason": "looked at it"},
        guarded=lambda screens: screens.site,
        another=lambda _: Site.objects.get(name="T2_Roomy"),
        also=("operations.view_storagescan",),
    )


def clean_up_of(screens: Screens) -> Mapping[str, Any]:
    scan = scan_of(screens, state="DONE")
    return {"pk": clean_up_create(scan_id=scan.pk, actor=ACTOR, reason="left over").pk}


def on_clean_up(act: str) -> Expected:
    """Deciding takes the right at the site of the clean-up."""
    return Expected(
        "POST",
        OPERATIONS + f"clean-ups/(?P<pk>[^/.]+)/{act}/",
        DECIDE,
        kwargs=clean_up_of,
        body=lambda _: (
            {"reason": "looked at it"} | ({"digest": CleanUp.objects.latest("pk").plan.digest} if act == "release" else {})
        ),
        guarded=lambda screens: screens.site,
        another=lambda _: Site.objects.get(name="T2_Roomy"),
        also=("operations.view_cleanup",),
    )


EXPECTED = (
    *(
        Expected("GET", rf"{OPERATIONS}scan-findings/export\.{form}/", "operations.view_scanfinding")
        for form in ("csv", "parquet")
    ),
    Expected("GET", OPERATIONS + "pause/", None),
    Expected(
        "PUT",
        OPERATIONS + "pause/",
        "operations.pause_all",
        body=lambda _: {"is_paused": True, "reason": "storage is being moved"},
    ),
    Expected("GET", OPERATIONS + "site-limits/", VIEW_LIMITS),
    Expected("GET", OPERATIONS + "site-limits/<int:pk>/", VIEW_LIMITS, kwargs=of_site),
    Expected(
        "PUT",
        OPERATIONS + "site-limits/<int:pk>/",
        "operations.change_sitelimits",
        kwargs=of_site,
        body=lambda _: {"batches": 2, "files_per_second": None, "bytes_per_day": None, "trash_days": None},
        also=(VIEW_LIMITS,),
    ),
    Expected("GET", OPERATIONS + "belts/", "operations.view_deletion", also=("policies.view_plan",)),
    *(
        Expected(
            "POST",
            OPERATIONS + f"deletions/{act}/",
            "operations.change_deletion",
            body=lambda screens: {"deletions": [screens.deletion.pk], "reason": "looked at it"},
        )
        for act in ("retry", "drop")
    ),
    Expected("POST", OPERATIONS + "invalidations/preview/", INVALIDATE, body=lambda _: NAMED),
    Expected("POST", OPERATIONS + "invalidations/", INVALIDATE, 201, body=previewed),
    Expected(
        "POST",
        OPERATIONS + "restore/",
        "operations.restore_trash",
        202,
        body=lambda screens: {"dataset": screens.deletion.dataset_name, "reason": "needed"},
    ),
    Expected("POST", REQUESTS, "operations.add_deletionrequest", 201, body=lambda _: WISH),
    *(decision(act) for act in ("approve", "reject", "cancel")),
    Expected(
        "POST",
        SCANS,
        SCAN,
        201,
        body=begin,
        guarded=lambda screens: screens.site,
        another=lambda _: Site.objects.get(name="T2_Roomy"),
    ),
    on_scan("accept", {"state": "HELD", "tripped": ["2 of 3 files are dark"]}),
    on_scan("discard", {"state": "HELD", "tripped": ["2 of 3 files are dark"]}),
    on_scan("cancel", {"state": "LISTING"}, right=SCAN),
    on_scan("confirm-missing", {"state": "DONE"}, status=202),
    on_scan("take-back", {"state": "DONE"}),
    on_scan("clean-up", {"state": "DONE"}, status=201),
    on_clean_up("release"),
    on_clean_up("discard"),
)
