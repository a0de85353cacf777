"""Hold reports against the audit chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from campaigns.management.terminal import CampaignCommand
from campaigns.services.reports import report_verify
from policies.management.terminal import FINDINGS, WRONG_USE


class Command(CampaignCommand):
    """``campaign_verify FILE ...``."""

    help = "Verify files of campaign reports: to the byte what was recorded in the audit chain, and sums that match."
    epilog = """\
example:
  campaign_verify reports/campaign-1-report-1.json reports/campaign-1-report-1.csv

exit codes: 0 all are true, 1 some are not (each with the reason), 2 a file cannot be read
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON, HTML, CSV or Parquet of a report")

    def perform(self, options: dict[str, Any]) -> None:
        try:
            contents = {str(path): path.read_bytes() for path in options["files"]}
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=WRONG_USE) from error
        found = report_verify(files=contents)
        for one in found:
            words = f"true: recorded for {one.campaign}" if one.is_true else f"NOT TRUE: {'; '.join(one.problems)}"
            self.stdout.write(f"{one.name}: {words}")
        if not all(one.is_true for one in found):
            raise CommandError("not every file is what was recorded", returncode=FINDINGS)
