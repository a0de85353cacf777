"""The registry of policy variables: the one table that checker, evaluator, completion and documentation read.

Source: language page, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from policies.language.types import Level, Unit, ValueType

DATASET_STATUSES = ("UNKNOWN", "DELETED", "DEPRECATED", "INVALID", "PRODUCTION", "VALID", "IGNORED")
SITE_STATUSES = ("READY", "WAITROOM", "MORGUE", "UNKNOWN")
STORAGE_TYPES = ("DISK", "MSS", "BUFFER", "UNKNOWN")
TAPE_STATES = ("NONE", "PARTIAL", "FULL")

# Names of the fact feeds; a feed is loaded only when a policy names one of its variables.
POPULARITY = "popularity"
TAPE_REQUESTS = "tape_requests"
RELEASES = "production_releases"
PROTECTED_SITES = "protected_sites"
GLOBAL_CATALOGUES = "global_catalogues"
UNHANDLED_COPIES = "unhandled_copies"
ENFORCER = "enforcer"
LOCKS = "locks"

FACTS = (POPULARITY, TAPE_REQUESTS, RELEASES, PROTECTED_SITES, GLOBAL_CATALOGUES, UNHANDLED_COPIES, ENFORCER, LOCKS)

#: The feed that measures some keys of ``dataset.attr``; the inventory itself knows the others, so that it need not be there.
ATTRIBUTES = "attributes"


@dataclass(frozen=True, slots=True)
class Variable:
    """One name that a policy may use.

    ``fact`` names the feed that must be loaded (None: the inventory itself knows);
    ``in_site_conditions`` / ``in_replica_conditions`` say where the name may stand.
    """

    name: str
    level: Level
    type: ValueType
    doc: str
    unit: Unit = Unit.NONE
    choices: tuple[str, ...] = ()
    fact: str | None = None
    in_site_conditions: bool = False
    in_replica_conditions: bool = True

    @property
    def is_sortable(self) -> bool:
        """Tell whether ``Order`` accepts the variable: numbers and times above block level."""
        return self.type in (ValueType.NUMBER, ValueType.TIME, ValueType.ATTRIBUTE) and self.level is not Level.BLOCK_REPLICA


_SITE, _DATASET, _REPLICA, _BLOCK = Level.SITE, Level.DATASET, Level.REPLICA, Level.BLOCK_REPLICA
_BOOL, _NUMBER, _TIME, _TEXT, _ENUM = ValueType.BOOL, ValueType.NUMBER, ValueType.TIME, ValueType.TEXT, ValueType.ENUM

VARIABLES: tuple[Variable, ...] = (
    Variable("dataset.name", _DATASET, _TEXT, "Name of the dataset."),
    Variable("dataset.status", _DATASET, _ENUM, "Status of the dataset in production.", choices=DATASET_STATUSES),
    Variable(
        "dataset.on_tape",
        _DATASET,
        _ENUM,
        "NONE: no replica at a tape site; FULL: one of them is full; PARTIAL: some exist, none is full.",
        choices=TAPE_STATES,
    ),
    Variable("dataset.tape_copy_requested", _DATASET, _BOOL, "A copy on tape has been asked for.", fact=TAPE_REQUESTS),
    Variable("dataset.size", _DATASET, _NUMBER, "Size of all its blocks, in the partition or not.", unit=Unit.BYTES),
    Variable("dataset.last_update", _DATASET, _TIME, "When the dataset last changed."),
    Variable("dataset.last_access", _DATASET, _TIME, "When it was last read; never = 1970.", fact=POPULARITY),
    Variable("dataset.num_full_disk_copy", _DATASET, _NUMBER, "Full replicas at ready disk sites."),
    Variable("dataset.usage_rank", _DATASET, _NUMBER, "Rank by past use; higher = less popular.", fact=POPULARITY),
    Variable("dataset.demand_rank", _DATASET, _NUMBER, "Rank by present demand; higher = less popular.", fact=POPULARITY),
    Variable("dataset.release", _DATASET, _TEXT, "Software version, as 10_6_0 or 10_6_0_patch1; none = unknown."),
    Variable(
        "dataset.is_latest_production_release",
        _DATASET,
        _BOOL,
        "Made with the latest production release of its cycle.",
        fact=RELEASES,
    ),
    Variable("dataset.on_protected_site", _DATASET, _BOOL, "A copy is at a site that is protected.", fact=PROTECTED_SITES),
    Variable("dataset.unknown_in_all_dbs", _DATASET, _BOOL, "No catalogue of the experiment knows it.", fact=GLOBAL_CATALOGUES),
    Variable(
        "dataset.unhandled_copy_exists", _DATASET, _BOOL, "A copy request for it is not handled yet.", fact=UNHANDLED_COPIES
    ),
    Variable(
        "dataset.attr",
        _DATASET,
        ValueType.ATTRIBUTE,
        "Free-form metadata: dataset.attr.KEY; absent, or measured by a stale feed = unknown.",
    ),
    Variable("replica.size", _REPLICA, _NUMBER, "Bytes present, over its block replicas.", unit=Unit.BYTES),
    Variable("replica.incomplete", _REPLICA, _BOOL, "Some block replica is not complete."),
    Variable("replica.last_block_created", _REPLICA, _TIME, "Newest last_update of its block replicas; without any 0."),
    Variable("replica.first_block_created", _REPLICA, _TIME, "Oldest last_update of its block replicas; without any 4294967295."),
    Variable("replica.num_access", _DATASET, _NUMBER, "Accesses to the dataset.", fact=POPULARITY),
    Variable(
        "replica.num_full_disk_copy_common_owner",
        _REPLICA,
        _NUMBER,
        "Full replicas at ready disk sites, itself included, that share an owning group with it.",
    ),
    Variable(
        "replica.num_full_other_copy_common_owner",
        _REPLICA,
        _NUMBER,
        "Full replicas at other ready sites of any storage type that share an owning group with it.",
    ),
    Variable("replica.enforcer_protected", _REPLICA, _BOOL, "The enforcer wants this replica to stay.", fact=ENFORCER),
    Variable("blockreplica.last_update", _BLOCK, _TIME, "When the block replica last changed."),
    Variable("blockreplica.owner", _BLOCK, _TEXT, "Owning group; None for nobody."),
    Variable("blockreplica.is_locked", _BLOCK, _BOOL, "An active lock covers it.", fact=LOCKS),
    Variable(
        "blockreplica.num_full_disk_copy", _BLOCK, _NUMBER, "Complete replicas of the block, at sites of any type and status."
    ),
    Variable("blockreplica.on_tape", _BLOCK, _BOOL, "It is complete, and a complete replica of the block is at a tape site."),
    Variable(
        "blockreplica.is_last_transfer_source",
        _BLOCK,
        _BOOL,
        "It is complete, some other replica of the block is not, and no other complete one is at a ready disk site.",
    ),
    Variable(
        "blockreplica.age_relative_to_newest",
        _BLOCK,
        _NUMBER,
        "Newest last_update among the block replicas in the cycle's scope less its own; fixed at the start.",
        unit=Unit.SECONDS,
    ),
    Variable("site.name", _SITE, _TEXT, "Name of the site.", in_site_conditions=True),
    Variable("site.status", _SITE, _ENUM, "Status of the site.", choices=SITE_STATUSES, in_site_conditions=True),
    Variable("site.storage_type", _SITE, _ENUM, "Kind of its storage.", choices=STORAGE_TYPES, in_site_conditions=True),
    Variable(
        "site.occupancy",
        _SITE,
        _NUMBER,
        "Bytes present in the partition's block replicas at the site / its quota there.",
        unit=Unit.FRACTION,
        in_site_conditions=True,
        in_replica_conditions=False,
    ),
    Variable(
        "site.quota",
        _SITE,
        _NUMBER,
        "Quota of the partition at the site; negative = unlimited, none = 0.",
        unit=Unit.BYTES,
        in_site_conditions=True,
        in_replica_conditions=False,
    ),
)

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in VARIABLES}

# Names that policies of earlier versions used, with what to write instead (shown as help, never accepted).
DROPPED: dict[str, str] = {"replica.has_locked_block": "blockreplica.is_locked"}
