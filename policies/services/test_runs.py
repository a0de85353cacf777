"""Test runs that a worker carries out while somebody watches: what a text would do, without doing it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from inventory.services.audit import Actor
from policies.choices import CycleKind
from policies.models import Cycle, PolicyVersion
from policies.services.cycles import cycle_start
from policies.signals import test_run_started


def test_run_request(
    *,
    text: str,
    source: str,
    actor: Actor,
    now: datetime,
    partition_name: str | None = None,
    policy_version: PolicyVersion | None = None,
    deletion_per_iteration: float = 0.01,
) -> Cycle:
    """Record a test run and hand it to a worker; look at the cycle's state and progress for what becomes of it.

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
    )
    transaction.on_commit(lambda: test_run_started.send(sender=Cycle, cycle_id=cycle.pk, actor_name=actor.name))
    return cycle
