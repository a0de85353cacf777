"""What every plan of the engine must keep, whatever the policy: found by replaying it on the reference's objects.

The replays use inventories whose groups are all of ownership level Block, so that nothing is handed over: then a plan's
deletions are all that changes, and each can be judged in the state that the earlier ones have left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import pytest

from policies.evaluation.reference.conditions import Clock
from policies.evaluation.reference.cycle import AppliedRule, stack_of, takes
from policies.evaluation.reference.objects import BlockReplica
from policies.evaluation.reference.scope import Member, Start, site_meets, start_of
from policies.evaluation.reference.values import Scope, View, occupancy_of
from policies.language.types import Action, Truth
from policies.planning.decisions import plan_digest
from tests.factories.snapshots import NOW
from tests.factories.strategies import RandomCycle, seeded_cycle
from tests.unit.policies.deciding import random_inputs
from tests.unit.policies.planning_case import PlannedDeletion, plan_random, planned_deletions

_SEEDS = range(100_000, 100_600)
_LAST_COPY = "dataset.num_full_disk_copy < 2"


def without_dataset_level_groups(case: RandomCycle) -> RandomCycle:
    """Return *case* with groups of level Block only: nothing is handed over."""
    groups = [group | {"olevel": "Block"} for group in case.document["group"]]
    return replace(case, document=case.document | {"group": groups})


def with_ready_disks(case: RandomCycle) -> RandomCycle:
    """Return *case* with ready disk sites only, so that its copies count."""
    sites = [site | {"storage_type": "disk", "status": "ready"} for site in case.document["site"]]
    return replace(case, document=case.document | {"site": sites})


class Replay:
    """A plan carried out unit by unit on the reference's objects."""

    def __init__(self, case: RandomCycle) -> None:
        inputs = random_inputs(case)
        self.policy = inputs["policy"]
        self.clock = Clock(NOW)
        self.stack: list[AppliedRule] = stack_of(self.policy, inputs["guardrails"], NOW)
        self.start: Start = start_of(inputs["snapshot"], self.policy.targets, inputs["membership"], self.clock)
        self.scope = Scope.over(self.start.members)
        self.members = {member.key: member for member in self.start.members}
        self.size_at = {site.name: 0 for site in self.start.targets}
        for member in self.start.members:
            self.size_at[member.site.name] += sum(part.size for part in member.blocks)

    def units(self, deletions: tuple[PlannedDeletion, ...]) -> Iterator[tuple[Member, int, list[PlannedDeletion]]]:
        """Yield the deletions of one replica and step that follow each other."""
        for (site, dataset, step), together in groupby(deletions, key=lambda found: (found[0], found[1], found[3])):
            yield self.members[site, dataset], step, list(together)

    def carry_out(self, member: Member, deletion: PlannedDeletion) -> None:
        """Delete."""
        _, _, names, _, _, size = deletion
        member.blocks[:] = [part for part in member.blocks if part.block.name not in names]
        self.size_at[member.site.name] -= size
        if not member.blocks:
            self.scope.copies(member.dataset).remove(member)

    def would_go(self, member: Member) -> set[tuple[int, tuple[str, ...]]]:
        """Return, per line of a Delete or Dismiss rule, the blocks that it takes of *member* in the present state."""
        visible: list[BlockReplica] = list(member.blocks)
        found = set()
        for rule in self.stack:
            if not takes(rule, View(self.scope, member, visible), self.clock):
                continue
            taken = visible
            if rule.is_block:
                taken = [part for part in visible if takes(rule, View(self.scope, member, visible, part), self.clock)]
            is_end = not rule.is_block or len(taken) == len(visible)
            if (taken or is_end) and rule.action in (Action.DELETE, Action.DISMISS):
                found.add((rule.line, tuple(part.block.name for part in taken)))
            if is_end:
                return found
            visible = [part for part in visible if part not in taken]
        raise AssertionError("a stack ends with its default")

    def is_clean_enough(self, member: Member) -> bool:
        occupancy = occupancy_of(member.site, self.size_at[member.site.name])
        return site_meets(self.policy.stops, member.site, occupancy, self.clock, Truth.UNKNOWN)


def test_every_deletion_is_justified_in_the_state_that_it_finds() -> None:
    num_deleting = 0
    for seed in _SEEDS:
        case = without_dataset_level_groups(seeded_cycle(seed))
        replay = Replay(case)
        deletions = planned_deletions(*plan_random(case))
        num_deleting += bool(deletions)
        for member, _, unit in replay.units(deletions):
            justified = replay.would_go(member)
            for deletion in unit:
                _, _, blocks, _, line, _ = deletion
                if (line, blocks) not in justified:
                    # Not decided together with the deletion before it, but by an evaluation of its own.
                    justified = replay.would_go(member)
                assert (line, blocks) in justified, (seed, member.key, line, blocks, justified)
                replay.carry_out(member, deletion)
    assert num_deleting >= len(_SEEDS) / 2


def test_until_stops_a_site_after_one_unit_beyond_it() -> None:
    num_clean = 0
    for seed in _SEEDS:
        case = without_dataset_level_groups(seeded_cycle(seed))
        replay = Replay(case)
        clean: set[str] = set()
        for member, step, unit in replay.units(planned_deletions(*plan_random(case))):
            assert step == 0 or member.site.name not in clean, (seed, member.key)
            for deletion in unit:
                replay.carry_out(member, deletion)
            if step > 0 and replay.is_clean_enough(member):
                clean.add(member.site.name)
        num_clean += len(clean)
    assert num_clean > len(_SEEDS) / 20


def test_last_full_copy_stays_where_a_guardrail_protects_it() -> None:
    num_reduced = 0
    for seed in _SEEDS:
        case = replace(with_ready_disks(seeded_cycle(seed)), guardrails=(_LAST_COPY,))
        replay = Replay(case)
        before = {name: full_disk_copies(replay, name) for name in replay.scope.copies_of}
        for member, _, unit in replay.units(planned_deletions(*plan_random(case))):
            for deletion in unit:
                replay.carry_out(member, deletion)
        for name, number in before.items():
            after = full_disk_copies(replay, name)
            assert after >= min(number, 1), (seed, name)
            num_reduced += after < number
    assert num_reduced > len(_SEEDS) / 20


def full_disk_copies(replay: Replay, name: str) -> int:
    """Return the number of full copies of dataset *name* at ready disk sites in the present state."""
    return sum(
        copy.is_full(copy.blocks) and copy.site.storage_type == "DISK" and copy.site.status == "READY"
        for copy in replay.scope.copies_of[name]
    )


@pytest.mark.parametrize("section", ["site", "dataset", "datasetreplica", "attrs", "sitepartition", "group"])
def test_order_of_the_inventory_does_not_change_the_digest(section: str) -> None:
    for seed in _SEEDS[:100]:
        case = seeded_cycle(seed)
        turned = replace(case, document=case.document | {section: list(reversed(case.document[section]))}, unknown={})
        case = replace(case, unknown={})
        assert plan_digest(*plan_random(case)) == plan_digest(*plan_random(turned))
