"""Types of the policy language: what a variable's value may be, at which level it exists, in which unit."""

from __future__ import annotations

from enum import Enum

#: Value of ``replica.first_block_created`` of a replica without block replicas (language page, section 3).
NO_BLOCK_TIME = 4294967295


class ValueType(Enum):
    """Type of a variable. An ``ATTRIBUTE`` takes the type of the literal that it is compared with."""

    BOOL = "bool"
    NUMBER = "number"
    TIME = "time"
    TEXT = "text"
    ENUM = "enum"
    ATTRIBUTE = "attribute"


class Level(Enum):
    """Once per what a variable has a value."""

    SITE = "site"
    DATASET = "dataset"
    REPLICA = "replica"
    BLOCK_REPLICA = "block replica"


class Unit(Enum):
    """Unit of a number; it decides which suffixes a literal may carry."""

    NONE = ""
    BYTES = "bytes"
    FRACTION = "fraction"
    SECONDS = "s"


class Action(Enum):
    """What a rule decides."""

    PROTECT = "Protect"
    DISMISS = "Dismiss"
    DELETE = "Delete"
    IGNORE = "Ignore"


class Truth(Enum):
    """Three-valued logic; the values order as min = and, max = or."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2
