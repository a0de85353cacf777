"""A list of the inventory as a file of any length."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import FileSizeColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from inventory import filtersets
from inventory.choices import ExportFormat
from inventory.management.base import DynamoCommand
from inventory.models import AuditEvent, Block, BlockReplica, Dataset, DatasetReplica, File, Site
from inventory.selectors.exports import list_file

LISTS = {
    "sites": (Site, filtersets.SiteFilterSet),
    "datasets": (Dataset, filtersets.DatasetFilterSet),
    "blocks": (Block, filtersets.BlockFilterSet),
    "files": (File, filtersets.FileFilterSet),
    "dataset-replicas": (DatasetReplica, filtersets.DatasetReplicaFilterSet),
    "block-replicas": (BlockReplica, filtersets.BlockReplicaFilterSet),
    "audit-events": (AuditEvent, filtersets.AuditEventFilterSet),
}

_EPILOG = """\
Filters are those of the API and of the lists in the admin. The file is written beside its place and moved there when it is
whole; memory does not grow with it. Rows are those at the moment at which each batch of 20,000 is read.

examples:
  inventory_export datasets datasets.csv
  inventory_export block-replicas t2.parquet --filter 'site=T2_*' --filter is_complete=false
  inventory_export files - --filter dataset=/A/B/RAW            standard output, CSV

exit codes: 0 written, 2 wrong use
"""


class Command(DynamoCommand):
    """``inventory_export datasets FILE``."""

    help = "Write a filtered list of the inventory into a CSV or Parquet file, of any length."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("list", choices=list(LISTS))
        parser.add_argument("file", metavar="FILE", help="its ending says the format: .csv or .parquet; - is standard output")
        parser.add_argument("--filter", action="append", default=[], metavar="NAME=VALUE", help="may be given several times")

    def handle(self, *args: Any, **options: Any) -> None:
        model, filterset = LISTS[options["list"]]
        wanted = dict(self._pair(text, filterset) for text in options["filter"])
        filters = filterset(wanted, queryset=model._default_manager.all())
        if not filters.is_valid():
            said = "; ".join(f"{name}: {' '.join(map(str, errors))}" for name, errors in filters.errors.items())
            raise CommandError(said, returncode=2)
        if options["file"] == "-":
            for chunk in list_file(filters.qs, ExportFormat.CSV, up_to=None).chunks:
                self.stdout.write(chunk.decode(), ending="")
            return
        self._write(filters.qs, Path(options["file"]))

    @staticmethod
    def _pair(text: str, filterset: Any) -> tuple[str, str]:
        name, sign, value = text.partition("=")
        if not sign or name not in filterset.base_filters:
            known = ", ".join(sorted(filterset.base_filters))
            raise CommandError(f"--filter {text}: expected NAME=VALUE with one of the names {known}", returncode=2)
        return name, value

    def _write(self, rows: Any, path: Path) -> None:
        ending = path.suffix.removeprefix(".").lower()
        if ending not in ExportFormat.values:
            raise CommandError(f"{path}: its ending says no format; expected .csv or .parquet", returncode=2)
        part = path.with_name(f".{path.name}.part")
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            FileSizeColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        try:
            with (
                part.open("wb") as out,
                Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar,
            ):
                task = bar.add_task(path.name, total=None)
                for chunk in list_file(rows, ending, up_to=None).chunks:
                    bar.advance(task, out.write(chunk))
            part.replace(path)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}", returncode=2) from error
        finally:
            part.unlink(missing_ok=True)
        self.stdout.write(f"{path}: {path.stat().st_size:,} bytes")
