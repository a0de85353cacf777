"""Every step of a campaign from the shell, by the services that pages and API call."""

from __future__ import annotations

import getpass
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns.choices import Verdict
from campaigns.management.terminal import CampaignCommand, account, progress_bar
from campaigns.models import Campaign, ExceptionRequest
from campaigns.selectors.campaigns import revision_current, revision_dropped
from campaigns.selectors.quorum import quorum_of
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import (
    Edits,
    campaign_cancel,
    campaign_comment,
    campaign_create,
    campaign_edit,
    campaign_get,
    campaign_revise,
)
from campaigns.services.exception_requests import exception_ask, exception_decide
from campaigns.services.execution import campaign_execute, campaign_pause, campaign_resume
from campaigns.services.offers import actions_offered
from campaigns.services.proposals import campaign_propose
from campaigns.services.reports import KINDS, campaign_report_make, report_file
from campaigns.services.studies import campaign_study_now
from inventory.selectors.wording import exact_text, plural, size_text
from policies.management.terminal import FINDINGS, WRONG_USE, moment


class Command(CampaignCommand):
    """``campaign STEP --as LOGIN ...``."""

    help = "Carry a deletion campaign on by one step: create, study, propose, except, decide, sign, execute, ..."
    epilog = """\
example, a whole campaign (notice and dates as your installation has them):
  campaign create --as olga --title 'Tape 2026' --purpose 'room for Run 4' --partition Tape --text tape.txt \\
      --exceptions-close 2026-12-15 --earliest-start 2026-12-16 --expires 2027-02-01
  campaign study 1 --as olga
  campaign propose 1 --as olga
  campaign except 1 --as dan --pattern '/Higgs*/*/*' --until 2027-06-30 --group higgs --reason 'thesis'
  campaign decide 1 --as rita --grant
  campaign show 1 --as petra
  campaign sign 1 --as petra --digest DIGEST --approve
  campaign execute 1 --as olga
  campaign report 1 --as anna --to reports

exit codes: 0 done, 1 refused (the message says why), 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")

        def step(name: str, about: str, *, of: str = "campaign") -> CommandParser:
            made: CommandParser = steps.add_parser(name, help=about, description=about)
            made.add_argument("--as", dest="login", required=True, metavar="LOGIN", help="account that acts")
            if of:
                made.add_argument("number", type=int, metavar=of.upper(), help=f"number of the {of}")
            return made

        create = step("create", "create a draft", of="")
        create.add_argument("--title", required=True)
        create.add_argument("--purpose", required=True)
        create.add_argument("--partition", required=True, metavar="NAME")
        create.add_argument("--coordinator", default="", metavar="LOGIN", help="default: who creates it")
        _add_edits(create, is_text_required=True)
        edit = step("edit", "change a draft")
        edit.add_argument("--title")
        edit.add_argument("--purpose")
        _add_edits(edit, is_text_required=False)
        step("study", "evaluate the text now and freeze the list")
        step("propose", "freeze and announce; who proposes never signs")
        revise = step("revise", "back to draft; signatures are void")
        revise.add_argument("--reason", required=True)
        revise.add_argument("--text", type=Path, metavar="FILE", help="the new text")
        ask = step("except", "ask that data be kept")
        ask.add_argument("--pattern", action="append", default=[], metavar="NAME", help="name or pattern; may stand often")
        ask.add_argument("--list", type=Path, metavar="FILE", help="a name a line")
        ask.add_argument("--reason", required=True)
        ask.add_argument("--until", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
        ask.add_argument("--group", required=True, help="group that the data are kept for")
        decide = step("decide", "grant, shorten or refuse an exception", of="exception")
        decision = decide.add_mutually_exclusive_group(required=True)
        decision.add_argument("--grant", action="store_true")
        decision.add_argument("--refuse", action="store_true")
        decide.add_argument("--reason", default="", help="required to refuse or shorten")
        decide.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD", help="earlier than asked: shortened")
        decide.add_argument("--lock", action="store_true", help="outlives the campaign as a lock")
        sign = step("sign", "approve, reject or abstain")
        verdict = sign.add_mutually_exclusive_group(required=True)
        for one in Verdict:
            verdict.add_argument(f"--{one.value.lower()}", dest="verdict", action="store_const", const=one)
        sign.add_argument("--digest", required=True, help="of the list that you saw (campaign show)")
        sign.add_argument("--comment", default="", help="required to reject")
        step("execute", "release exactly the frozen list for deletion")
        for name, about in (("pause", "take up no further item"), ("cancel", "give it up for good")):
            step(name, about).add_argument("--reason", required=True)
        step("resume", "let a paused campaign go on").add_argument("--reason", default="")
        step("comment", "say something").add_argument("--message", required=True)
        step("show", "state, sums, digest, signatures, exceptions, and what you may do now")
        report = step("report", "make a report; its digests go into the audit chain")
        report.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="where the files go (default: here)")

    def perform(self, options: dict[str, Any]) -> None:
        getattr(self, f"_{options['step']}")(options.get("number", 0), options)

    def _create(self, _number: int, options: dict[str, Any]) -> None:
        campaign = campaign_create(
            title=options["title"],
            purpose=options["purpose"],
            partition_name=options["partition"],
            text=_text(options["text"]) or "",
            coordinator_login=options["coordinator"],
            times=_edits(options),
            **self._who(options),
        )
        self.stdout.write(f"campaign {campaign.pk} is {campaign.get_state_display()}: {campaign.title}")

    def _edit(self, number: int, options: dict[str, Any]) -> None:
        names = {"title": options["title"], "purpose": options["purpose"], "text": _text(options["text"])}
        edits = Edits(**(_edits(options).given() | {name: value for name, value in names.items() if value is not None}))
        self._tell(campaign_edit(campaign_id=number, edits=edits, **self._who(options)))

    def _study(self, number: int, options: dict[str, Any]) -> None:
        study = campaign_study_now(campaign_id=number, **self._who(options))
        revision = study.revision
        if revision is None:
            raise CommandError(f"study {study.pk} left no list: {study.error}", returncode=FINDINGS)
        self.stdout.write(
            f"revision {revision.number}: {plural(revision.num_items, 'block replica')} in "
            f"{plural(revision.num_datasets, 'dataset')}, {size_text(revision.size_bytes)} would be deleted; "
            f"{plural(revision.num_last_copies, 'last copy', 'last copies')}, {size_text(revision.tape_bytes)} on tape"
        )
        self.stdout.write(f"digest {revision.digest}")

    def _propose(self, number: int, options: dict[str, Any]) -> None:
        self._tell(campaign_propose(campaign_id=number, **self._who(options)))

    def _revise(self, number: int, options: dict[str, Any]) -> None:
        text = _text(options["text"])
        self._tell(campaign_revise(campaign_id=number, reason=options["reason"], text=text, **self._who(options)))

    def _except(self, number: int, options: dict[str, Any]) -> None:
        listed = (_text(options["list"]) or "").splitlines()
        exception = exception_ask(
            campaign_id=number,
            patterns=[*options["pattern"], *listed],
            reason=options["reason"],
            until=options["until"],
            group_name=options["group"],
            **self._who(options),
        )
        self.stdout.write(
            f"exception {exception.pk} is asked for: it would keep {plural(exception.num_items, 'block replica')}, "
            f"{size_text(exception.size_bytes)}"
        )

    def _decide(self, number: int, options: dict[str, Any]) -> None:
        exception = exception_decide(
            exception_id=number,
            is_granted=options["grant"],
            reason=options["reason"],
            until=options["until"],
            becomes_lock=options["lock"],
            **self._who(options),
        )
        self.stdout.write(f"exception {exception.pk} is {exception.get_state_display()}")

    def _sign(self, number: int, options: dict[str, Any]) -> None:
        campaign_sign(
            campaign_id=number,
            verdict=options["verdict"],
            digest=options["digest"],
            comment=options["comment"],
            address=f"shell ({getpass.getuser()})",
            **self._who(options),
        )
        self._tell(campaign_get(number))

    def _execute(self, number: int, options: dict[str, Any]) -> None:
        self._tell(campaign_execute(campaign_id=number, **self._who(options)))

    def _pause(self, number: int, options: dict[str, Any]) -> None:
        self._tell(campaign_pause(campaign_id=number, reason=options["reason"], **self._who(options)))

    def _resume(self, number: int, options: dict[str, Any]) -> None:
        self._tell(campaign_resume(campaign_id=number, reason=options["reason"], **self._who(options)))

    def _cancel(self, number: int, options: dict[str, Any]) -> None:
        self._tell(campaign_cancel(campaign_id=number, reason=options["reason"], **self._who(options)))

    def _comment(self, number: int, options: dict[str, Any]) -> None:
        campaign_comment(campaign_id=number, text=options["message"], **self._who(options))
        self.stdout.write("said")

    def _report(self, number: int, options: dict[str, Any]) -> None:
        with progress_bar() as progress:
            report = campaign_report_make(campaign_id=number, **self._who(options), progress=progress)
        folder: Path = options["to"]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for kind in KINDS:
                path = folder / f"campaign-{number}-report-{report.pk}.{kind}"
                path.write_bytes(report_file(report, kind))
                self.stdout.write(str(path))
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror}; the report itself is kept", returncode=WRONG_USE) from error

    def _show(self, number: int, options: dict[str, Any]) -> None:
        campaign, who = campaign_get(number), self._who(options)
        self._tell(campaign)
        for name in ("announced_at", "exceptions_close_at", "earliest_start_at", "expires_at"):
            self.stdout.write(f"  {name.removesuffix('_at').replace('_', ' '):<16} {exact_text(getattr(campaign, name))}")
        revision = revision_current(number)
        if revision is not None:
            dropped, items = revision_dropped(revision), plural(revision.num_items, "block replica")
            self.stdout.write(
                f"  revision {revision.number}: {size_text(revision.size_bytes)} in {items}, "
                f"dropped out {size_text(dropped.size_bytes)}\n  digest {revision.digest}"
            )
            for reading in revision.sums.get("readings", ()):
                if reading["is_tripped"]:
                    self.stdout.write(f"  beyond a safety limit: {reading['text']}")
            quorum = quorum_of(revision)
            self.stdout.write(f"  signatures {quorum.given} of {quorum.needed}; missing: {'; '.join(quorum.missing) or 'none'}")
        for exception in ExceptionRequest.objects.filter(campaign=campaign).order_by("pk"):
            state = exception.get_state_display()
            self.stdout.write(
                f"  exception {exception.pk} for {exception.group_name}, {size_text(exception.size_bytes)}: {state}"
            )
        for offer in actions_offered(campaign=campaign, **who):
            self.stdout.write(f"  {offer.action.label:<22} {'possible' if offer.is_possible else offer.why_not}")

    def _tell(self, campaign: Campaign) -> None:
        self.stdout.write(f"campaign {campaign.pk} is {campaign.get_state_display()}: {campaign.title}")

    def _who(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"actor": account(options["login"]), "now": timezone.now()}


def _add_edits(parser: CommandParser, *, is_text_required: bool) -> None:
    parser.add_argument("--text", type=Path, required=is_text_required, metavar="FILE", help="policy text")
    parser.add_argument("--sites", metavar="PATTERNS", help="sites that it may touch, blanks between (default *)")
    parser.add_argument("--exceptions-close", type=moment, metavar="ISO8601", help="until then exceptions may be asked for")
    parser.add_argument("--earliest-start", type=moment, metavar="ISO8601", help="nothing is deleted before")
    parser.add_argument("--expires", type=moment, metavar="ISO8601", help="nothing is deleted afterwards")
    parser.add_argument("--notice-reason", metavar="TEXT", help="why less than the usual notice is given")
    parser.add_argument("--starts-by-itself", action="store_true", default=None, help="executes as soon as it may")
    parser.add_argument("--site-bytes-per-day", type=int, metavar="BYTES", help="portion per site and day")


def _edits(options: dict[str, Any]) -> Edits:
    return Edits(
        site_patterns=options["sites"],
        exceptions_close_at=options["exceptions_close"],
        earliest_start_at=options["earliest_start"],
        expires_at=options["expires"],
        notice_reason=options["notice_reason"],
        starts_by_itself=options["starts_by_itself"],
        site_bytes_per_day=options["site_bytes_per_day"],
    )


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}", returncode=WRONG_USE) from error
