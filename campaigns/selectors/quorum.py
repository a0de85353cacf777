"""Who must sign a revision, who has, and who is missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from guardian.shortcuts import get_users_with_perms

from campaigns.choices import FINAL_STATES, Verdict
from campaigns.constants import DEFAULT_APPROVER_GROUPS, TWO_SIGNATURES_FRACTION
from campaigns.models import Approval, Campaign, QuorumRule, Revision

_SIGN = "approve_campaign"


@dataclass(frozen=True, slots=True)
class GroupNeed:
    """How many of a group must sign, how many have, and how many of its other members, who have said nothing, still could."""

    name: str
    needed: int
    given: int
    num_others: int

    @property
    def is_met(self) -> bool:
        return self.given >= self.needed

    @property
    def is_possible(self) -> bool:
        return self.given + self.num_others >= self.needed


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """What one person said of a revision; ``lapsed``: why it does not count (for a group) any more, or empty."""

    approver: str
    verdict: str
    group_names: tuple[str, ...]
    comment: str
    address: str
    digest: str
    at: datetime
    lapsed: str = ""


@dataclass(frozen=True, slots=True)
class _Lapse:
    """Why a signature does not count for *groups* any more; without any it does not count at all."""

    why: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Quorum:
    """How far a revision is from being approved. ``two_because``: why at least two must sign, empty if one may do."""

    needed: int
    given: int
    groups: tuple[GroupNeed, ...]
    two_because: tuple[str, ...]
    signatures: tuple[SignatureRow, ...]

    @property
    def is_met(self) -> bool:
        return self.given >= self.needed and all(group.is_met for group in self.groups)

    @property
    def missing(self) -> tuple[str, ...]:
        """Say what is missing, empty when nothing is."""
        found = [
            f"{group.needed - group.given} of {group.name}" + ("" if group.is_possible else " (nobody of it is left who could)")
            for group in self.groups
            if not group.is_met
        ]
        if self.given < self.needed:
            found.append(f"{self.given} of {self.needed} signatures are given")
        if found:
            found += [f"{row.approver}'s signature does not count: {row.lapsed}" for row in self.signatures if row.lapsed]
        return tuple(found)

    @property
    def impossible(self) -> tuple[str, ...]:
        """Return the groups that must sign and cannot: without enough active members beside the proposer."""
        return tuple(group.name for group in self.groups if not group.is_possible)


def quorum_groups(partition_id: int) -> dict[str, int]:
    """Return the groups that must sign campaigns of the partition, with how many of each; none without a rule."""
    rule = QuorumRule.objects.filter(partition_id=partition_id).first()
    if rule is None:
        return {}
    return dict(rule.groups.order_by("group__name").values_list("group__name", "min_signatures"))


def approver_groups(partition_id: int) -> list[str]:
    """Return the groups whose members get the right to sign campaigns of the partition."""
    return list(quorum_groups(partition_id)) or [
        name for name in DEFAULT_APPROVER_GROUPS if Group.objects.filter(name=name).exists()
    ]


def num_who_could_sign(campaign: Campaign, *, proposer_id: int) -> int:
    """Return how many active accounts beside the proposer may sign the campaign once it is proposed."""
    accounts = get_user_model().objects
    of_groups = accounts.filter(is_active=True, groups__name__in=approver_groups(campaign.partition_id))
    return len({*of_groups.values_list("pk", flat=True), *_who_may_sign(campaign)} - {proposer_id})


def _who_may_sign(campaign: Campaign) -> set[int]:
    """Return the active accounts that may sign the campaign, as their rights are at this moment."""
    on_all = get_user_model().objects.with_perm(f"campaigns.{_SIGN}", backend="django.contrib.auth.backends.ModelBackend")
    on_it = set(get_users_with_perms(campaign, only_with_perms_in=[_SIGN]))
    return {user.pk for some in (on_all, on_it) for user in some if user.is_active}


def _lapsed(revision: Revision, rows: Sequence[Approval], needs: Collection[str]) -> dict[int, _Lapse]:
    """Return, by key, what is wrong with those of *rows* that their givers could not give again as they gave them.

    What has come to its end stays as it was signed.
    """
    if not rows or revision.campaign.state in FINAL_STATES:
        return {}
    may_sign = _who_may_sign(revision.campaign)
    accounts = get_user_model().objects.filter(pk__in=[row.approver_id for row in rows], groups__name__in=list(needs))
    memberships = set(accounts.values_list("pk", "groups__name"))
    found = {}
    for row in rows:
        left = frozenset(name for name in row.group_names if name in needs and (row.approver_id, name) not in memberships)
        if not row.approver.is_active:
            found[row.pk] = _Lapse("the account is not active any more")
        elif row.approver_id not in may_sign:
            found[row.pk] = _Lapse("the account may not sign this campaign any more")
        elif left:
            found[row.pk] = _Lapse(f"not in {', '.join(sorted(left))} any more", left)
    return found


def two_signatures_because(revision: Revision) -> tuple[str, ...]:
    """Return why two signatures are needed at least: tape, last copies, or a large part of the partition."""
    reasons = []
    if revision.num_tape_items:
        reasons.append(f"{revision.num_tape_items} block replicas are on tape")
    if revision.num_last_copies:
        reasons.append(f"{revision.num_last_copies} block replicas are last copies")
    if revision.size_bytes > TWO_SIGNATURES_FRACTION * revision.partition_bytes:
        share = revision.size_bytes / revision.partition_bytes if revision.partition_bytes else 1.0
        reasons.append(f"{share:.1%} of the bytes of the partition would go (more than {TWO_SIGNATURES_FRACTION:.0%})")
    return tuple(reasons)


def quorum_of(revision: Revision, *, proposer_id: int | None = None) -> Quorum:
    """Return how a revision stands; *proposer_id*: who is about to propose it, where nobody has yet.

    Counts what was signed with the revision's own digest, by anybody but the proposer, as long as the giver could sign so again:
    with an active account, the right, and for a group as a member of it. A person in two groups counts for both, but never as
    two signatures.
    """
    proposer = revision.proposed_by_id if revision.proposed_by_id is not None else proposer_id
    rows = list(Approval.objects.filter(revision=revision).select_related("approver").order_by("pk"))
    counting = [
        row
        for row in rows
        if row.verdict == Verdict.APPROVE
        and row.digest == revision.digest
        and row.approver_id != proposer
        and row.requester_id == proposer
    ]
    needs = quorum_groups(revision.campaign.partition_id)
    lapsed = _lapsed(revision, counting, needs)
    counting = [row for row in counting if row.pk not in lapsed or lapsed[row.pk].groups]
    groups = tuple(
        GroupNeed(
            name=name,
            needed=needed,
            given=sum(name in row.group_names and not (row.pk in lapsed and name in lapsed[row.pk].groups) for row in counting),
            num_others=get_user_model()
            .objects.filter(groups__name=name, is_active=True)
            .exclude(pk__in={row.approver_id for row in rows} | ({proposer} if proposer is not None else set()))
            .count(),
        )
        for name, needed in needs.items()
    )
    rule = QuorumRule.objects.filter(partition_id=revision.campaign.partition_id).first()
    two = two_signatures_because(revision)
    needed = max(rule.min_signatures if rule is not None else 1, sum(needs.values()), 2 if two else 1)
    return Quorum(
        needed=needed,
        given=len({row.approver_id for row in counting}),
        groups=groups,
        two_because=two,
        signatures=tuple(
            SignatureRow(
                row.approver.get_username(),
                row.verdict,
                tuple(row.group_names),
                row.comment,
                row.address,
                row.digest,
                row.at,
                lapsed[row.pk].why if row.pk in lapsed else "",
            )
            for row in rows
        ),
    )
