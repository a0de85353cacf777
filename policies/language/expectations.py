"""Policy tests: ``expect [not] DECISION CONDITION [at SITES]``, one a line, kept beside a policy.

An expectation says what the policy must decide about every replica that meets the condition when the cycle starts, such as
``expect protect dataset.name == /*/*/RAW at T1_*`` or ``expect not delete dataset.on_tape == NONE``. SITES is a site name or
a shell pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.language.ast import And, Condition, Operator, Predicate
from policies.language.conditions import ConditionReader
from policies.language.diagnostics import Diagnostic, Reporter, quote
from policies.language.parser import readable_lines
from policies.language.patterns import text_literal
from policies.language.source import Fragment, read_source
from policies.language.variables import BY_NAME

#: Words for decisions; those of decisions files.
EXPECTED_WORDS = ("protect", "keep", "delete", "ignore")
_AT = re.compile(r" at (?P<sites>[^ ]*)$")
_FORM = "write 'expect [not] protect|keep|delete|ignore CONDITION [at SITES]'"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One line: every block of a replica that meets ``condition`` is decided as ``word`` (``is_negated``: none of them is)."""

    word: str
    is_negated: bool
    condition: Condition
    line: int
    text: str


def parse_expectations(
    text: str | bytes, *, file_name: str = "<expectations>", now: float | None = None
) -> tuple[tuple[Expectation, ...], tuple[Diagnostic, ...]]:
    """Return the expectations of *text* in its order (none if a diagnostic is an error), and all findings; nothing is raised."""
    source = read_source(text, file_name)
    reporter = Reporter(source)
    conditions = ConditionReader(reporter, now)
    read = [_expectation(line, conditions, reporter) for line in readable_lines(source, reporter)]
    found = tuple(expectation for expectation in read if expectation is not None)
    return (() if reporter.error_count else found), reporter.sorted()


def _expectation(line: Fragment, conditions: ConditionReader, reporter: Reporter) -> Expectation | None:
    words = line.text.split(" ", 3)
    if words[0] != "expect":
        help_text = reporter.close_matches(words[0], ("expect",)) or _FORM
        reporter.report("P801", line.span(0, len(words[0])), f"{quote(words[0])} does not begin an expectation", help_text)
        return None
    is_negated = len(words) > 1 and words[1] == "not"
    at = len("expect not " if is_negated else "expect ")
    word = line.text[at:].partition(" ")[0]
    if word not in EXPECTED_WORDS:
        help_text = reporter.close_matches(word, EXPECTED_WORDS) or f"use one of {', '.join(EXPECTED_WORDS)}"
        found = f"{quote(word)} is no decision" if word else "the decision is missing"
        reporter.report("P802", line.span(min(at, len(line.text)), at + len(word)), found, help_text)
        return None
    body = line.cut(at + len(word))
    if not body.text:
        reporter.report("P102", line.span(0, len(line.text)), "a condition is missing", _FORM)
        return None
    condition = _condition(body, conditions, reporter)
    return Expectation(word, is_negated, condition, line.line, line.text) if condition is not None else None


def _condition(body: Fragment, conditions: ConditionReader, reporter: Reporter) -> Condition | None:
    """Return the condition of the line, narrowed to the sites behind ``at``."""
    place = _AT.search(body.text)
    if place is None:
        if body.text.endswith(" at"):
            reporter.report(
                "P803", body.span(len(body.text) - 2, len(body.text)), "no site follows 'at'", "name one, as 'at T1_*'"
            )
            return None
        return conditions.read(body, "replica")
    condition = conditions.read(body.cut(0, place.start()), "replica")
    if condition is None:
        return None
    literal = text_literal(place["sites"])
    span = body.span(place.start("sites"), place.end("sites"))
    sites = Predicate(BY_NAME["site.name"], Operator.EQ, literal, span)
    expression = And((condition.expression, sites), condition.span)
    return Condition(expression, condition.span, body.text, condition.window)
