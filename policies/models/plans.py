from __future__ import annotations

from django.db import models
from django.db.models import Q

from policies.choices import PlanAction, PlanKind, PlanState
from policies.models.cycles import Cycle
from policies.models.partitions import Partition


class Plan(models.Model):
    """The frozen list of what is to be deleted and handed over; nothing is ever deleted but from such a list.

    A cycle makes one, and so does whatever else may delete: a campaign, an invalidation, a request, a clean-up.
    """

    kind = models.CharField(max_length=16, choices=PlanKind, default=PlanKind.CYCLE)
    title = models.CharField(max_length=512, help_text="What the plan is of: policy and version, campaign, request.")
    partition = models.ForeignKey(
        Partition,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="plans",
        help_text="Partition that it deletes in; none where the list is not of one.",
    )
    cycle = models.OneToOneField(
        Cycle, null=True, blank=True, on_delete=models.PROTECT, related_name="plan", help_text="Only of plans that a cycle made."
    )
    state = models.CharField(max_length=16, choices=PlanState, default=PlanState.FROZEN)
    digest = models.CharField(max_length=64, help_text="SHA-256 over the items in order.")
    frozen_at = models.DateTimeField(auto_now_add=True)
    num_items = models.PositiveIntegerField()
    size_bytes = models.BigIntegerField()
    readings = models.JSONField(default=list, blank=True, help_text="What each safety limit and guardrail read, tripped or not.")
    tripped = models.JSONField(
        default=list, blank=True, help_text="Safety limits and guardrails that hold the plan, with their readings."
    )
    decided_at = models.DateTimeField(null=True, blank=True, help_text="When it was released or discarded.")
    decided_by = models.CharField(max_length=150, blank=True)
    decided_reason = models.CharField(max_length=512, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=PlanState.values), name="plan_state_known"),
            models.CheckConstraint(condition=Q(kind__in=PlanKind.values), name="plan_kind_known"),
            models.CheckConstraint(
                condition=Q(kind=PlanKind.CYCLE, cycle__isnull=False, partition__isnull=False)
                | (~Q(kind=PlanKind.CYCLE) & Q(cycle__isnull=True)),
                name="plan_of_a_cycle_names_it",
            ),
            models.CheckConstraint(condition=~Q(state=PlanState.HELD) | ~Q(tripped=[]), name="plan_held_for_a_reason"),
        ]

    def __str__(self) -> str:
        return f"plan {self.pk} of {self.title}"


class PlanItem(models.Model):
    """One block replica that a plan deletes or hands over, by name: it stays readable when the inventory has forgotten it.

    Or one file of a clean-up, which nobody knows: it has no names but the path at its site, with size and time as it was seen.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="items")
    sequence = models.PositiveIntegerField(help_text="Order in which the cycle decided.")
    action = models.CharField(max_length=8, choices=PlanAction)
    site_name = models.CharField(max_length=64)
    dataset_name = models.CharField(max_length=512, blank=True)
    block_name = models.CharField(max_length=128, blank=True)
    block_replica_key = models.BigIntegerField(
        null=True, blank=True, help_text="Primary key of the block replica when the plan was frozen."
    )
    path = models.CharField(
        max_length=1024, blank=True, help_text="Below the root of the site, of a file that nobody knows; else empty."
    )
    modified_at = models.DateTimeField(
        null=True, blank=True, help_text="Of a file that nobody knows, as it was seen; changed since, it stays."
    )
    size_bytes = models.BigIntegerField()
    num_files = models.PositiveIntegerField()
    line = models.IntegerField(
        null=True,
        blank=True,
        help_text="Line of the policy that decided; 0 = the default; none for a hand-over and where no text decided.",
    )
    rule_text = models.TextField(blank=True, help_text="The rule, or the reason where no text decided.")
    new_owner = models.CharField(max_length=64, blank=True, help_text="Group that takes over (hand over only).")
    owner = models.CharField(
        max_length=64,
        blank=True,
        help_text='Owner that the cycle saw, "None" for nobody; another owner makes the item drop out. '
        "Empty in plans that were frozen before it was kept.",
    )
    may_be_last_copy = models.BooleanField(
        default=False, help_text="Whether rule, campaign or person said by name that it goes even as the last copy."
    )
    files_digest = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 over the names of the files that go, one a line; empty: the whole block replica goes.",
    )

    class Meta:
        ordering = ["plan_id", "sequence"]
        indexes = [models.Index(fields=["dataset_name"], name="plan_item_by_dataset")]
        constraints = [
            models.UniqueConstraint(fields=["plan", "sequence"], name="plan_item_sequence_unique"),
            models.UniqueConstraint(fields=["plan", "block_replica_key"], name="plan_item_block_replica_unique"),
            models.CheckConstraint(
                condition=Q(action=PlanAction.DELETE, new_owner="") | (Q(action=PlanAction.REOWN) & ~Q(new_owner="")),
                name="plan_item_new_owner_when_handed_over",
            ),
            models.UniqueConstraint(fields=["plan", "site_name", "path"], condition=~Q(path=""), name="plan_item_path_unique"),
            # A block replica has names and a key. A file that nobody knows has none of them, no owner, and it is one file.
            models.CheckConstraint(
                condition=Q(path="", block_replica_key__isnull=False, modified_at__isnull=True)
                & ~Q(dataset_name="")
                & ~Q(block_name="")
                | ~Q(path="")
                & Q(
                    action=PlanAction.DELETE,
                    block_replica_key__isnull=True,
                    modified_at__isnull=False,
                    dataset_name="",
                    block_name="",
                    owner="",
                    num_files=1,
                    may_be_last_copy=False,
                    files_digest="",
                    line__isnull=True,
                ),
                name="plan_item_block_replica_or_path",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} at {self.site_name}"

    @property
    def what(self) -> str:
        """Return what it is of, without its site."""
        return f"/{self.path}" if self.path else f"{self.dataset_name}#{self.block_name}"


class PlanItemFile(models.Model):
    """A file that a plan deletes of a block replica of which the rest stays; an item without any is of the whole."""

    plan_item = models.ForeignKey(PlanItem, on_delete=models.PROTECT, related_name="named_files")
    lfn = models.CharField(max_length=1024)
    size_bytes = models.BigIntegerField()

    class Meta:
        ordering = ["plan_item_id", "lfn"]
        constraints = [models.UniqueConstraint(fields=["plan_item", "lfn"], name="plan_item_file_unique")]

    def __str__(self) -> str:
        return self.lfn
