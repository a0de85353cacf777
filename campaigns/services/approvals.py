"""Signing: each person says one thing about one revision, by the digest that was before the eyes."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from campaigns.choices import CampaignAction, CampaignState, Verdict
from campaigns.exceptions import AlreadySigned, DigestOutdated, InvalidInput, OwnProposal, TooLate
from campaigns.models import Approval, Campaign, Revision
from campaigns.selectors.quorum import quorum_groups, quorum_of
from campaigns.services.notices import notices_settle
from campaigns.services.transitions import campaign_lock_for, campaign_move, current_revision, demand_reason, storable
from inventory.services.audit import Actor

#: Constraints of the table, and what they mean to a person.
ONCE, NOT_BY_PROPOSER = "approval_once_per_revision", "approval_not_by_proposer"


@transaction.atomic
def campaign_sign(
    *, campaign_id: int, verdict: Verdict, digest: str, actor: Actor, now: datetime, comment: str = "", address: str = ""
) -> Approval:
    """Approve, reject or abstain; the quorum makes the campaign approved, one rejection makes it rejected.

    *digest*: of the list that the approver saw. Raises ``PermissionDenied``, `InvalidTransition` where it is not proposed,
    `OwnProposal` to the proposer whatever their rights, `DigestOutdated` for any other digest than the current one, `TooLate`
    after the expiry, `AlreadySigned`, `InvalidInput` for a rejection without a reason or an actor without an account.
    """
    campaign = campaign_lock_for(campaign_id, CampaignAction.SIGN, actor)
    revision = current_revision(campaign)
    check_signature(campaign, revision, digest=digest, actor=actor, now=now)
    if verdict == Verdict.REJECT:
        comment = demand_reason(comment, "it is rejected")
    approval = _save(
        campaign, revision, verdict=verdict, digest=digest, actor=actor, now=now, comment=storable(comment), address=address
    )
    notices_settle(key_prefix=f"to-sign-{revision.pk}-", user_id=approval.approver_id, now=now)
    details = {
        "revision": revision.number,
        "digest": digest,
        "verdict": verdict.value,
        "groups": approval.group_names,
        "address": address,
    }
    campaign_move(campaign, CampaignAction.SIGN, actor=actor, now=now, reason=approval.comment, details=details)
    if verdict == Verdict.REJECT:
        campaign_move(campaign, CampaignAction.REJECT, actor=actor, now=now, reason=approval.comment, details=details)
    elif campaign.state == CampaignState.PROPOSED:
        quorum = quorum_of(revision)
        if quorum.is_met:
            details = {"revision": revision.number, "digest": digest, "signatures": quorum.given, "needed": quorum.needed}
            campaign_move(campaign, CampaignAction.APPROVE, actor=actor, now=now, details=details)
    return approval


def check_signature(campaign: Campaign, revision: Revision, *, digest: str | None, actor: Actor, now: datetime) -> None:
    """Raise what keeps *actor* from signing *revision* now; *digest* None leaves open which list was seen."""
    if actor.user is None:
        raise InvalidInput("a campaign is signed by a person: name the account")
    if revision.proposed_by_id == actor.user.pk:
        raise OwnProposal(f"{actor.name} proposed this list: somebody else must sign it")
    if campaign.expires_at is not None and now >= campaign.expires_at:
        raise TooLate(f"the campaign expired at {campaign.expires_at:%Y-%m-%d %H:%M} UTC: a signature changes nothing any more")
    if digest is not None and digest != revision.digest:
        raise DigestOutdated(
            f"the list that was seen ({digest[:12]}) is not the one that is proposed now ({revision.digest[:12]}, revision "
            f"{revision.number}): look at what changed, then sign"
        )
    if Approval.objects.filter(revision=revision, approver_id=actor.user.pk).exists():
        raise AlreadySigned(f"{actor.name} has signed revision {revision.number} already; a signature is not changed")


def _save(
    campaign: Campaign,
    revision: Revision,
    *,
    verdict: Verdict,
    digest: str,
    actor: Actor,
    now: datetime,
    comment: str,
    address: str,
) -> Approval:
    if actor.user is None or revision.proposed_by_id is None:
        raise AssertionError("checked before: somebody signs what somebody proposed")
    needs = quorum_groups(campaign.partition_id)
    member_of = Group.objects.filter(user=actor.user.pk, name__in=needs).order_by("name").values_list("name", flat=True)
    try:
        with transaction.atomic():
            return Approval.objects.create(
                campaign=campaign,
                revision=revision,
                digest=digest,
                requester_id=revision.proposed_by_id,
                approver_id=actor.user.pk,
                verdict=verdict,
                group_names=list(member_of),
                comment=comment,
                address=address[:64],
                at=now,
            )
    except IntegrityError as error:
        # The constraints stand whatever was checked before.
        if NOT_BY_PROPOSER in str(error):
            raise OwnProposal(f"{actor.name} proposed this list: somebody else must sign it") from error
        if Approval.objects.filter(revision=revision, approver_id=actor.user.pk).exists():
            raise AlreadySigned(f"{actor.name} has signed revision {revision.number} already") from error
        raise
