"""Declare data bad: preview what would go, then confirm exactly that."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from inventory.exceptions import InventoryError
from inventory.management.base import DynamoCommand
from inventory.selectors.named import Target
from inventory.selectors.wording import plural, size_text
from inventory.services.naming import targets_named, targets_read
from operations.exceptions import OperationsError
from operations.management.commands._actor import shell_actor
from operations.services.invalidation_preview import InvalidationPreview, invalidation_preview
from operations.services.invalidations import invalidation_confirm


class Command(DynamoCommand):
    """``invalidate FILE | --dataset ...``."""

    help = (
        "Delete data that are bad, all copies of them, the last ones too, and then forget them; this cannot be reverted. "
        "Without --confirm it shows what would go, with a digest; with --confirm DIGEST --reason it does exactly that, or "
        "refuses where anything changed. FILE is the JSON of inject with names only (- is standard input). "
        "Examples: manage.py invalidate --dataset /A/B/C --block b1 --file /store/a/1.root; manage.py invalidate bad.json; "
        "manage.py invalidate bad.json --confirm 3f29... --reason 'wrong detector geometry'. "
        "Exit codes: 0 shown or done, 1 refused, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("document", nargs="?", metavar="FILE", help="a document with names; - is standard input")
        parser.add_argument("--dataset", action="append", default=[], metavar="NAME", help="a dataset; may be repeated")
        parser.add_argument("--block", default="", metavar="NAME", help="a block of the dataset")
        parser.add_argument("--file", action="append", default=[], metavar="LFN", help="a file; may be repeated")
        parser.add_argument("--metadata-only", action="store_true", help="forget at once, and leave the files in storage")
        parser.add_argument("--confirm", default="", metavar="DIGEST", help="the digest of the preview: do what it showed")
        parser.add_argument("--reason", default="", help="why; kept for ever")
        parser.add_argument(
            "--override-lock", action="append", type=int, default=[], metavar="ID", help="this lock does not protect from it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview, or confirm."""
        if options["confirm"] and not options["reason"].strip():
            raise CommandError("say why: --reason is needed", returncode=2)
        try:
            targets = _targets(options)
            if options["confirm"]:
                self._confirm(targets, options)
            else:
                self._preview(targets, options)
        except (InventoryError, OperationsError, PermissionDenied) as error:
            raise CommandError(str(error)) from error

    def _preview(self, targets: list[Target], options: dict[str, Any]) -> None:
        preview = invalidation_preview(targets=targets, now=timezone.now(), is_metadata_only=options["metadata_only"])
        for line in preview_lines(preview):
            self.stdout.write(line)
        if preview.named.blocks or preview.named.datasets:
            self.stdout.write(f"to do this, the same with: --confirm {preview.digest} --reason '...'")

    def _confirm(self, targets: list[Target], options: dict[str, Any]) -> None:
        done = invalidation_confirm(
            targets=targets,
            digest=options["confirm"],
            actor=shell_actor(),
            reason=options["reason"],
            override_locks=options["override_lock"],
            is_metadata_only=options["metadata_only"],
        )
        self.stdout.write(f"{done}: {plural(done.num_files, 'file')}, {size_text(done.size_bytes)}; {done.get_state_display()}")
        if done.plan is not None:
            self.stdout.write(f"plan {done.plan_id} is {done.plan.get_state_display()}: see the command deletions")
        self.stdout.write(f"what they were: {done.archive}, SHA-256 {done.archive_digest}")


def preview_lines(preview: InvalidationPreview) -> list[str]:
    """Return what a preview says, as lines of text."""
    verb = "would be forgotten, its files left in storage" if preview.is_metadata_only else "would be deleted and forgotten"
    named = preview.named
    parts = [plural(len(named.datasets), "whole dataset")] if named.datasets else []
    parts += [plural(len(named.blocks), "block"), plural(preview.num_files, "file"), size_text(preview.size_bytes)]
    lines = [f"{verb}: {', '.join(parts)}"]
    lines += [
        f"  {at.site} ({at.storage_type}): {plural(at.num_block_replicas, 'block replica')}, {plural(at.num_files, 'file')}, "
        f"{size_text(at.size_bytes)}"
        for at in preview.by_site
    ]
    if not preview.by_site:
        lines.append("  no site has a copy")
    if preview.num_last_copies:
        blocks = plural(preview.num_last_copies, "block has", "blocks have")
        lines.append(f"LAST COPIES: {blocks} one complete copy anywhere, which goes, too:")
        lines += [f"  {name}" for name in preview.last_copies[:20]]
    for lock in preview.locks:
        lines.append(
            f"LOCKED: lock {lock.lock_id} of {lock.owner} holds {plural(lock.num_block_replicas, 'block replica')}, "
            f"{size_text(lock.size_bytes)} ({lock.text}): --override-lock {lock.lock_id}, for its owner or an administrator"
        )
    lines += [f"in plan {plan.plan_id} ({plan.title}): {plural(plan.num_items, 'block replica')}" for plan in preview.plans]
    if preview.num_being_deleted:
        lines.append(f"being deleted at this moment: {plural(preview.num_being_deleted, 'block replica')}; wait for that")
    if named.unknown:
        shown = ", ".join(named.unknown[:10])
        lines.append(f"not in the inventory, left out: {plural(len(named.unknown), 'name')}: {shown}")
    return lines


def _targets(options: dict[str, Any]) -> list[Target]:
    by_name = options["dataset"] or options["block"] or options["file"]
    if bool(options["document"]) == bool(by_name):
        raise CommandError("name a FILE, or data by --dataset, --block and --file: one of the two", returncode=2)
    if options["document"]:
        return targets_read(options["document"])
    return targets_named(datasets=options["dataset"], block=options["block"], files=options["file"])
