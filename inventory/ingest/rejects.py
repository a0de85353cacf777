"""Why a record was not taken: where it is, what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

#: Longest piece of a found value that a report shows.
SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a record; ``path`` counts from the record, as ``blocks[0].size``, empty for the record itself."""

    path: str
    found: str
    expected: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """A problem with its place in the document: ``number`` is that of the line or of the object in the file, from 1."""

    number: int
    path: str
    found: str
    expected: str
    help: str

    def __str__(self) -> str:
        text = f"record {self.number}: {self.path or 'the whole record'}: found {self.found}, expected {self.expected}"
        return visible(f"{text}; {self.help}" if self.help else text)

    def as_json(self) -> dict[str, Any]:
        """Return the reject as it is kept with its injection."""
        return {name: visible(value) if isinstance(value, str) else value for name, value in asdict(self).items()}


class BadRecord(Exception):
    """Raised while a record is checked, with all that is wrong in it; nothing of the record was taken by then."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.path}: {problem.found}" for problem in self.problems))


def visible(text: str) -> str:
    """Return *text* with what cannot be printed escaped: names out of a document may hold what no database or terminal takes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object) -> str:
    """Return *value* as a report shows it: quoted text, cut where it is long, control characters visible."""
    text = repr(value) if not isinstance(value, str) else '"' + value.encode("unicode_escape").decode("ascii") + '"'
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def closest(word: str, allowed: Iterable[str]) -> str:
    """Return ``did you mean ...?`` with the nearest of *allowed*, empty if none is near."""
    near = difflib.get_close_matches(word, list(allowed), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else ""
