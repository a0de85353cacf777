"""From the text of a policy to its checked syntax tree, with every finding of one run.

The language is line-oriented, so each line is read by itself and a wrong one never hides another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.language.ast import Condition, Policy, Span
from policies.language.checker import ConditionKind
from policies.language.conditions import ConditionReader
from policies.language.diagnostics import Diagnostic, Reporter
from policies.language.source import Fragment, Source, fold, read_source, suspect_characters
from policies.language.statements import StatementReader
from policies.language.whole import check_whole


@dataclass(frozen=True, slots=True)
class ParseResult:
    """A policy, None if and only if a diagnostic is an error, and all findings sorted by place."""

    policy: Policy | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.is_error)


def parse_policy(
    text: str | bytes,
    *,
    file_name: str = "<policy>",
    partition: str | None = None,
    require_partition: bool = True,
    now: float | None = None,
) -> ParseResult:
    """Return the checked policy of *text*, or what is wrong with it; any bytes are taken, nothing is raised.

    *partition* is the name given beside the text: the same name in both places is fine, another one is an error,
    none in either is an error too unless *require_partition* is false (then the policy's partition is None).
    *now* (seconds since 1970, UTC) lets warnings show the moments that they mean; the policy never depends on it.
    """
    source = read_source(text, file_name)
    reporter = Reporter(source)
    reader = StatementReader(reporter, now)
    for fragment in readable_lines(source, reporter):
        reader.read(fragment)
    policy = check_whole(reader, partition=partition, require_partition=require_partition)
    return ParseResult(None if reporter.error_count else policy, reporter.sorted())


def parse_condition(
    text: str | bytes, *, kind: ConditionKind = "replica", file_name: str = "<condition>", now: float | None = None
) -> tuple[Condition | None, tuple[Diagnostic, ...]]:
    """Return the condition of a one-line *text* (guardrails, filters), None if a diagnostic is an error."""
    source = read_source(text, file_name)
    reporter = Reporter(source)
    fragments = list(readable_lines(source, reporter))
    condition: Condition | None = None
    if not fragments and not reporter.error_count:
        reporter.report("P102", source.end, "a condition is missing", "write one, such as 'dataset.name == /A/B/C'")
    for extra in fragments[1:]:
        message = "a condition stands on one line"
        reporter.report("P209", extra.span(0, len(extra.text)), message, "join conditions with 'and' or 'or'")
    if fragments:
        condition = ConditionReader(reporter, now).read(fragments[0], kind)
    return (None if reporter.error_count else condition), reporter.sorted()


def readable_lines(source: Source, reporter: Reporter) -> Iterator[Fragment]:
    """Yield the folded lines that hold anything, and report those with characters that nobody can read.

    Ends where the text has asked for all the work that a check may take.
    """
    for number, line in enumerate(source.lines, start=1):
        fragment = fold(line, number)
        if not fragment.text:
            continue
        if not reporter.spend(0, Span(number, 1, 2)):
            return
        if (suspect := suspect_characters(line)) is not None and suspect.start() < _content_end(fragment):
            _report_suspect(suspect.start(), line, number, reporter)
        else:
            yield fragment


def _content_end(fragment: Fragment) -> int:
    return fragment.column_of(len(fragment.text)) - 1


def _report_suspect(index: int, line: str, number: int, reporter: Reporter) -> None:
    character = line[index]
    span = Span(number, index + 1, index + 2)
    if 0xDC80 <= ord(character) <= 0xDCFF:
        message = f"the byte 0x{ord(character) - 0xDC00:02x} is not UTF-8"
        reporter.report("P001", span, message, "store the text as UTF-8")
        return
    help_text = "replace it by a plain blank" if character.isspace() else "remove it"
    reporter.report("P002", span, f"the character U+{ord(character):04X} cannot be seen", help_text)
