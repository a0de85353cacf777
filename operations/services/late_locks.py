"""A lock that comes while a worker deletes: what of the batch has not been begun is left, and looked at again."""

from __future__ import annotations

from datetime import datetime

from inventory.selectors.lock_owners import locks_mark
from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.claim import Claim
from operations.services.recheck import locked_deletions


class LateLocks:
    """Tells of one claim whether a lock that holds some of it has come since; asks little while locks are as they were."""

    def __init__(self, claim: Claim) -> None:
        self._token = claim.token
        self._mark = claim.locks_mark

    def reason(self, now: datetime) -> str:
        """Return why the worker is to stop, empty if it may go on.

        The claim held nothing that was locked, so that whatever is now was locked since.
        """
        mark = locks_mark(now)
        if mark == self._mark:
            return ""
        rows = Deletion.objects.filter(lease_token=self._token, state=DeletionState.ACTING, path="").order_by("pk")
        held = locked_deletions(list(rows), now=now)
        self._mark = mark
        return f"a lock came that holds {len(held)} of the block replicas of the batch" if held else ""
