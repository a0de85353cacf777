"""Who may do what with campaigns."""

from __future__ import annotations

from tests.integration.api.expected import Expected

EXPECTED: tuple[Expected, ...] = ()
