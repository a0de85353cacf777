from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from inventory.choices import OwnershipLevel, SiteStatus, StorageType
from inventory.endpoints import endpoint_problem
from inventory.lfn_rules import lfn_rule_problems


class Site(models.Model):
    """A place that stores data: one storage element with one endpoint."""

    name = models.CharField(max_length=64, unique=True, validators=[MinLengthValidator(1)])
    host = models.CharField(max_length=255, blank=True, help_text="Name of the storage host.")
    storage_type = models.CharField(max_length=16, choices=StorageType, default=StorageType.DISK)
    status = models.CharField(max_length=16, choices=SiteStatus, default=SiteStatus.READY)
    endpoint_url = models.CharField(
        max_length=512,
        blank=True,
        help_text="Where the files are: file:///folder, root://host/folder, davs://host/folder or s3://bucket/folder. "
        "Files are never deleted at a site without an endpoint.",
    )
    lfn_rules = models.JSONField(
        default=list,
        blank=True,
        help_text='Ordered list of {"pattern": regular expression, "replacement": text}: the first that fits turns the '
        "logical file name into the path below the endpoint. Empty: the logical name itself.",
    )
    deletion_paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    deletion_paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    deletion_paused_reason = models.CharField(max_length=512, blank=True, editable=False)

    history = HistoricalRecords()

    class Meta:
        ordering = ["name"]
        permissions = [
            ("pause_site", "Can pause deletions at a site"),
            ("resume_site", "Can resume deletions at a site"),
            ("approve_deletion", "Can approve deletion requests at a site"),
            ("scan_site", "Can scan the storage of a site"),
            ("decide_scan", "Can decide on what scans of a site found"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="site_has_name"),
            models.CheckConstraint(condition=Q(status__in=SiteStatus.values), name="site_status_known"),
            models.CheckConstraint(condition=Q(storage_type__in=StorageType.values), name="site_storage_type_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse secrets in the endpoint, and LFN rules that no worker could use."""
        super().clean()
        if problem := endpoint_problem(self.endpoint_url):
            raise ValidationError({"endpoint_url": problem})
        if problems := lfn_rule_problems(self.lfn_rules):
            raise ValidationError({"lfn_rules": problems})

    @property
    def is_paused(self) -> bool:
        """Tell whether somebody, or the error brake, has paused deletions here."""
        return self.deletion_paused_at is not None


class Group(models.Model):
    """A group of people that owns data at sites."""

    name = models.CharField(max_length=64, unique=True)
    ownership_level = models.CharField(max_length=16, choices=OwnershipLevel, default=OwnershipLevel.BLOCK)

    class Meta:
        ordering = ["name"]
        constraints = [
            # "None" is how the policy language calls nobody; a group of that name could not be told from it.
            models.CheckConstraint(condition=~Q(name__in=["", "None"]), name="group_name_is_not_nobody"),
            models.CheckConstraint(condition=Q(ownership_level__in=OwnershipLevel.values), name="group_level_known"),
        ]

    def __str__(self) -> str:
        return self.name
