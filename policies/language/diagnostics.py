"""Findings about a text: what was found, where, and what to do; collected in one run and shown sorted by place."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.language.ast import Span
from policies.language.codes import CODES, Severity
from policies.language.source import Source

#: Close matches cost about a millisecond each, so they are looked for while the errors are few.
ERRORS_WITH_CLOSE_MATCHES = 50
#: More of one line tell nothing more: ten million parentheses in one line must not make ten million findings.
ERRORS_OF_A_LINE = 20
#: What one check may take, in predicates of usual length: about a second of work. A text with more lines may take more.
LEAST_ALLOWANCE = 25_000
ALLOWANCE_PER_LINE = 2.5
#: A longer line is shown as a window around the caret.
SHOWN_CHARACTERS = 240
#: What a message quotes of a token; the line below it shows the rest.
QUOTED_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding, with the source line that it needs to show itself."""

    code: str
    severity: Severity
    message: str
    span: Span
    file_name: str
    source_line: str
    help: str | None = None

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def render(self) -> str:
        """Return the finding as ``file:line:column``, source line, caret under the whole token, and help; no final line end."""
        number = str(self.span.line)
        gutter = " " * len(number)
        shown, caret = _show(self.source_line, self.span)
        lines = [
            f"{self.file_name}:{number}:{self.span.column}: {self.severity.value}[{self.code}]: {self.message}",
            f"  {number} | {shown}".rstrip(),
            f"  {gutter} | {caret}",
        ]
        if self.help:
            lines.append(f"  {gutter} = help: {self.help}")
        return "\n".join(lines)


class Reporter:
    """Collects the findings of one run over one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._found: list[Diagnostic] = []
        self._errors = 0
        self._errors_of_line: dict[int, int] = {}
        self._left = max(LEAST_ALLOWANCE, ALLOWANCE_PER_LINE * len(source.lines))
        self._is_spent = False

    @property
    def is_spent(self) -> bool:
        """Tell whether the text asks for more work than a check may take: what follows is not read."""
        return self._is_spent

    @property
    def allowance(self) -> float:
        """Return what is left of the work that this check may take, in predicates."""
        return self._left

    def spend(self, amount: float, span: Span) -> bool:
        """Charge work of *amount* predicates; where the allowance is used up, report that once, at *span*, and return False."""
        self._left -= amount
        if self._left >= 0:
            return True
        if not self._is_spent:
            self._is_spent = True
            most = max(LEAST_ALLOWANCE, int(ALLOWANCE_PER_LINE * len(self.source.lines)))
            message = f"the text is too large: from here on it is not read (a policy holds up to {most:,} predicates)"
            self.report("P003", span, message, "split it into several policies, or replace rules by patterns")
        return False

    @property
    def error_count(self) -> int:
        return self._errors

    def report(
        self, code: str, span: Span, message: str, help_text: str | None = None, *, severity: Severity | None = None
    ) -> None:
        """Add a finding; its severity is that of the code's registry entry unless one is given.

        Of a line with more than ``ERRORS_OF_A_LINE`` errors the first ones are kept; the others are counted alone.
        """
        severity = severity or CODES[code].severity
        if severity is Severity.ERROR:
            self._errors += 1
            of_line = self._errors_of_line[span.line] = self._errors_of_line.get(span.line, 0) + 1
            if of_line > ERRORS_OF_A_LINE:
                return
            self._left -= 1
        source_line = self.source.line(span.line)
        self._found.append(Diagnostic(code, severity, message, span, self.source.file_name, source_line, help_text))

    def close_matches(self, word: str, choices: Iterable[str]) -> str | None:
        """Return "did you mean ...?" with at most three close matches, or None; always None after the first 50 errors."""
        if self._errors >= ERRORS_WITH_CLOSE_MATCHES or len(word) > QUOTED_CHARACTERS:
            return None
        found = difflib.get_close_matches(word, list(choices), n=3, cutoff=0.77)
        return f"did you mean {alternatives(found)}?" if found else None

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Return the findings by place, then code."""
        return sort_diagnostics(self._found)


def sort_diagnostics(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the findings sorted by line, column and code."""
    return tuple(sorted(found, key=lambda d: (d.span.line, d.span.column, d.code)))


def render(found: Sequence[Diagnostic]) -> str:
    """Return all findings as shown to the user, one after the other, each ended by a line end."""
    return "".join(f"{diagnostic.render()}\n" for diagnostic in found)


def alternatives(words: Sequence[str]) -> str:
    """Return the words quoted and joined by commas and a final "or"."""
    quoted = [f"'{word}'" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def quote(text: str) -> str:
    """Return *text* in quotes for a message, made printable and cut to a length that a line can hold."""
    if len(text) > QUOTED_CHARACTERS:
        text = f"{text[: QUOTED_CHARACTERS - 3]}..."
    return f"'{_printable(text)}'"


def _show(line: str, span: Span) -> tuple[str, str]:
    """Return the printable line and the carets under the span; a long line is cut to a window around it."""
    start, end = span.column - 1, max(span.end_column - 1, span.column)
    if len(line) > SHOWN_CHARACTERS:
        left = max(0, min(start - SHOWN_CHARACTERS // 3, len(line) - SHOWN_CHARACTERS))
        right = left + SHOWN_CHARACTERS
        head, tail = ("..." if left else ""), ("..." if right < len(line) else "")
        offset = len(head) - left
        line = f"{head}{line[left:right]}{tail}"
        start, end = start + offset, min(end, right) + offset
    shown = _printable(line)
    indent = " " * _width(shown[:start])
    return shown, indent + "^" * max(1, _width(shown[start:end]))


def _printable(text: str) -> str:
    """Return *text* with a blank for each tab and a replacement for each character that is not printable; lengths stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\t\xa0" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _width(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
