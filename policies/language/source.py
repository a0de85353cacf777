"""The text of a policy as numbered lines: decoded, comments cut, blanks folded, with every column kept.

Any bytes are accepted; what cannot be read is reported by the parser, never raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.language.ast import Span

_COMMENT = re.compile(r"(?:^|[ \t])#")
_BLANKS = re.compile(r"[ \t]+")
# Characters that a reader cannot see or tell from a blank: control, format, other blanks, undecodable bytes.
_SUSPECT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3000\ufeff\ufff9-\ufffc\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a line with its blanks folded to one; ``column_of`` leads back to the line.

    ``columns`` holds the 1-based column of every character and, as its last entry, of the end; None means that the
    characters are contiguous from ``first_column`` on.
    """

    line: int
    text: str
    first_column: int
    columns: tuple[int, ...] | None = None

    def column_of(self, index: int) -> int:
        """Return the 1-based column of the character at *index* (the length of the text stands for the end)."""
        return self.first_column + index if self.columns is None else self.columns[index]

    def span(self, start: int, end: int) -> Span:
        """Return the place of the characters from *start* up to *end*, at least one column wide."""
        first = self.column_of(start)
        last = self.column_of(end - 1) + 1 if end > start else first + 1
        return Span(self.line, first, last)

    def cut(self, start: int, end: int | None = None) -> Fragment:
        """Return the part from *start* to *end* without blanks at its ends."""
        stop = len(self.text) if end is None else end
        while start < stop and self.text[start] == " ":
            start += 1
        while stop > start and self.text[stop - 1] == " ":
            stop -= 1
        columns = None if self.columns is None else self.columns[start : stop + 1]
        return Fragment(self.line, self.text[start:stop], self.column_of(start), columns)


@dataclass(frozen=True, slots=True)
class Source:
    """A decoded text; ``lines`` are without their line ends."""

    file_name: str
    lines: tuple[str, ...]

    def line(self, number: int) -> str:
        """Return the line *number* (from 1), empty beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    @property
    def end(self) -> Span:
        """Return the place where a missing statement is reported: the end of the last line that holds anything."""
        number = len(self.lines)
        while number > 1 and not self.lines[number - 1].strip():
            number -= 1
        column = len(self.line(number)) + 1
        return Span(max(number, 1), column, column + 1)


def read_source(text: str | bytes, file_name: str) -> Source:
    """Decode *text* (UTF-8, a byte order mark is skipped) and split it at line feeds; undecodable bytes become surrogates.

    Carriage returns before a line feed belong to the line end.
    """
    decoded = text.decode("utf-8", errors="surrogateescape") if isinstance(text, bytes) else text
    decoded = decoded.removeprefix("\ufeff")
    lines = decoded.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return Source(file_name, tuple(line.rstrip("\r") if line.endswith("\r") else line for line in lines))


def split_comment(line: str) -> tuple[str, str]:
    """Split *line* into what counts and its comment (with its ``#``); either may be empty."""
    if "#" not in line:
        return line, ""
    found = _COMMENT.search(line)
    if found is None:
        return line, ""
    start = found.end() - 1
    return line[:start], line[start:]


def fold(line: str, number: int) -> Fragment:
    """Return the content of *line* without comment, its runs of blanks and tabs folded to one blank."""
    content = split_comment(line)[0].rstrip(" \t")
    stripped = content.lstrip(" \t")
    first = len(content) - len(stripped)
    if "\t" not in stripped and "  " not in stripped:
        return Fragment(number, stripped, first + 1)
    return _fold_runs(content, first, number)


def _fold_runs(content: str, first: int, number: int) -> Fragment:
    """Fold a line that has runs of blanks, noting the column of every character that stays."""
    pieces: list[str] = []
    columns: list[int] = []
    position = first
    for run in _BLANKS.finditer(content, first):
        pieces.append(content[position : run.start()])
        pieces.append(" ")
        columns.extend(range(position + 1, run.start() + 2))
        position = run.end()
    pieces.append(content[position:])
    columns.extend(range(position + 1, len(content) + 2))
    return Fragment(number, "".join(pieces), first + 1, tuple(columns))


def suspect_characters(line: str) -> re.Match[str] | None:
    """Return the first character of *line* that is invisible, not printable or not UTF-8 (tabs and line ends apart)."""
    return None if line.isascii() and line.isprintable() else _SUSPECT.search(line)
