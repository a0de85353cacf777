"""Who may do what with deletions."""

from __future__ import annotations

from tests.integration.api.expected import Expected

EXPECTED = (
    Expected("GET", "/api/v1/operations/pause/", None),
    Expected(
        "PUT",
        "/api/v1/operations/pause/",
        "operations.pause_all",
        body=lambda _: {"is_paused": True, "reason": "storage is being moved"},
    ),
)

#: Tried here only without a login; their rights are tried where their acts are.
TRIED_ELSEWHERE = frozenset(
    {
        "GET /api/v1/operations/belts/",
        "POST /api/v1/operations/invalidations/",
        "POST /api/v1/operations/invalidations/preview/",
        "POST /api/v1/operations/deletion-requests/",
        "POST /api/v1/operations/restore/",
        "POST /api/v1/operations/deletion-requests/(?P<pk>[^/.]+)/approve/",
        "POST /api/v1/operations/deletion-requests/(?P<pk>[^/.]+)/cancel/",
        "POST /api/v1/operations/deletion-requests/(?P<pk>[^/.]+)/reject/",
    }
)
