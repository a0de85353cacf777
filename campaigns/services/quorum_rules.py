"""Who must sign campaigns of a partition, and who speaks for a group that owns data: set by people, with an audit row."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction

from campaigns.exceptions import InvalidInput
from campaigns.models import GroupRepresentative, QuorumGroup, QuorumRule
from campaigns.permissions import CHANGE_QUORUM, CHANGE_REPRESENTATIVES, require
from inventory.selectors.groups import group_key
from inventory.services.audit import Actor, audit_record
from policies.selectors.partitions import partition_by_name


@transaction.atomic
def quorum_set(*, partition_name: str, min_signatures: int, groups: Mapping[str, int], actor: Actor) -> QuorumRule:
    """Say how many must sign campaigns of a partition in all, and of which groups of accounts how many.

    Campaigns that are proposed afterwards give those groups their rights; one under way is held to the rule as it is at each
    moment. Raises ``PermissionDenied``, ``PartitionUnknownError``, `InvalidInput` for an unknown group or a number below 1.
    """
    require(actor, CHANGE_QUORUM)
    partition = partition_by_name(partition_name)
    if min_signatures < 1 or any(number < 1 for number in groups.values()):
        raise InvalidInput("at least one signature is needed, in all and of each group that is named")
    known = {group.name: group for group in Group.objects.filter(name__in=groups)}
    if unknown := sorted(set(groups) - set(known)):
        raise InvalidInput(f"there is no group of accounts named {', '.join(unknown)}")
    rule = QuorumRule.objects.select_for_update().filter(partition_id=partition.pk).first()
    before = {} if rule is None else dict(rule.groups.values_list("group__name", "min_signatures"))
    rule = rule or QuorumRule(partition_id=partition.pk)
    rule.min_signatures = min_signatures
    rule.full_clean()
    rule.save()
    rule.groups.all().delete()
    QuorumGroup.objects.bulk_create(
        [QuorumGroup(rule=rule, group=known[name], min_signatures=number) for name, number in sorted(groups.items())]
    )
    audit_record(
        actor=actor,
        action="campaigns.quorum_set",
        subject=partition.name,
        details={"min_signatures": min_signatures, "groups": dict(groups), "groups_before": before},
    )
    return rule


@transaction.atomic
def representative_set(*, group_name: str, login: str, speaks: bool, actor: Actor) -> bool:
    """Say whether an account speaks for a group that owns data; return whether that changed anything.

    Raises ``PermissionDenied``, `InvalidInput` for an unknown group or account.
    """
    require(actor, CHANGE_REPRESENTATIVES)
    key = group_key(group_name)
    user = get_user_model().objects.filter(username=login).first()
    if key is None:
        raise InvalidInput(f"there is no group {group_name!r} that owns data: name one")
    if user is None or (speaks and not user.is_active):
        raise InvalidInput(f"there is no active account {login!r}: name one")
    rows = GroupRepresentative.objects.filter(group_id=key, user=user)
    if rows.exists() == speaks:
        return False
    if speaks:
        GroupRepresentative.objects.create(group_id=key, user=user)
    else:
        rows.delete()
    audit_record(
        actor=actor, action="campaigns.representative_set", subject=group_name, details={"login": login, "speaks": speaks}
    )
    return True
