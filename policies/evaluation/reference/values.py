"""What each variable of a policy is worth, counted afresh whenever it is asked (language page, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from policies.evaluation.reference.conditions import Values
from policies.evaluation.reference.objects import BlockReplica, Dataset, Replica, Site
from policies.language.ast import Predicate
from policies.language.types import NO_BLOCK_TIME, Level
from policies.language.variables import Variable


@dataclass(eq=False, slots=True)
class Scope:
    """The replicas that count. ``newest`` is the newest ``last_update`` of their block replicas at the start."""

    copies_of: dict[str, list[Replica]]
    newest: float

    @classmethod
    def over(cls, replicas: Iterable[Replica]) -> Scope:
        """Return the scope of *replicas* as they stand now."""
        copies_of: dict[str, list[Replica]] = {}
        newest = 0.0
        for replica in replicas:
            copies_of.setdefault(replica.dataset.name, []).append(replica)
            newest = max([newest, *(part.last_update for part in replica.blocks)])
        return cls(copies_of, newest)

    def copies(self, dataset: Dataset) -> list[Replica]:
        return self.copies_of.get(dataset.name, [])


@dataclass(eq=False, slots=True)
class View:
    """A replica as a rule sees it: ``visible`` are the blocks that no earlier block rule of the pass has taken.

    ``alone`` is the one block that a block rule asks about, else None (section 2, block variables).
    """

    scope: Scope
    replica: Replica
    visible: Sequence[BlockReplica]
    alone: BlockReplica | None = None

    def values(self, predicate: Predicate) -> Iterable[object]:
        """Return the values that *predicate* looks at; None is unknown."""
        return self.of_variable(predicate.variable, predicate.attribute)

    def of_variable(self, variable: Variable, attribute: str | None) -> Iterable[object]:
        """Return the value of a variable of site, dataset or replica, or one value for each block asked about."""
        if variable.level is Level.BLOCK_REPLICA:
            asked = self.visible if self.alone is None else [self.alone]
            return [_OF_BLOCK[variable.name](self, part) for part in asked]
        if variable.name == "dataset.attr":
            return [_attribute(self.replica.dataset, attribute)]
        return [_OF_REPLICA[variable.name](self)]

    def seen(self, copy: Replica) -> Sequence[BlockReplica]:
        """Return the blocks of *copy* that count: hidden ones are missing from the replica itself alone [71, 72]."""
        return self.visible if copy is self.replica else copy.blocks

    def is_full(self, copy: Replica) -> bool:
        return copy.is_full(self.seen(copy))

    def shares_owner(self, copy: Replica) -> bool:
        """Section 3: the sets of owners of the visible blocks intersect; nobody is an owner like any other."""
        mine = {part.owner.name for part in self.visible}
        return any(part.owner.name in mine for part in self.seen(copy))

    def copies(self) -> list[Replica]:
        return self.scope.copies(self.replica.dataset)


def _attribute(dataset: Dataset, key: str | None) -> object:
    """Return free-form metadata; absent, or no text, number or bool, is unknown."""
    if dataset.attributes is None:
        raise KeyError("the snapshot holds no attributes")
    value = dataset.attributes.get(key) if key is not None else None
    return value if isinstance(value, str | int | float | bool) else None


def _is_ready_disk(site: Site) -> bool:
    return site.storage_type == "DISK" and site.status == "READY"


def _on_tape(view: View) -> str:
    """NONE: no replica at an mss site; FULL: one of them is full; PARTIAL: some exist, none full [59, 60, 62]."""
    on_tape = [copy for copy in view.copies() if copy.site.storage_type == "MSS"]
    if not on_tape:
        return "NONE"
    return "FULL" if any(view.is_full(copy) for copy in on_tape) else "PARTIAL"


def _num_full_disk_copy(view: View) -> int:
    return sum(_is_ready_disk(copy.site) and view.is_full(copy) for copy in view.copies())


def _num_full_disk_copy_common_owner(view: View) -> int:
    return sum(_is_ready_disk(copy.site) and view.is_full(copy) and view.shares_owner(copy) for copy in view.copies())


def _num_full_other_copy_common_owner(view: View) -> int:
    """Section 3 and case 100: any storage type, but ready, elsewhere, and with a common owner."""
    return sum(
        copy is not view.replica and copy.site.status == "READY" and view.is_full(copy) and view.shares_owner(copy)
        for copy in view.copies()
    )


def _incomplete(view: View) -> bool:
    """Some block replica is not complete [98, 99]; a replica at a tape site that holds nothing is incomplete [102]."""
    return not view.visible or any(not part.is_complete for part in view.visible)


def _fact(name: str) -> Callable[[View], object]:
    return lambda view: view.replica.dataset.facts[name]


_OF_REPLICA: dict[str, Callable[[View], object]] = {
    "site.name": lambda view: view.replica.site.name,
    "site.status": lambda view: view.replica.site.status,
    "site.storage_type": lambda view: view.replica.site.storage_type,
    "dataset.name": lambda view: view.replica.dataset.name,
    "dataset.status": lambda view: view.replica.dataset.status,
    "dataset.size": lambda view: view.replica.dataset.size,
    "dataset.last_update": lambda view: view.replica.dataset.last_update,
    "dataset.release": lambda view: view.replica.dataset.release,
    "dataset.on_tape": _on_tape,
    "dataset.num_full_disk_copy": _num_full_disk_copy,
    "dataset.tape_copy_requested": _fact("tape_copy_requested"),
    "dataset.last_access": _fact("last_access"),
    "dataset.usage_rank": _fact("usage_rank"),
    "dataset.demand_rank": _fact("demand_rank"),
    "dataset.is_latest_production_release": _fact("is_latest_production_release"),
    "dataset.on_protected_site": _fact("on_protected_site"),
    "dataset.unknown_in_all_dbs": _fact("unknown_in_all_dbs"),
    "dataset.unhandled_copy_exists": _fact("unhandled_copy_exists"),
    "replica.num_access": _fact("num_access"),
    "replica.size": lambda view: sum(part.size for part in view.visible),
    "replica.incomplete": _incomplete,
    "replica.last_block_created": lambda view: max((part.last_update for part in view.visible), default=0),
    "replica.first_block_created": lambda view: min((part.last_update for part in view.visible), default=NO_BLOCK_TIME),
    "replica.num_full_disk_copy_common_owner": _num_full_disk_copy_common_owner,
    "replica.num_full_other_copy_common_owner": _num_full_other_copy_common_owner,
    "replica.enforcer_protected": lambda view: view.replica.facts["enforcer_protected"],
}


def _replicas_of_block(view: View, part: BlockReplica) -> list[tuple[Replica, BlockReplica]]:
    """Return all replicas of the block in the scope, hidden ones included: hiding does not touch these (section 2)."""
    return [(copy, other) for copy in view.copies() for other in copy.blocks if other.block is part.block]


def _block_num_full_disk_copy(view: View, part: BlockReplica) -> int:
    """Complete replicas of the block, at sites of any type and status [20]."""
    return sum(other.is_complete for _, other in _replicas_of_block(view, part))


def _block_on_tape(view: View, part: BlockReplica) -> bool:
    """It is complete, and a complete replica of the block is at an mss site [62]."""
    return part.is_complete and any(
        other.is_complete and copy.site.storage_type == "MSS" for copy, other in _replicas_of_block(view, part)
    )


def _is_last_transfer_source(view: View, part: BlockReplica) -> bool:
    """It is complete, some other replica of the block is not, and no other complete one is at a ready disk site."""
    others = [(copy, other) for copy, other in _replicas_of_block(view, part) if other is not part]
    return (
        part.is_complete
        and any(not other.is_complete for _, other in others)
        and not any(other.is_complete and _is_ready_disk(copy.site) for copy, other in others)
    )


_OF_BLOCK: dict[str, Callable[[View, BlockReplica], object]] = {
    "blockreplica.last_update": lambda view, part: part.last_update,
    "blockreplica.owner": lambda view, part: part.owner.name,
    "blockreplica.is_locked": lambda view, part: part.facts["is_locked"],
    "blockreplica.num_full_disk_copy": _block_num_full_disk_copy,
    "blockreplica.on_tape": _block_on_tape,
    "blockreplica.is_last_transfer_source": _is_last_transfer_source,
    "blockreplica.age_relative_to_newest": lambda view, part: view.scope.newest - part.last_update,
}


def values_at_site(site: Site, occupancy: float) -> Values:
    """Return the values that a site condition looks at; *occupancy* is that of the partition there."""
    by_name: dict[str, object] = {
        "site.name": site.name,
        "site.status": site.status,
        "site.storage_type": site.storage_type,
        "site.quota": site.quota,
        "site.occupancy": occupancy,
    }
    return lambda predicate: [by_name[predicate.variable.name]]


def occupancy_of(site: Site, size: int) -> float:
    """Return *size* bytes / quota. Quota 0: infinite, even if empty [50]; negative: unlimited, so 0 [51, 53]."""
    if site.quota == 0:
        return float("inf")
    return 0.0 if site.quota < 0 else size / site.quota
