"""What exists for a cycle: the target sites and the partition's block replicas there (language page, sections 4, 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.evaluation.columns import Snapshot
from policies.evaluation.reference.conditions import Clock, truth_of_condition
from policies.evaluation.reference.objects import BlockReplica, Replica, Site, read_inventory
from policies.evaluation.reference.values import Scope, View, occupancy_of, values_at_site
from policies.language.ast import Condition
from policies.language.types import Truth


@dataclass(eq=False, slots=True, kw_only=True)
class Member(Replica):
    """A dataset replica that takes part, with what the cycle knows of it.

    ``candidates`` maps the index of a rule to the blocks that it made candidates in the last evaluation; for a replica
    without blocks the list is empty and the key alone counts. ``empty_decision`` is the decision on such a replica [102].
    """

    num_at_start: int
    whole: Replica
    is_settled: bool = False
    is_ignored: bool = False
    is_gone: bool = False
    candidates: dict[int, list[BlockReplica]] = field(default_factory=dict)
    empty_decision: tuple[str, int] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.site.name, self.dataset.name


@dataclass(eq=False, slots=True)
class Membership:
    """The partition: a block replica is in it if any condition holds; unknown is not in it."""

    conditions: Sequence[Condition]
    inventory: Scope
    clock: Clock

    def contains(self, whole: Replica, part: BlockReplica) -> bool:
        """Ask for one block replica, with the inventory as it stands now (section 4)."""
        values = View(self.inventory, whole, whole.blocks, alone=part).values
        return any(truth_of_condition(condition, values, self.clock) is Truth.TRUE for condition in self.conditions)


@dataclass(eq=False, slots=True)
class Start:
    """State at the start of the cycle: all members in the order (site, dataset), and the sites that are targets."""

    members: list[Member]
    everything: list[tuple[Member, list[BlockReplica]]]
    targets: list[Site]
    occupancy: dict[str, float]
    membership: Membership


def start_of(snapshot: Snapshot, targets: Sequence[Condition], membership: Sequence[Condition], clock: Clock) -> Start:
    """Find the target sites and what the partition holds there (section 5, Scope)."""
    inventory = read_inventory(snapshot)
    partition = Membership(membership, Scope.over(inventory.replicas), clock)
    parts_of = {id(whole): [part for part in whole.blocks if partition.contains(whole, part)] for whole in inventory.replicas}

    bytes_at = {site.name: 0 for site in inventory.sites}
    for whole in inventory.replicas:
        bytes_at[whole.site.name] += sum(part.size for part in parts_of[id(whole)])
    occupancy = {site.name: occupancy_of(site, bytes_at[site.name]) for site in inventory.sites}
    target_sites = [site for site in inventory.sites if site_meets(targets, site, occupancy[site.name], clock, Truth.TRUE)]
    names = {site.name for site in target_sites}

    members = []
    for whole in inventory.replicas:
        parts = parts_of[id(whole)]
        if whole.site.name in names and (parts or takes_part_empty(whole)):
            members.append(Member(whole.dataset, whole.site, whole.facts, list(parts), num_at_start=len(parts), whole=whole))
    everything = [(member, list(member.blocks)) for member in members]
    return Start(members, everything, target_sites, {name: occupancy[name] for name in sorted(names)}, partition)


def takes_part_empty(whole: Replica) -> bool:
    """A replica that holds nothing takes part at tape sites alone [102, 103]; a dataset without blocks never does [104]."""
    return not whole.blocks and whole.site.storage_type == "MSS" and bool(whole.dataset.blocks)


def site_meets(conditions: Sequence[Condition], site: Site, occupancy: float, clock: Clock, at_least: Truth) -> bool:
    """Tell whether any condition is *at_least* that true: unknown is false in On and When, true in Until (section 2)."""
    values = values_at_site(site, occupancy)
    return any(truth_of_condition(condition, values, clock).value >= at_least.value for condition in conditions)
