"""Why a replica stayed or went in a cycle: the rules asked again on what the cycle saw, whatever the inventory holds now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

from django.core.files.storage import default_storage

from policies.choices import CycleState
from policies.models import Cycle
from policies.planning.evidence import DatasetEvidence, read_evidence
from policies.planning.explain import ReplicaExplanation, UnknownReplica, explain_recorded
from policies.services.cycles import parsed_policy


@dataclass(frozen=True, slots=True)
class CycleExplanation:
    """The explanation, None where there is none: ``problem`` then says why. ``read_at``: when the cycle read the inventory."""

    explanation: ReplicaExplanation | None
    read_at: datetime | None
    problem: str = ""


def replica_explain(*, cycle_id: int, dataset: str, site: str) -> CycleExplanation:
    """Explain what the cycle decided on the replica of *dataset* at *site*, out of the cycle's own record.

    Takes as long for a large cycle as for a small one, and reads nothing of the inventory: a replica that was deleted is
    explained like any other. Raises ``Cycle.DoesNotExist``, and `PolicyInvalidError` where the text does not parse any more.
    """
    cycle = Cycle.objects.select_related("partition").get(pk=cycle_id)
    if cycle.state != CycleState.COMPLETED:
        return CycleExplanation(None, None, f"The cycle is {cycle.get_state_display()}: it has decided nothing.")
    if not cycle.evidence_file or not default_storage.exists(cycle.evidence_file):
        return CycleExplanation(None, cycle.snapshot_at, "What the cycle saw is not kept any more; its decisions are.")
    evidence = _evidence(cycle, dataset)
    if evidence is None:
        problem = f"The cycle saw no block of {dataset} that is in the partition {cycle.partition} at one of its target sites."
        return CycleExplanation(None, cycle.snapshot_at, problem)
    policy = parsed_policy(cycle.text, cycle.source, partition_name=cycle.partition.name)
    try:
        found = explain_recorded(policy, evidence, now=cycle.clock.timestamp(), dataset=dataset, site=site)
    except UnknownReplica:
        return CycleExplanation(
            None, cycle.snapshot_at, f"{site} held no replica of {dataset} when the cycle read the inventory."
        )
    return CycleExplanation(found, cycle.snapshot_at)


def _evidence(cycle: Cycle, dataset: str) -> DatasetEvidence | None:
    with default_storage.open(cycle.evidence_file) as stored:
        return read_evidence(cast(BinaryIO, stored), dataset)
