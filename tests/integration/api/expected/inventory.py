"""Who may do what with the inventory."""

from __future__ import annotations

from tests.integration.api.expected import Expected

EXPECTED: tuple[Expected, ...] = ()
