"""What campaigns refuse, each with a code and a message that says what to do.

::

    CampaignError
    +-- NotFound             the named campaign, revision or exception does not exist
    +-- InvalidInput         a value that cannot be taken: times out of order, an empty reason, a pattern without an end
    +-- InvalidTransition    the state does not allow the act
    +-- TooEarly             the time for it has not come: before the closing date, before the earliest start
    +-- TooLate              the time for it is over: after the closing date, after the expiry
    +-- DigestOutdated       what was seen is not what is proposed now: look again
    +-- OwnProposal          who proposed a revision never signs it
    +-- AlreadySigned        a person says one thing about one revision
    +-- QuorumImpossible     those who must sign cannot: a group without members
    +-- NotReady             something is still open: an exception without a decision, a study that is under way
    +-- ReportInvalid        a report is not what was recorded, or its sums do not match

A missing right is Django's ``PermissionDenied``, never one of these.
"""

from __future__ import annotations

from typing import ClassVar


class CampaignError(Exception):
    """A refusal with a stable ``code``; the text says what was found, what was expected and what to do."""

    code: ClassVar[str] = "campaign_error"


class NotFound(CampaignError):
    code = "not_found"


class InvalidInput(CampaignError):
    code = "invalid_input"


class InvalidTransition(CampaignError):
    code = "invalid_transition"


class TooEarly(CampaignError):
    code = "too_early"


class TooLate(CampaignError):
    code = "too_late"


class DigestOutdated(CampaignError):
    code = "digest_outdated"


class OwnProposal(CampaignError):
    code = "own_proposal"


class AlreadySigned(CampaignError):
    code = "already_signed"


class QuorumImpossible(CampaignError):
    code = "quorum_impossible"


class NotReady(CampaignError):
    code = "not_ready"


class ReportInvalid(CampaignError):
    code = "report_invalid"
