"""What operations refuse, each with a code and a message that says what to do.

::

    OperationsError
    +-- NotFoundError            the named deletion or plan does not exist
    +-- InvalidTransitionError   the state does not allow the act: dropping what is done, resuming what is not paused
    +-- InvalidationChangedError what is to be invalidated is not what was previewed
    +-- LockedDataError          a lock holds what is to be invalidated, and nobody who may has overridden it
    +-- OwnRequestError          somebody would approve or release what they asked for themselves
    +-- PlanAlteredError         the items of a plan are not those that its digest was taken of
    +-- ScanStoppedError         a scan does not go on here: a pause, or another worker has it
"""

from __future__ import annotations

from typing import ClassVar


class OperationsError(Exception):
    """A refusal with a stable ``code``; the text says what was found, what was expected and what to do."""

    code: ClassVar[str] = "operations_error"


class NotFoundError(OperationsError):
    """The named thing does not exist."""

    code = "not_found"


class InvalidTransitionError(OperationsError):
    """The state does not allow the act."""

    code = "invalid_transition"


class PlanAlteredError(OperationsError):
    """A plan no longer matches its digest: nothing of it is ever carried out."""

    code = "plan_altered"

    def __init__(self, plan_id: int) -> None:
        super().__init__(
            f"the items of plan {plan_id} are not those that were frozen (the digest differs): nothing of it is deleted; "
            "discard the plan and find out who changed the table of plan items"
        )
        self.plan_id = plan_id


class InvalidationChangedError(OperationsError):
    """What was previewed is not what is there now: nothing was done."""

    code = "changed_since_preview"

    def __init__(self, previewed: str, found: str) -> None:
        super().__init__(
            f"it is not what the preview {previewed[:16]} showed any more (it would be {found[:16]}): data, copies, locks or "
            "plans changed; look at a new preview, then confirm that one"
        )


class LockedDataError(OperationsError):
    """A lock holds some of the data."""

    code = "locked"

    def __init__(self, message: str, lock_id: int) -> None:
        super().__init__(message)
        self.lock_id = lock_id


class OwnRequestError(OperationsError):
    """Nobody approves what they asked for themselves."""

    code = "own_request"


class ScanStoppedError(OperationsError):
    """A scan does not go on here and now; what it has written stays, and it goes on from there."""

    code = "scan_stopped"
