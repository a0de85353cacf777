"""Test runs that a worker carries out while somebody watches: what a text would do, without doing it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from inventory.services.audit import Actor
from policies.choices import CycleKind, CycleState
from policies.models import Cycle, PolicyVersion
from policies.permissions import RUN_POLICY, require
from policies.services.cycles import cycle_start, text_digest
from policies.signals import test_run_started

#: How far the clock of a test run may be from when it was started for it to say what the text does today.
_CLOCK_TOLERANCE = timedelta(hours=1)


def test_run_request(
    *,
    text: str,
    source: str,
    actor: Actor,
    now: datetime,
    partition_name: str | None = None,
    policy_version: PolicyVersion | None = None,
    deletion_per_iteration: float = 0.01,
    with_guardrails: bool = False,
) -> Cycle:
    """Record a test run and hand it to a worker; look at the cycle's state and progress for what becomes of it.

    *with_guardrails*: protecting guardrails stand on top of the text, as in a real cycle.

    Raises what ``cycle_start`` raises, and ``WorkerUnreachableError`` where no worker can be told (the cycle is failed then).
    """
    cycle = cycle_start(
        text=text,
        source=source,
        kind=CycleKind.TEST_RUN,
        actor=actor,
        now=now,
        partition_name=partition_name,
        policy_version=policy_version,
        deletion_per_iteration=deletion_per_iteration,
        with_guardrails=with_guardrails,
    )
    transaction.on_commit(lambda: test_run_started.send(sender=Cycle, cycle_id=cycle.pk, actor_name=actor.name))
    return cycle


def version_test_run_request(*, version_id: int, actor: Actor, now: datetime, with_guardrails: bool = False) -> Cycle:
    """Record a test run of a saved version by its policy's step limit and hand it to a worker.

    *with_guardrails*: as in `test_run_request`; such a run shows what would be planned, and does not count for activation.

    Raises ``PermissionDenied`` without ``policies.run_policy`` on the policy, and what `test_run_request` raises.
    """
    version = PolicyVersion.objects.select_related("policy__partition").get(pk=version_id)
    policy = version.policy
    require(actor, RUN_POLICY, policy)
    return test_run_request(
        text=version.text,
        source=str(version),
        actor=actor,
        now=now,
        partition_name=policy.partition.name,
        policy_version=version,
        deletion_per_iteration=policy.deletion_per_iteration,
        with_guardrails=with_guardrails,
    )


@transaction.atomic
def test_run_adopt(*, cycle_id: int, version: PolicyVersion) -> bool:
    """Note that a test run made before *version* was saved was one of its very text, so that it counts as its test.

    Returns False, and changes nothing, unless the run is completed, belongs to no version, and had the same text, partition,
    step limit and the clock of the time when it was started, and no guardrails.
    """
    cycle = Cycle.objects.select_for_update(of=("self",)).filter(pk=cycle_id).first()
    if cycle is None or cycle.kind != CycleKind.TEST_RUN or cycle.state != CycleState.COMPLETED or cycle.with_guardrails:
        return False
    policy = version.policy
    is_of_now = abs(cycle.clock - cycle.started_at) <= _CLOCK_TOLERANCE
    is_same = text_digest(cycle.text) == version.digest and cycle.partition_id == policy.partition_id
    if cycle.policy_version_id is not None or not is_same or not is_of_now:
        return False
    if cycle.deletion_per_iteration != policy.deletion_per_iteration:
        return False
    cycle.policy_version, cycle.source = version, str(version)
    cycle.save(update_fields=["policy_version", "source"])
    return True
