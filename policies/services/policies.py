"""Policies and their versions: a saved text never changes, and only a tested version becomes active."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from inventory.services.audit import Actor, audit_record
from policies.exceptions import (
    ExpectationFailedError,
    PolicyError,
    PolicyInvalidError,
    VersionImmutableError,
    VersionUntestedError,
)
from policies.language.parser import parse_condition
from policies.models import Guardrail, Policy, PolicyVersion
from policies.permissions import ACTIVATE_POLICY, CHANGE_GUARDRAIL, CHANGE_PARTITION, CHANGE_POLICY, require
from policies.selectors.cycles_overview import counting_test_runs
from policies.selectors.partitions import partition_by_name
from policies.services.cycles import parsed_policy, text_digest


@transaction.atomic
def policy_create(
    *, name: str, partition_name: str, actor: Actor, period: timedelta = timedelta(hours=12), deletion_per_iteration: float = 0.01
) -> Policy:
    """Create a policy without a version; it does nothing until a version of it is active.

    Raises `PartitionUnknownError`, ``ValidationError`` for a name that is taken, ``PermissionDenied`` without
    ``policies.change_partition`` on its partition.
    """
    partition = partition_by_name(partition_name)
    require(actor, CHANGE_PARTITION, partition)
    policy = Policy(name=name, partition=partition, period=period, deletion_per_iteration=deletion_per_iteration)
    policy.full_clean()
    policy.save()
    audit_record(actor=actor, action="policies.policy_create", subject=name, details={"partition": partition_name})
    return policy


@transaction.atomic
def policy_version_create(*, policy_id: int, text: str, actor: Actor, comment: str = "") -> PolicyVersion:
    """Save *text* as the next version of a policy; a version is never changed afterwards.

    Raises `PolicyInvalidError` with all findings where the text has errors or names another partition than the policy's, and
    ``PermissionDenied`` without ``policies.change_policy``.
    """
    policy = Policy.objects.select_for_update(of=("self",)).select_related("partition").get(pk=policy_id)
    require(actor, CHANGE_POLICY, policy)
    parsed_policy(text, policy.name, partition_name=policy.partition.name)
    last = PolicyVersion.objects.filter(policy=policy).aggregate(last=Max("number"))["last"] or 0
    version = PolicyVersion(
        policy=policy, number=last + 1, text=text, digest=text_digest(text), comment=comment, created_by=actor.name
    )
    version.full_clean()
    version.save(force_insert=True)
    audit_record(
        actor=actor, action="policies.version_create", subject=str(version), reason=comment, details={"digest": version.digest}
    )
    return version


def policy_version_activate(*, version_id: int, actor: Actor, reason: str = "") -> PolicyVersion:
    """Make a version the one that automatic cycles evaluate.

    Reads no inventory: what counts is the latest completed test run of this very version, and how the policy's expectations
    fared in it. Raises ``PermissionDenied`` without ``policies.activate_policy``, `VersionUntestedError` without such a test
    run or where the expectations were changed since, `ExpectationFailedError` with a counter-example, `VersionImmutableError`
    where its text is not the one that was saved, `PolicyError` where it is active already.
    """
    with transaction.atomic():
        return _activate(version_id, actor, reason)


def _demand_tested(policy: Policy, version: PolicyVersion) -> None:
    """Raise unless the latest completed test run of *version* was of its text alone and met the policy's expectations."""
    runs = counting_test_runs().filter(policy_version=version).order_by("-pk")
    test = next((run for run in runs if text_digest(run.text) == version.digest), None)
    if test is None:
        raise VersionUntestedError(
            f"{version} has no completed test run; run it with policy_run --test-run or in the editor, and look"
        )
    if test.expectations != policy.expectations:
        raise VersionUntestedError(
            f"the expectations of {policy} were changed after {version} was tested in cycle {test.pk}; test it once more"
        )
    failures = [row["failure"] for row in test.expectation_results if not row["is_met"]]
    if failures:
        raise ExpectationFailedError(failures)


def _activate(version_id: int, actor: Actor, reason: str) -> PolicyVersion:
    policy_id = PolicyVersion.objects.values_list("policy_id", flat=True).get(pk=version_id)
    policy = Policy.objects.select_for_update(of=("self",)).select_related("active_version").get(pk=policy_id)
    version = PolicyVersion.objects.select_for_update(of=("self",)).select_related("policy").get(pk=version_id)
    require(actor, ACTIVATE_POLICY, policy)
    if policy.active_version_id == version.pk:
        raise PolicyError(f"{version} is active already")
    if text_digest(version.text) != version.digest:
        raise VersionImmutableError(f"the text of {version} is not the one that was saved; save a new version instead")
    _demand_tested(policy, version)
    before = policy.active_version
    version.activated_at, version.activated_by = timezone.now(), actor.name
    version.save(update_fields=["activated_at", "activated_by"])
    policy.active_version = version
    policy.save(update_fields=["active_version"])
    audit_record(
        actor=actor,
        action="policies.version_activate",
        subject=str(version),
        reason=reason,
        details={"before": str(before) if before is not None else None, "digest": version.digest},
    )
    return version


@transaction.atomic
def policy_deactivate(*, policy_id: int, actor: Actor, reason: str) -> Policy:
    """Leave a policy without an active version, so that no automatic cycle evaluates it."""
    policy = Policy.objects.select_for_update(of=("self",)).select_related("active_version").get(pk=policy_id)
    require(actor, ACTIVATE_POLICY, policy)
    before = policy.active_version
    policy.active_version = None
    policy.save(update_fields=["active_version"])
    audit_record(
        actor=actor,
        action="policies.deactivate",
        subject=policy.name,
        reason=reason,
        details={"before": str(before) if before else None},
    )
    return policy


@transaction.atomic
def guardrail_define(
    *,
    name: str,
    condition: str,
    actor: Actor,
    partition_name: str | None = None,
    is_protecting: bool = False,
    is_enabled: bool = True,
    comment: str = "",
) -> Guardrail:
    """Create or replace a guardrail: what meets *condition* must not be deleted by any plan (of the partition, if one is named).

    Raises `PolicyInvalidError` where the condition has errors, `PartitionUnknownError`, ``PermissionDenied``.
    """
    parsed, diagnostics = parse_condition(condition, kind="replica", file_name=f"guardrail {name}")
    if parsed is None:
        raise PolicyInvalidError(f"the condition of the guardrail {name}", diagnostics)
    rail = Guardrail.objects.select_for_update().filter(name=name).first() or Guardrail(name=name)
    before = rail.condition
    require(actor, CHANGE_GUARDRAIL, rail)
    rail.condition = parsed.text
    rail.partition = partition_by_name(partition_name) if partition_name is not None else None
    rail.is_protecting, rail.is_enabled, rail.comment = is_protecting, is_enabled, comment
    rail.full_clean()
    rail.save()
    audit_record(
        actor=actor,
        action="policies.guardrail_define",
        subject=name,
        reason=comment,
        details={"before": before, "after": rail.condition, "is_protecting": is_protecting, "is_enabled": is_enabled},
    )
    return rail
