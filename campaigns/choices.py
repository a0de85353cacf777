"""Words that campaigns store."""

from django.db import models


class CampaignState(models.TextChoices):
    """Where a campaign stands; the table of moves is ``campaigns.lifecycle``."""

    DRAFT = "DRAFT", "draft"
    STUDIED = "STUDIED", "studied"
    PROPOSED = "PROPOSED", "proposed"
    APPROVED = "APPROVED", "approved"
    REJECTED = "REJECTED", "rejected"
    EXECUTING = "EXECUTING", "executing"
    PAUSED = "PAUSED", "paused"
    COMPLETED = "COMPLETED", "completed"
    CANCELLED = "CANCELLED", "cancelled"
    EXPIRED = "EXPIRED", "expired"


#: States that nothing leaves.
FINAL_STATES = frozenset({CampaignState.COMPLETED, CampaignState.CANCELLED, CampaignState.EXPIRED})
#: States in which the list is frozen and announced.
ANNOUNCED_STATES = frozenset(
    {
        CampaignState.PROPOSED,
        CampaignState.APPROVED,
        CampaignState.REJECTED,
        CampaignState.EXECUTING,
        CampaignState.PAUSED,
        CampaignState.COMPLETED,
    }
)


class CampaignAction(models.TextChoices):
    """What may be done with a campaign; the words are those of the API, the commands and the buttons."""

    EDIT = "EDIT", "edit"
    STUDY = "STUDY", "study"
    REVISE = "REVISE", "revise"
    PROPOSE = "PROPOSE", "propose"
    ASK = "ASK", "ask for an exception"
    DECIDE = "DECIDE", "decide exceptions"
    SIGN = "SIGN", "sign"
    APPROVE = "APPROVE", "reach the quorum"
    REJECT = "REJECT", "reject"
    EXECUTE = "EXECUTE", "execute"
    PAUSE = "PAUSE", "pause"
    RESUME = "RESUME", "resume"
    COMPLETE = "COMPLETE", "complete"
    CANCEL = "CANCEL", "cancel"
    EXPIRE = "EXPIRE", "expire"


class Verdict(models.TextChoices):
    """What an approver says of a revision; each says it once."""

    APPROVE = "APPROVE", "approve"
    REJECT = "REJECT", "reject"
    ABSTAIN = "ABSTAIN", "abstain"


class ExceptionState(models.TextChoices):
    """asked -> granted | shortened | refused | withdrawn; all but asked are final."""

    ASKED = "ASKED", "asked for"
    GRANTED = "GRANTED", "granted"
    SHORTENED = "SHORTENED", "granted for a shorter time"
    REFUSED = "REFUSED", "refused"
    WITHDRAWN = "WITHDRAWN", "withdrawn"


#: Exceptions that keep data.
KEEPING_STATES = frozenset({ExceptionState.GRANTED, ExceptionState.SHORTENED})


class StudyState(models.TextChoices):
    """running -> completed | failed; both ends are final."""

    RUNNING = "RUNNING", "running"
    COMPLETED = "COMPLETED", "completed"
    FAILED = "FAILED", "failed"


class NoticeKind(models.TextChoices):
    """Why somebody is told of a campaign."""

    ANNOUNCED = "ANNOUNCED", "announced"
    TO_SIGN = "TO_SIGN", "waits for your signature"
    REMINDER = "REMINDER", "exceptions close soon"
    EXCEPTION_ASKED = "EXCEPTION_ASKED", "an exception waits for your decision"
    EXCEPTION_DECIDED = "EXCEPTION_DECIDED", "your exception is decided"
    MOVED = "MOVED", "the campaign has moved on"


class ItemOutcome(models.TextChoices):
    """What has become of one item of the frozen list, as the report says it."""

    WAITING = "WAITING", "waiting"
    DELETED = "DELETED", "deleted"
    DROPPED = "DROPPED", "dropped out"
    FAILED = "FAILED", "failed"
    RESTORED = "RESTORED", "deleted and restored"
    PARTLY = "RESTORED_IN_PART", "deleted and restored in part"
