"""Words that the inventory stores; they are the words of the policy language (its section 3)."""

from django.db import models


class SiteStatus(models.TextChoices):
    READY = "READY", "ready"
    WAITROOM = "WAITROOM", "waiting room"
    MORGUE = "MORGUE", "morgue"
    UNKNOWN = "UNKNOWN", "unknown"


class StorageType(models.TextChoices):
    DISK = "DISK", "disk"
    MSS = "MSS", "tape"
    BUFFER = "BUFFER", "buffer"
    UNKNOWN = "UNKNOWN", "unknown"


class OwnershipLevel(models.TextChoices):
    """Whether a group owns whole datasets or single blocks; it decides who takes over (language page, section 5)."""

    DATASET = "DATASET", "whole datasets"
    BLOCK = "BLOCK", "single blocks"


class DatasetStatus(models.TextChoices):
    UNKNOWN = "UNKNOWN", "unknown"
    DELETED = "DELETED", "deleted"
    DEPRECATED = "DEPRECATED", "deprecated"
    INVALID = "INVALID", "invalid"
    PRODUCTION = "PRODUCTION", "in production"
    VALID = "VALID", "valid"
    IGNORED = "IGNORED", "ignored"


class FactFeedName(models.TextChoices):
    """What is measured outside the inventory and loaded as a feed; the names are those of the variable registry."""

    POPULARITY = "popularity", "popularity"
    TAPE_REQUESTS = "tape_requests", "requests for tape copies"
    RELEASES = "production_releases", "latest production releases"
    PROTECTED_SITES = "protected_sites", "copies at protected sites"
    GLOBAL_CATALOGUES = "global_catalogues", "global catalogues"
    UNHANDLED_COPIES = "unhandled_copies", "copy requests not handled yet"
    ENFORCER = "enforcer", "enforcer"
    ATTRIBUTES = "attributes", "measured attributes"


class LockState(models.TextChoices):
    """in force -> expired | released; an expired one can be renewed, a released one is history."""

    IN_FORCE = "in_force", "in force"
    OVER = "over", "released or expired"


class InjectionState(models.TextChoices):
    """queued -> running -> completed | failed | cancelled; queued -> cancelled | failed; the three ends are final."""

    QUEUED = "QUEUED", "waits for a worker"
    RUNNING = "RUNNING", "running"
    COMPLETED = "COMPLETED", "completed"
    FAILED = "FAILED", "failed"
    CANCELLED = "CANCELLED", "cancelled"


class ExportFormat(models.TextChoices):
    """What a list is written as."""

    CSV = "csv", "CSV"
    PARQUET = "parquet", "Parquet"


class StatisticsDimension(models.TextChoices):
    """What statistics are asked by."""

    TIER = "tier", "tier"
    STATUS = "status", "status"
    SITE = "site", "site"
    GROUP = "group", "group"
    RELEASE = "release", "release"
    DATA_TYPE = "data_type", "data type"


class StatisticsBasis(models.TextChoices):
    """Which bytes statistics sum up."""

    PHYSICAL = "physical", "present"
    PROJECTED = "projected", "projected"
