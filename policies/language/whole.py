"""What a policy must have as a whole: each mandatory statement, and one partition."""

from __future__ import annotations

from policies.language.ast import Policy, Span
from policies.language.codes import Severity
from policies.language.diagnostics import Reporter, quote
from policies.language.statements import SITE_STATEMENTS, StatementReader

_NEEDED = {
    "On": ("target sites", "write 'On site.name == *' for all sites"),
    "When": ("deletion trigger", "write 'When always', or a condition on 'site.occupancy'"),
    "Until": ("stop condition", "write 'Until never', or a condition on 'site.occupancy'"),
}


def check_whole(reader: StatementReader, *, partition: str | None, require_partition: bool) -> Policy | None:
    """Return the policy that the statements make; None, with the reason reported, if something is missing."""
    reporter = reader.reporter
    if reporter.is_spent:
        return None  # nobody knows what stands in the lines that were not read
    end = reporter.source.end
    for name in SITE_STATEMENTS:
        if name not in reader.first:
            what, help_text = _NEEDED[name]
            reporter.report("P107", end, f"'{name}', the {what}, is missing", help_text)
    if reader.default is None and "default" not in reader.first:
        help_text = "write 'Protect', 'Dismiss', 'Delete' or 'Ignore' alone on a line"
        reporter.report("P107", end, "the default decision is missing", help_text)
    partition = _partition(reader, reporter, partition, end, is_required=require_partition)
    if reader.default is None or reporter.error_count:
        return None
    return Policy(
        partition=partition,
        targets=tuple(reader.sites["On"]),
        triggers=tuple(reader.sites["When"]),
        stops=tuple(reader.sites["Until"]),
        rules=tuple(reader.rules),
        default=reader.default,
        order=reader.order,
        is_static=reader.is_static,
        file_name=reporter.source.file_name,
        lines=reporter.source.lines,
    )


def _partition(reader: StatementReader, reporter: Reporter, beside: str | None, end: Span, *, is_required: bool) -> str | None:
    """Return the one name of the partition, from the text or from beside it."""
    given = " ".join(beside.split()) if beside is not None else None
    inside, place = reader.partition, reader.partition_place
    if inside is None:
        if not given and is_required and "Partition" not in reader.first:
            # Beside other errors it is a note: the text may well be complete, and the name come with the next run.
            severity = Severity.NOTE if reporter.error_count else Severity.ERROR
            help_text = "write 'Partition NAME', or give the name beside the text (--partition NAME)"
            reporter.report("P108", end, "no partition is named", help_text, severity=severity)
        return given or None
    if given and given != inside and place is not None:
        message = f"the text names the partition {quote(inside)}, beside it stands {quote(given)}"
        reporter.report("P109", place.span(0, len(place.text)), message, "leave one out, or make them the same")
    return inside
