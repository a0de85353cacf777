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
        self._num_wrong = self._num_seen = 0
        self.reason = ""

    def grows(self, deletion_id: int, results: Sequence[FileResult]) -> bool:
        """Note the results for all files of one deletion, once; tell whether there is a reason to stop."""
        self._num_seen += 1
        outcomes = {result.outcome for result in results}
        if outcomes - GONE_OUTCOMES or (outcomes == {FileOutcome.ABSENT} and deletion_id in self._first):
            self._num_wrong += 1
        if self._num_seen >= BRAKE_MIN_OUTCOMES and self._num_wrong >= BRAKE_FRACTION * self._num_seen:
            self.reason = f"{self._num_wrong} of {self._num_seen} block replicas failed or were not there: the rest waits"
        return bool(self.reason)
