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
