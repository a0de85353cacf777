"""The judgement on a plan before it is released: safety limits, guardrails, and who started the cycle."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from django.db import connection

from inventory.selectors.reading import consistent_reader
from inventory.selectors.snapshot import InventoryStanding, inventory_standing, read_feeds
from policies.choices import CycleKind
from policies.evaluation.columns import Snapshot
from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.membership import Membership
from policies.language.variables import POPULARITY
from policies.models import Cycle, Partition, Policy
from policies.planning.outcome import Outcome
from policies.selectors.partitions import GuardrailScope, PartitionScope, partition_scope
from policies.services.guarding import judge_guardrails
from policies.services.limits import (
    Reading,
    SiteLoad,
    judge_feeds,
    judge_inventory_age,
    judge_partition,
    judge_sites,
    site_loads,
)


def judge_plan(
    *,
    cycle: Cycle,
    outcome: Outcome,
    snapshot: Snapshot,
    scope: PartitionScope,
    guardrails: Sequence[GuardrailScope],
    standing: InventoryStanding,
    now: datetime,
    feeds: Sequence[Reading] = (),
) -> list[Reading]:
    """Return every reading, tripped or not, of what *outcome* would delete; *now* is the real time, not the cycle's clock.

    *feeds*: of the facts that the text rests on.
    """
    arrays = InventoryArrays(snapshot)
    clock = cycle.clock.timestamp()
    members = Membership(scope.conditions, arrays, clock).members()
    deleted = _deleted_by_site(outcome, arrays)
    loads = site_loads(snapshot.sites.get_column("name").to_list(), outcome.target_sites, deleted)
    return [
        *judge_sites(cycle.partition, loads),
        judge_partition(
            cycle.partition,
            deleted_bytes=sum(deleted.values()),
            partition_bytes=int(arrays.row_size[members].sum(dtype=np.int64)),
        ),
        judge_inventory_age(standing, now),
        *feeds,
        *judge_guardrails(outcome, snapshot, [rail.rule for rail in guardrails], now=clock),
        judge_origin(cycle),
    ]


def judge_list(
    *,
    partition: Partition,
    loads: Sequence[SiteLoad],
    partition_bytes: int,
    left_to_guardrails: Collection[str],
    feeds: Collection[str],
    now: datetime,
) -> list[Reading]:
    """Return every reading, tripped or not, of a frozen list of the partition, as it would be released at *now*.

    *loads* and *partition_bytes* are those of the study; the quotas of *loads* are taken anew. Of *left_to_guardrails* nothing is
    among the items. *feeds*: those that decided something; popularity counts wherever it was ever measured, because nobody sees
    an access since the study once it has become stale. Unlike the plan of a cycle, a list with a stale feed trips.

    Raises what ``partition_scope`` raises.
    """
    quotas = partition_scope(partition.name).quotas
    with consistent_reader() as reader:
        states = read_feeds(reader)
    measured = {name for name, state in states.items() if name == POPULARITY and state.measured_at is not None}
    fresh = [replace(load, quota_bytes=quotas.get(load.site_name, 0)) for load in loads]
    ages = judge_feeds(measured | set(feeds), states, now)
    return [
        judge_inventory_age(inventory_standing(), now),
        *(replace(age, is_tripped=not states[age.subject].is_fresh(now, read_at=now)) for age in ages),
        *judge_sites(partition, fresh),
        judge_partition(partition, deleted_bytes=sum(load.deleted_bytes for load in loads), partition_bytes=partition_bytes),
        *(
            Reading("guardrail", name, 0.0, 0.0, is_tripped=False, text=f"the list has nothing that the guardrail {name} forbids")
            for name in sorted(left_to_guardrails)
        ),
    ]


def judge_origin(cycle: Cycle) -> Reading:
    """Judge where the text came from: by itself only the active version of a policy deletes, and only while it is enabled.

    Reads the policy afresh and, inside a transaction, keeps it from being changed until the plan is frozen: a version that was
    replaced while its cycle ran is not active any more.
    """
    version = cycle.policy_version
    policies = Policy.objects.select_for_update() if connection.in_atomic_block else Policy.objects.all()
    policy = policies.filter(pk=version.policy_id).first() if version is not None else None
    is_active = version is not None and policy is not None and policy.active_version_id == version.pk
    text = f"the text is {version}, which is active" if is_active else "the text is not the active version of a policy"
    if is_active and policy is not None and not policy.is_enabled and cycle.kind == CycleKind.AUTOMATIC:
        is_active, text = False, f"the policy {policy} was switched off while the cycle ran"
    if not is_active:
        text += f"; a cycle {CycleKind(cycle.kind).label} of it waits for somebody to release its plan"
    return Reading("origin", cycle.source, None, None, not is_active, text)


def _deleted_by_site(outcome: Outcome, arrays: InventoryArrays) -> dict[int, int]:
    deleted: dict[int, int] = {}
    for deletion in outcome.deletions:
        site = int(arrays.replica_site[deletion.replica])
        deleted[site] = deleted.get(site, 0) + deletion.size_bytes
    return deleted
