from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from operations.choices import (
    OPEN_CLEAN_UP_STATES,
    OPEN_SCAN_STATES,
    SCAN_STATES_AT_WORK,
    CleanUpState,
    FindingKind,
    FindingState,
    ScanState,
)


class SiteScans(models.Model):
    """How often the storage of a site is scanned, and what of it a list can show."""

    site = models.OneToOneField(
        "inventory.Site", primary_key=True, on_delete=models.CASCADE, related_name="scans_setting", help_text="Of this site."
    )
    every_days = models.PositiveSmallIntegerField(
        "scan every ... days", null=True, blank=True, help_text="A scan begins by itself so long after the last; empty: never."
    )
    lists_tape = models.BooleanField(
        "lists what is on tape",
        default=False,
        help_text="Of a tape site: its lists show what is on tape, too, and not only what is in the buffer before it. "
        "Without it nothing there is ever taken for missing or cleaned up.",
    )
    has_no_links = models.BooleanField(
        "holds no symbolic links",
        default=False,
        help_text="Of a storage behind a server, which does not show links: somebody has looked, and there are none. "
        "Without it nothing there is cleaned up, because one file could be seen under two names.",
    )

    class Meta:
        ordering = ["site_id"]
        verbose_name_plural = "scans of sites"
        constraints = [
            models.CheckConstraint(
                condition=Q(every_days__isnull=True) | Q(every_days__gte=1), name="site_scans_every_day_at_most"
            )
        ]

    def __str__(self) -> str:
        return f"scans of {self.site}"


class StorageScan(models.Model):
    """One comparison of all that lies in the storage of a site with what the inventory says of it."""

    site_name = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=ScanState, default=ScanState.LISTING)
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    started_by_name = models.CharField("started by", max_length=150)
    place_digest = models.CharField(max_length=64, help_text="Of endpoint and LFN rules: a scan does not go on elsewhere.")
    last_replica_key = models.BigIntegerField(
        help_text="Largest key of a block replica when it began: later ones are not asked for."
    )
    judges_missing = models.BooleanField(default=True, help_text="False for tape sites whose lists show the buffer alone.")
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=128, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True, help_text="When a step of it was last written down.")
    folders_done = models.PositiveIntegerField("folders listed", default=0)
    folders_failed = models.PositiveIntegerField(default=0, help_text="Folders of which nothing is known.")
    files_seen = models.PositiveBigIntegerField(default=0)
    bytes_seen = models.PositiveBigIntegerField(default=0)
    files_known = models.PositiveBigIntegerField(default=0, help_text="Files that the inventory says are there, and are.")
    canary = models.CharField(
        max_length=1024, blank=True, help_text="A file that was there: proof that the storage is, at a second look."
    )
    files_expected = models.PositiveBigIntegerField(default=0, help_text="Files that the inventory says are there.")
    bytes_expected = models.PositiveBigIntegerField(default=0)
    compared_key = models.BigIntegerField(default=0, editable=False, help_text="Block replicas up to this key are compared.")
    rechecked_key = models.BigIntegerField(default=0, editable=False, help_text="Findings up to this key were looked at again.")
    files_missing = models.PositiveBigIntegerField(default=0)
    bytes_missing = models.PositiveBigIntegerField(default=0)
    files_unclear = models.PositiveBigIntegerField(
        default=0, help_text="Files that were not in the list, and of which the storage says nothing."
    )
    files_dark = models.PositiveBigIntegerField(
        default=0, help_text="Dark files that are old enough not to be just being written."
    )
    bytes_dark = models.PositiveBigIntegerField(default=0)
    files_young = models.PositiveBigIntegerField(default=0, help_text="Dark files that are younger, or whose age is not known.")
    bytes_young = models.PositiveBigIntegerField(default=0)
    files_stray = models.PositiveBigIntegerField(default=0)
    bytes_stray = models.PositiveBigIntegerField(default=0)
    tripped = models.JSONField(default=list, blank=True, help_text="Limits that were passed, in words.")
    failure = models.CharField(max_length=1024, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by_name = models.CharField("decided by", max_length=150, blank=True)
    decided_reason = models.CharField(max_length=512, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["site_name", "state", "id"], name="scan_by_site_state")]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ScanState.values), name="scan_state_known"),
            models.UniqueConstraint(
                fields=["site_name"], condition=Q(state__in=sorted(OPEN_SCAN_STATES)), name="scan_one_open_per_site"
            ),
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_until__isnull=True)
                | Q(lease_token__isnull=False, lease_until__isnull=False, state__in=sorted(SCAN_STATES_AT_WORK)),
                name="scan_lease_while_at_work",
            ),
            models.CheckConstraint(condition=~Q(state=ScanState.HELD) | ~Q(tripped=[]), name="scan_held_for_a_reason"),
            # What a limit stopped is done only because somebody said so, and why.
            models.CheckConstraint(
                condition=~Q(state__in=[ScanState.DONE, ScanState.APPLYING]) | Q(tripped=[]) | ~Q(decided_reason=""),
                name="scan_done_in_spite_of_limits_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"scan {self.pk} of {self.site_name}"


class ScanFolder(models.Model):
    """A folder that a scan has still to list, or cannot; its row goes when it is listed."""

    scan = models.ForeignKey(StorageScan, on_delete=models.CASCADE, related_name="folders")
    path = models.TextField(help_text="Below the root of the site; empty: the root.")
    num_attempts = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=1024, blank=True, help_text="Why nothing is known of it; it is not tried any more.")

    class Meta:
        ordering = ["scan_id", "-pk"]
        indexes = [models.Index(fields=["scan", "num_attempts", "-id"], name="scan_folder_waiting", condition=Q(problem=""))]

    def __str__(self) -> str:
        return self.path or "/"


class ScanSeen(models.Model):
    """How many files of a block replica a scan saw in one folder; kept while it compares."""

    scan = models.ForeignKey(StorageScan, on_delete=models.CASCADE, related_name="seen", db_index=False)
    block_replica_key = models.BigIntegerField()
    num_files = models.PositiveIntegerField()

    class Meta:
        indexes = [models.Index(fields=["scan", "block_replica_key"], name="scan_seen_by_replica")]

    def __str__(self) -> str:
        return f"{self.num_files} files of {self.block_replica_key}"


class ScanFinding(models.Model):
    """A file that is missing, dark, or known but not as being at the site, as one scan found it."""

    scan = models.ForeignKey(StorageScan, on_delete=models.CASCADE, related_name="findings")
    site_name = models.CharField(max_length=64)
    kind = models.CharField(max_length=8, choices=FindingKind)
    state = models.CharField(max_length=8, choices=FindingState, default=FindingState.OPEN)
    path = models.TextField(help_text="Below the root of the site; of a missing file its logical name.")
    path_digest = models.CharField(max_length=64, editable=False)
    spelling_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of dark files: all spellings share it."
    )
    folder = models.CharField(max_length=255, help_text="The first components of the path, to sum up by.")
    folder_key = models.BigIntegerField(default=0, editable=False)
    size_bytes = models.BigIntegerField(help_text="-1 where the storage does not tell.")
    modified_at = models.DateTimeField(null=True, blank=True, help_text="As the storage says; of missing files empty.")
    seen_at = models.DateTimeField(help_text="When this scan found it.")
    first_seen_at = models.DateTimeField(help_text="Since when each scan has found it as it is.")
    problem = models.CharField(max_length=512, blank=True, help_text="Why it can never be cleaned up.")
    lfn = models.CharField(max_length=1024, blank=True, help_text="Logical name, where the inventory knows it.")
    dataset_name = models.CharField(max_length=512, blank=True)
    block_name = models.CharField(max_length=128, blank=True)
    block_replica_key = models.BigIntegerField(null=True, blank=True)
    message = models.CharField(max_length=1024, blank=True)
    details = models.JSONField(default=dict, blank=True, help_text="What it takes to take a missing file up again.")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-scan_id", "pk"]
        indexes = [
            models.Index(fields=["scan", "kind", "id"], name="finding_by_kind"),
            models.Index(fields=["scan", "folder_key"], name="finding_by_folder"),
            models.Index(fields=["scan", "spelling_digest"], name="finding_by_spelling", condition=Q(kind=FindingKind.DARK)),
            models.Index(fields=["dataset_name"], name="finding_by_dataset", condition=~Q(dataset_name="")),
            models.Index(fields=["site_name", "lfn"], name="finding_applied", condition=Q(state=FindingState.APPLIED)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["scan", "kind", "path_digest"], name="finding_unique_in_scan"),
            models.CheckConstraint(condition=Q(kind__in=FindingKind.values), name="finding_kind_known"),
            models.CheckConstraint(condition=Q(state__in=FindingState.values), name="finding_state_known"),
            models.CheckConstraint(condition=Q(first_seen_at__lte=F("seen_at")), name="finding_first_seen_before_seen"),
            # What nobody knows has no logical name; what is known has one.
            models.CheckConstraint(
                condition=Q(kind=FindingKind.DARK, lfn="", dataset_name="") | (~Q(kind=FindingKind.DARK) & ~Q(lfn="")),
                name="finding_dark_is_known_to_nobody",
            ),
        ]

    def __str__(self) -> str:
        return self.path


class CleanUp(models.Model):
    """The frozen list of dark files of one scan that somebody would delete, and who let it go or did not."""

    scan = models.ForeignKey(StorageScan, on_delete=models.PROTECT, related_name="clean_ups")
    site_name = models.CharField(max_length=64)
    plan = models.OneToOneField("policies.Plan", on_delete=models.PROTECT, related_name="clean_up")
    state = models.CharField(max_length=16, choices=CleanUpState, default=CleanUpState.WAITING)
    asked_at = models.DateTimeField(auto_now_add=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_by_name = models.CharField("asked by", max_length=150)
    reason = models.CharField(max_length=512)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_by_name = models.CharField("decided by", max_length=150, blank=True)
    decided_reason = models.CharField(max_length=512, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(default=dict, blank=True, help_text="What became of it, when it is over.")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=CleanUpState.values), name="clean_up_state_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="clean_up_has_reason"),
            models.CheckConstraint(
                condition=Q(state=CleanUpState.WAITING, decided_at__isnull=True)
                | (~Q(state=CleanUpState.WAITING) & Q(decided_at__isnull=False) & ~Q(decided_reason="")),
                name="clean_up_decided_unless_waiting",
            ),
            models.UniqueConstraint(
                fields=["site_name"], condition=Q(state__in=sorted(OPEN_CLEAN_UP_STATES)), name="clean_up_one_open_per_site"
            ),
            # Nobody releases the list that they had frozen, whatever rights they have, by whatever way.
            models.CheckConstraint(
                condition=~Q(state__in=[CleanUpState.RELEASED, CleanUpState.DONE])
                | ~Q(decided_by_name=F("asked_by_name"))
                & (Q(decided_by__isnull=True) | Q(asked_by__isnull=True) | ~Q(decided_by=F("asked_by"))),
                name="clean_up_not_released_by_asker",
            ),
        ]

    def __str__(self) -> str:
        return f"clean-up {self.pk} of {self.site_name}"
