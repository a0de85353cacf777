"""What a token may be issued for. Every address below ``/api/v1/`` needs one of these; a session of a person needs none."""

from __future__ import annotations

from collections.abc import Mapping

READ = "read"
TOKENS_WRITE = "tokens:write"

#: Scope -> what it opens.
SCOPES: Mapping[str, str] = {
    READ: "Look at whatever the user may look at, and ask questions that change nothing.",
    "inventory:write": "Inject, lock, and change sites and groups.",
    "policies:write": "Save policies and quotas, test-run and activate policies, release and discard plans.",
    "campaigns:write": "Propose, approve and cancel campaigns, and ask for exceptions.",
    "operations:write": "Pause and resume deletions, retry and drop them, invalidate and restore.",
    TOKENS_WRITE: "Issue tokens of no more scopes than its own, and revoke tokens.",
}


def unknown_scopes(wanted: list[str]) -> list[str]:
    """Return those of *wanted* that are no scopes."""
    return sorted(set(wanted) - set(SCOPES))
