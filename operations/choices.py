"""Words of the deletion pipeline."""

from django.db import models


class DeletionState(models.TextChoices):
    """queued -> acting -> done | dropped | failed; acting -> queued when it is to be tried again or its worker died.

    queued -> failed: it would drop out, but some of its files are gone already. failed -> queued | dropped: by a person.
    """

    QUEUED = "QUEUED", "queued"
    ACTING = "ACTING", "being deleted"
    DONE = "DONE", "deleted"
    DROPPED = "DROPPED", "dropped out"
    FAILED = "FAILED", "failed, a person must act"


#: States in which work is under way or waiting.
OPEN_DELETION_STATES = frozenset({DeletionState.QUEUED, DeletionState.ACTING})

DELETION_TRANSITIONS: dict[str, frozenset[str]] = {
    DeletionState.QUEUED: frozenset({DeletionState.ACTING, DeletionState.DROPPED, DeletionState.FAILED}),
    DeletionState.ACTING: frozenset({DeletionState.QUEUED, DeletionState.DONE, DeletionState.DROPPED, DeletionState.FAILED}),
    DeletionState.FAILED: frozenset({DeletionState.QUEUED, DeletionState.DROPPED}),
    DeletionState.DONE: frozenset(),
    DeletionState.DROPPED: frozenset(),
}


class FileOutcome(models.TextChoices):
    """What the storage said of one file; the only vocabulary that storage back ends answer in."""

    DELETED = "DELETED", "deleted"
    ABSENT = "ABSENT", "already absent"
    RETRYABLE = "RETRYABLE", "to be tried again"
    REFUSED = "REFUSED", "refused"
    UNKNOWN = "UNKNOWN", "unknown"


#: Outcomes after which the file is known to be gone.
GONE_OUTCOMES = frozenset({FileOutcome.DELETED, FileOutcome.ABSENT})


class ActivityOutcome(models.TextChoices):
    """What became of files in an hour: of those that were to be deleted, and of tries."""

    DELETED = "DELETED", "deleted"
    ABSENT = "ABSENT", "already absent"
    DROPPED = "DROPPED", "kept after all"
    FAILED = "FAILED", "failed tries"


class RestoreOutcome(models.TextChoices):
    """What became of a file that was to come back from the trash."""

    RESTORED = "RESTORED", "restored"
    TAKEN = "TAKEN", "its place is taken"
    LOST = "LOST", "neither in the trash nor in its place"
    DAMAGED = "DAMAGED", "size or checksum is wrong"
    RETRYABLE = "RETRYABLE", "to be tried again"
    REFUSED = "REFUSED", "refused"
    UNKNOWN = "UNKNOWN", "unknown"


class TrashState(models.TextChoices):
    """filling -> kept when its deletion is over; kept -> restoring -> restored | kept; kept -> purging -> purged.

    filling -> empty: nothing of the deletion ever came into the trash. kept -> restoring also for what was restored in part.
    """

    FILLING = "FILLING", "being filled"
    KEPT = "KEPT", "in the trash"
    RESTORING = "RESTORE", "being restored"
    RESTORED = "RESTORED", "restored"
    PURGING = "PURGING", "being purged"
    PURGED = "PURGED", "purged, gone for good"
    EMPTY = "EMPTY", "nothing came into it"


class InvalidationState(models.TextChoices):
    """running -> done | kept; both ends are final."""

    RUNNING = "RUNNING", "being deleted"
    DONE = "DONE", "gone"
    KEPT = "KEPT", "some of it stays"


class DeletionRequestState(models.TextChoices):
    """waiting -> approved | rejected | cancelled; approved -> done | cancelled."""

    WAITING = "WAITING", "waits for a decision"
    APPROVED = "APPROVED", "approved"
    REJECTED = "REJECTED", "rejected"
    CANCELLED = "CANCELLED", "cancelled"
    DONE = "DONE", "done"


#: States in which a worker may hold a lease.
TRASH_STATES_UNDER_LEASE = frozenset({TrashState.RESTORING, TrashState.PURGING})


class ScanState(models.TextChoices):
    """listing -> comparing -> done | held; held -> done | discarded, by a person; done -> applying -> done.

    listing, comparing -> failed where the storage did not show itself whole, or cancelled by a person. Only what a scan that is
    done found counts for anything.
    """

    LISTING = "LISTING", "listing"
    COMPARING = "COMPARE", "comparing"
    HELD = "HELD", "held, a person must decide"
    DONE = "DONE", "done"
    APPLYING = "APPLY", "taking missing files out of the inventory"
    FAILED = "FAILED", "failed"
    CANCELLED = "CANCEL", "cancelled"
    DISCARDED = "DISCARD", "discarded"


#: States in which a worker has something to do.
SCAN_STATES_AT_WORK = frozenset({ScanState.LISTING, ScanState.COMPARING, ScanState.APPLYING})

#: States in which no other scan of the site may begin.
OPEN_SCAN_STATES = frozenset({*SCAN_STATES_AT_WORK, ScanState.HELD})

SCAN_TRANSITIONS: dict[str, frozenset[str]] = {
    ScanState.LISTING: frozenset({ScanState.COMPARING, ScanState.FAILED, ScanState.CANCELLED}),
    ScanState.COMPARING: frozenset({ScanState.DONE, ScanState.HELD, ScanState.FAILED, ScanState.CANCELLED}),
    ScanState.HELD: frozenset({ScanState.DONE, ScanState.DISCARDED}),
    ScanState.DONE: frozenset({ScanState.APPLYING}),
    ScanState.APPLYING: frozenset({ScanState.DONE}),
    ScanState.FAILED: frozenset(),
    ScanState.CANCELLED: frozenset(),
    ScanState.DISCARDED: frozenset(),
}


class FindingKind(models.TextChoices):
    """What is wrong with a file: the inventory says it is there, nobody knows it, or it is known but not as being there."""

    MISSING = "MISSING", "missing"
    DARK = "DARK", "dark"
    STRAY = "STRAY", "known, but not at this site"


class FindingState(models.TextChoices):
    """open -> applied (missing: taken out of the inventory) -> returned (there again, and taken up again); open -> cleared."""

    OPEN = "OPEN", "open"
    APPLIED = "APPLIED", "taken out of the inventory"
    RETURNED = "RETURNED", "there again, taken up again"
    CLEARED = "CLEARED", "was there when looked at again"


class CleanUpState(models.TextChoices):
    """waiting -> released | discarded; released -> done | discarded."""

    WAITING = "WAITING", "waits for a decision"
    RELEASED = "RELEASED", "released"
    DISCARDED = "DISCARDED", "discarded"
    DONE = "DONE", "done"


#: States in which no other clean-up of the site may begin.
OPEN_CLEAN_UP_STATES = frozenset({CleanUpState.WAITING, CleanUpState.RELEASED})


class HealthSign(models.TextChoices):
    """How a deletion ended, as ``SiteHealth.recent_outcomes`` keeps it."""

    FINE = ".", "did what it should"
    ABSENT = "a", "found nothing at its first attempt"
    FAILED = "x", "the storage did not do what it was asked"
