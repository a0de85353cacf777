"""Define partitions from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from policies.management.terminal import PolicyCommand, file_text, shell_actor
from policies.services.partitions import ChangeKind, PartitionChange, partitions_load


class Command(PolicyCommand):
    """``partitions_load FILE``."""

    help = "Define the partitions of a file; those that it does not name stay as they are."
    epilog = """\
examples:
  partitions_load --dry-run partitions.txt     what would change
  partitions_load partitions.txt               define them, all or none

A file has lines such as
  RelVal:  blockreplica.owner == RelVal
  Physics: [AnalysisOps, DataOpsDisk]

exit codes: 0 done, 1 the file has errors, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="tell what would change, and change nothing")

    def perform(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        changes = partitions_load(text=file_text(path), file_name=str(path), actor=shell_actor(), is_dry_run=options["dry_run"])
        for change in changes:
            self._show(change)
        num_changed = sum(change.kind in (ChangeKind.CREATED, ChangeKind.CHANGED) for change in changes)
        verb = "would be" if options["dry_run"] else "were"
        self.stdout.write(f"{num_changed} partition{'' if num_changed == 1 else 's'} {verb} created or changed")

    def _show(self, change: PartitionChange) -> None:
        self.stdout.write(f"{change.name}: {change.kind}")
        if change.kind is ChangeKind.CHANGED:
            self.stdout.write(f"  - {change.before}")
        if change.kind in (ChangeKind.CREATED, ChangeKind.CHANGED):
            self.stdout.write(f"  + {change.after}")
        if change.num_adopted_quotas:
            self.stdout.write(f"  {change.num_adopted_quotas} quotas that waited for it are its own now")
