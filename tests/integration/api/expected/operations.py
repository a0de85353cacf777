"""Who may do what with deletions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from inventory.models import Site
from inventory.services.naming import targets_of
from operations.services.deletion_requests import deletion_request_create
from operations.services.invalidation_preview import invalidation_preview
from tests.factories.screens import ACTOR, Screens
from tests.integration.api.expected import Expected

OPERATIONS = "/api/v1/operations/"
INVALIDATE, APPROVE = "operations.invalidate", "inventory.approve_deletion"
VIEW_LIMITS = "operations.view_sitelimits"
VIEW_REQUEST = "operations.view_deletionrequest"
REQUESTS = OPERATIONS + "deletion-requests/"
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


EXPECTED = (
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
)
