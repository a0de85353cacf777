"""What is stored where. Sizes are bytes, times are UTC."""

from inventory.models.audit import AuditEvent, AuditHead
from inventory.models.datasets import Block, Dataset, File
from inventory.models.facts import DatasetFacts, EnforcedReplica, FactFeed
from inventory.models.injections import Injection
from inventory.models.locks import Lock, LockSet
from inventory.models.replicas import BlockReplica, DatasetReplica, PresentFile
from inventory.models.sites import Group, Site
from inventory.models.statistics import (
    CountedDataset,
    CountedPlace,
    IncompleteCopy,
    StatisticsCell,
    StatisticsCount,
    StatisticsUnique,
)

__all__ = [
    "AuditEvent",
    "AuditHead",
    "Block",
    "BlockReplica",
    "CountedDataset",
    "CountedPlace",
    "Dataset",
    "DatasetFacts",
    "DatasetReplica",
    "EnforcedReplica",
    "FactFeed",
    "File",
    "Group",
    "IncompleteCopy",
    "Injection",
    "Lock",
    "LockSet",
    "PresentFile",
    "Site",
    "StatisticsCell",
    "StatisticsCount",
    "StatisticsUnique",
]
