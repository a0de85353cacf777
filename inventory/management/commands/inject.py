"""Bring documents into the inventory."""

from __future__ import annotations

import argparse
import getpass
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from inventory.exceptions import IngestError, InventoryError
from inventory.ingest.small import SmallDocumentError, small_document
from inventory.management.base import DynamoCommand
from inventory.selectors.wording import plural
from inventory.services.audit import Actor
from inventory.services.injections import BATCH_SIZE, InjectionReport, inject
from inventory.services.injections import Progress as LoadProgress
from inventory.services.resumable import inject_by_parts, injection_give_up

_EPILOG = """\
A document is one JSON object with the sections meta, site, group, dataset, datasetreplica, attrs and sitepartition,
or one such object per line; or a table (.csv, .tsv) of sites, groups, quotas or facts; plain, .gz or .xz. Each file is
taken as a whole or not at all. Options like --site make a small document of their own, which is taken first.

examples:
  inject inventory.jsonl.xz                       a file
  zcat part*.json.gz | inject -                   standard input
  inject --dry-run inventory.json                 what would change
  inject --skip-bad bad.jsonl inventory.jsonl     all but bad records, which go to bad.jsonl; mend it, then: inject bad.jsonl
  inject --batch inventory.jsonl.xz               part by part; stopped anywhere, the same command goes on
  inject sites.csv quotas.csv                     tables; the header says which
  inject --feeds popularity --feed-source access-counts --now 2026-01-01T00:00:00Z popularity.csv
  inject --site T2_US_MIT storage_type=disk status=ready --site T3_US_MIT storage_type=disk
  inject --dataset /A/B/C status=valid --block '/A/B/C#b1' --file '/A/B/C#b1' /store/a/1.root size=60 \\
         --file '/A/B/C#b1' /store/a/2.root size=40 --replica '/A/B/C#b1' T2_US_MIT

exit codes: 0 all taken, 1 records were rejected or a file could not be taken, 2 wrong use
"""
_SMALL = (
    ("site", ("NAME", "KEY=VALUE"), "a site: storage_type, status, host, backend"),
    ("group", ("NAME", "KEY=VALUE"), "a group: olevel"),
    ("dataset", ("NAME", "KEY=VALUE"), "a dataset: status, data_type, last_update"),
    ("block", ("DATASET#BLOCK", "KEY=VALUE"), "a block: size, num_files, is_open, last_update"),
    ("file", ("DATASET#BLOCK", "LFN"), "a file of a block, then size=BYTES, adler32=..."),
    (
        "replica",
        ("DATASET#BLOCK", "SITE"),
        "a replica, then group=...; complete unless size and num_files are given",
    ),
)
#: Name of the document that options make.
_OPTIONS = "options"
_COLUMNS = ("created", "changed", "removed", "unchanged")


class Command(DynamoCommand):
    """``inject FILE... | -``."""

    help = "Bring documents with sites, datasets, replicas and facts into the inventory."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE", help="a document; - is standard input")
        for option, form, what in _SMALL:
            parser.add_argument(f"--{option}", nargs="+", action="append", default=[], metavar=form, help=what)
        parser.add_argument("--skip-bad", metavar="FILE", type=Path, help="leave out bad records and write them to this new file")
        parser.add_argument("--dry-run", action="store_true", help="tell what would change, and change nothing")
        parser.add_argument("--now", type=_moment, metavar="TIME", help="time of facts without meta.now (ISO 8601, UTC)")
        parser.add_argument(
            "--bring-back", action="store_true", help="take block replicas too that were deleted after the document's meta.now"
        )
        parser.add_argument("--feeds", type=_words, metavar="A,B", help="feeds that the files carry, like meta.feeds")
        parser.add_argument("--feed-source", metavar="NAME", help="who measured the facts, like meta.source")
        parser.add_argument(
            "--batch", action="store_true", help="keep each part of a large file at once; stopped, go on by the same command"
        )
        parser.add_argument(
            "--give-up", type=_positive, metavar="ID", help="let an injection be that was left half-way, so that deleting goes on"
        )
        parser.add_argument("--reason", default="", help="why it is given up, for the audit trail")
        parser.add_argument("--batch-size", type=_positive, default=BATCH_SIZE, metavar="ROWS", help="rows in memory at once")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["give_up"] is not None:
            self._give_up(options["give_up"], options["reason"])
            return
        files: list[str] = options["files"]
        small = _small_document(options)
        if not files and small is None:
            raise CommandError("name a file, - for standard input, or give --site, --dataset, ...", returncode=2)
        if files.count("-") > 1:
            raise CommandError("standard input (-) can be read only once", returncode=2)
        missing = [name for name in files if name != "-" and not Path(name).is_file()]
        if missing:
            raise CommandError(f"no such file: {', '.join(missing)}", returncode=2)
        if options["batch"] and (options["dry_run"] or "-" in files):
            raise CommandError("--batch goes with files, not with --dry-run or standard input (-)", returncode=2)
        if options["batch"] and options["skip_bad"] is not None and len(files) > 1:
            raise CommandError("--batch --skip-bad FILE goes with one document at a time", returncode=2)
        failed = False
        with ExitStack() as stack:
            bad_records = None
            if options["skip_bad"] is not None and not options["batch"]:
                try:
                    bad_records = stack.enter_context(options["skip_bad"].open("xb"))
                except OSError as error:
                    message = f"--skip-bad {options['skip_bad']}: {error.strerror}; name a file that does not exist yet"
                    raise CommandError(message, returncode=2) from error
            for name in [*([] if small is None else [_OPTIONS]), *files]:
                report = self._inject(name, bad_records, options, small if name == _OPTIONS else None)
                failed = failed or report is None or report.num_rejects > 0
                if report is not None:
                    self._show(report, options["skip_bad"])
        if failed:
            sys.exit(1)

    def _inject(self, name: str, bad_records: Any, options: dict[str, Any], content: bytes | None) -> InjectionReport | None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[records]:,} records, {task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task(name, total=None, records=0, rate=0.0)

            def show(progress: LoadProgress) -> None:
                elapsed = bar.tasks[0].elapsed or 0.0
                rate = progress.num_records / elapsed if elapsed else 0.0
                bar.update(task, total=progress.length, completed=progress.position, records=progress.num_records, rate=rate)

            alike = {name: options[name] for name in ("now", "feeds", "feed_source", "batch_size")}
            alike |= {
                "source": name,
                "actor": Actor(getpass.getuser()),
                "brings_back": options["bring_back"],
                "on_progress": show,
            }
            try:
                if options["batch"] and content is None:
                    return inject_by_parts(bad_records=options["skip_bad"], **alike)
                return inject(
                    stream=None if content is None else BytesIO(content),
                    length=None if content is None else len(content),
                    bad_records=bad_records,
                    dry_run=options["dry_run"],
                    **alike,
                )
            except IngestError as error:
                self.stderr.write(f"{name}: not taken: {error}")
                return None

    def _give_up(self, injection_id: int, reason: str) -> None:
        try:
            injection = injection_give_up(injection_id=injection_id, actor=Actor(getpass.getuser()), reason=reason)
        except InventoryError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"injection {injection.pk} of {injection.source}: {injection.error}")

    def _show(self, report: InjectionReport, skip_bad: Path | None) -> None:
        for reject in report.rejects:
            self.stderr.write(str(reject))
        if report.num_rejects > len(report.rejects):
            self.stderr.write(f"... {_rejected(report)} in all")
        self.stdout.write(f"{report.source}: {_verdict(report, skip_bad)}")
        table = Table()
        table.add_column("table")
        for column in _COLUMNS:
            table.add_column(column, justify="right")
        for name, counts in report.counts.items():
            table.add_row(name, *(f"{counts.get(column, 0):,}" for column in _COLUMNS))
        if report.counts:
            console = Console(file=self.stdout._out, width=None if sys.stdout.isatty() else 110, highlight=False)
            console.print(table)
        if report.feed_measured_at is not None:
            feeds = ", ".join(report.feeds) or "none"
            self.stdout.write(f"facts: complete feeds of {report.feed_measured_at:%Y-%m-%d %H:%M:%S} UTC: {feeds}")
        if report.older_feeds:
            self.stdout.write(f"  older than what is there, so not taken: {', '.join(report.older_feeds)}")
        self.stdout.write(f"{plural(report.num_records, 'record')} in {report.seconds:.1f} s")


def _verdict(report: InjectionReport, skip_bad: Path | None) -> str:
    changes = plural(report.num_changes, "change")
    if report.records_before:
        changes += f" (gone on with after {plural(report.records_before, 'record')})"
    if report.is_dry_run:
        return f"dry run, {changes} would be made, {plural(report.num_rejects, 'record')} rejected"
    if not report.is_kept and report.records_kept:
        return (
            f"stopped, because {_rejected(report)}; what {plural(report.records_kept, 'record')} before that "
            "said was kept: mend the document and inject it again (--skip-bad FILE goes on without them)"
        )
    if not report.is_kept:
        return f"nothing was taken, because {_rejected(report)} (--skip-bad FILE goes on without them)"
    if report.num_rejects:
        return f"{changes}; {plural(report.num_rejects, 'bad record is', 'bad records are')} in {skip_bad}"
    return changes


def _rejected(report: InjectionReport) -> str:
    return plural(report.num_rejects, "record was rejected", "records were rejected")


def _small_document(options: dict[str, Any]) -> bytes | None:
    given = {f"{option}s": options[option] for option, _, _ in _SMALL}
    if not any(given.values()):
        return None
    try:
        return small_document(**given)
    except SmallDocumentError as error:
        raise CommandError(str(error), returncode=2) from error


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time, as 2026-01-01T00:00:00Z") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)
