"""Whether a claim is better left off in the middle: the error brake judges only what is recorded, and a claim may be large."""

from __future__ import annotations

from collections.abc import Sequence

from operations.choices import GONE_OUTCOMES, FileOutcome
from operations.constants import BRAKE_FRACTION, BRAKE_MIN_OUTCOMES
from operations.services.claim import Claim
from operations.storage import FileResult


class Doubt:
    """Counts the block replicas of a claim that failed, or of which nothing was found; ``reason``: why the rest is to wait.

    What waits is looked at again after the brake has judged what was recorded.
    """

    def __init__(self, claim: Claim) -> None:
        self._first = {item.deletion_id for item in claim.items if not item.may_be_begun}
        self._wrong: set[int] = set()
        self._seen: set[int] = set()
        self.reason = ""

    def grows(self, deletion_id: int, results: Sequence[FileResult]) -> bool:
        """Note the results for all files of one deletion; tell whether there is a reason to stop."""
        self._seen.add(deletion_id)
        outcomes = {result.outcome for result in results}
        is_wrong = bool(outcomes - GONE_OUTCOMES) or (outcomes == {FileOutcome.ABSENT} and deletion_id in self._first)
        if is_wrong:
            self._wrong.add(deletion_id)
        if len(self._seen) >= BRAKE_MIN_OUTCOMES and len(self._wrong) >= BRAKE_FRACTION * len(self._seen):
            self.reason = f"{len(self._wrong)} of {len(self._seen)} block replicas failed or were not there: the rest waits"
        return bool(self.reason)
