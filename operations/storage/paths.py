"""From logical file names to paths below a site's root; what could leave the root, or mean two things, is refused.

Source: issue "Deleting for real", "LFN -> PFN by the site's rules (ordered regular expression -> replacement, the first
that fits)". The expressions are matched by a linear-time engine (Rust's, through Polars): with Python's ``re`` one hostile
name of 26 letters was measured to take 7 s.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from inventory.selectors.sites import LfnRule

MAX_LFN_LENGTH = 1024
MAX_PATH_BYTES = 4000
MAX_COMPONENT_BYTES = 255
MAX_RULES = 100
MAX_PATTERN_LENGTH = 1024
#: Names that start so are Dynamo's own below a root (marker, trash); no logical name may lead to them.
RESERVED_PREFIX = ".dynamo-"

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
#: Characters that look like a slash or a backslash, and that some systems turn into one.
_LIKE_SLASHES = frozenset("\\\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c")
#: Control, format, surrogate, private, unassigned; line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class BadRules(ValueError):
    """The LFN rules of a site cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a logical file lies below its site's root: path components, or the problem because of which it is refused."""

    lfn: str
    parts: tuple[str, ...] = ()
    problem: str = ""


def checked_rules(rules: Sequence[LfnRule]) -> tuple[LfnRule, ...]:
    """Return the rules of a site, all usable: patterns fit whole names, in replacements $1 and ${name} are groups.

    Raises ``BadRules`` when a pattern is no regular expression (RE2 / Rust syntax), or there are too many or too long ones.
    """
    if len(rules) > MAX_RULES:
        raise BadRules(f"there are {len(rules)} LFN rules, at most {MAX_RULES} are taken")
    for number, rule in enumerate(rules, start=1):
        if not isinstance(rule.pattern, str) or not isinstance(rule.replacement, str):
            raise BadRules(f"LFN rule {number}: pattern and replacement must be text")
        if not rule.pattern or max(len(rule.pattern), len(rule.replacement)) > MAX_PATTERN_LENGTH:
            raise BadRules(f"LFN rule {number}: the pattern is empty, or longer than {MAX_PATTERN_LENGTH} characters")
        try:
            pl.Series([""]).str.contains(_whole(rule.pattern))
        except pl.exceptions.ComputeError as error:
            raise BadRules(f"LFN rule {number}: {rule.pattern!r} is not a regular expression") from error
    return tuple(rules)


def place(lfns: Sequence[str], rules: Sequence[LfnRule]) -> list[Placement]:
    """Return where each file lies, in the order given. Two names that lead to one path are both refused."""
    paths = _apply(lfns, rules)
    placements = [_placement(lfn, path) for lfn, path in zip(lfns, paths, strict=True)]
    seen: dict[tuple[str, ...], int] = {}
    for placement in placements:
        if not placement.problem:
            seen[placement.parts] = seen.get(placement.parts, 0) + 1
    clash = "the LFN rules lead from several files to this path"
    return [Placement(p.lfn, problem=clash) if not p.problem and seen[p.parts] > 1 else p for p in placements]


def _apply(lfns: Sequence[str], rules: Sequence[LfnRule]) -> list[str | None]:
    """Return the path that the first fitting rule makes of each name, None where none fits; without rules the name itself."""
    if not rules:
        return list(lfns)
    result: list[str | None] = [None] * len(lfns)
    waiting = [index for index, lfn in enumerate(lfns) if len(lfn) <= MAX_LFN_LENGTH and _encodable(lfn)]
    for rule in rules:
        if not waiting:
            break
        names = pl.Series([lfns[index] for index in waiting], dtype=pl.String)
        fits = names.str.contains(_whole(rule.pattern)).to_list()
        made = names.str.replace(_whole(rule.pattern), rule.replacement).to_list()
        for index, fit, path in zip(waiting, fits, made, strict=True):
            if fit:
                result[index] = path
        waiting = [index for index, fit in zip(waiting, fits, strict=True) if not fit]
    return result


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _placement(lfn: str, path: str | None) -> Placement:
    problem = _problem(lfn, what="the logical name")
    if not problem and path is None:
        problem = "no LFN rule of the site fits the logical name"
    if not problem and path is not None and path != lfn:
        problem = _problem(path, what="the path that the LFN rules make")
    if problem or path is None:
        return Placement(lfn, problem=problem)
    return Placement(lfn, parts=tuple(path.removeprefix("/").split("/")))


def _problem(path: str, *, what: str) -> str:
    """Return why a path must not be used, empty when it stays below its root whatever reads it."""
    if not path or path == "/":
        return f"{what} is empty: it would be the root itself"
    if len(path) > MAX_LFN_LENGTH or not _encodable(path) or len(path.encode()) > MAX_PATH_BYTES:
        return f"{what} is too long or not proper text"
    if not _LIKE_SLASHES.isdisjoint(path):
        return f"{what} has a backslash, or a character that can be read as a slash"
    if any(unicodedata.category(char) in _HIDDEN_CATEGORIES for char in path):
        return f"{what} has a control or invisible character"
    if _ENCODED.search(path):
        return f"{what} has a percent-encoded character"
    parts = path.removeprefix("/").split("/")
    if "" in parts:
        return f"{what} has an empty component"
    # A storage that folds characters (full-width dots and slashes, one-character ellipses) must not see other components.
    folded = unicodedata.normalize("NFKC", path).removeprefix("/").split("/")
    if len(folded) != len(parts) or any(set(part.strip()) <= {"."} for part in (*parts, *folded)):
        return f"{what} has a component of dots or blanks, or one that can be read as such"
    if any(part.lower().startswith(RESERVED_PREFIX) for part in folded):
        return f"{what} has a component that starts with {RESERVED_PREFIX}, which is reserved"
    if any(len(part.encode()) > MAX_COMPONENT_BYTES for part in parts):
        return f"{what} has a component longer than {MAX_COMPONENT_BYTES} bytes"
    return ""


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
