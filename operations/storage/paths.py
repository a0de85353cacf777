"""From logical file names to paths below a site's root; what could leave the root, or mean two things, is refused.

Source: issue "Deleting for real", "LFN -> PFN by the site's rules (ordered regular expression -> replacement, the first
that fits)". The expressions are matched by a linear-time engine (Rust's, through Polars): with Python's ``re`` one hostile
name of 26 letters was measured to take 7 s.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

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
#: What nearly all names are made of, each component beginning with a letter, a digit or a low line: nothing is wrong with those.
_PLAIN = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_.+=,@:-]{0,254}(?:/[A-Za-z0-9_][A-Za-z0-9_.+=,@:-]{0,254})*")
#: Characters that look like a slash or a backslash, and that some systems turn into one.
_LIKE_SLASHES = frozenset("\\\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c")
#: Control, format, surrogate, private, unassigned; line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class BadRules(ValueError):
    """The LFN rules of a site cannot be used; the message says which and why."""


class Placement(NamedTuple):
    """Where a logical file lies below its site's root: path components, or the problem because of which it is refused.

    A tuple, because ten thousand are made for one lease.
    """

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
        if len(rule.then) > MAX_RULES:
            raise BadRules(f"LFN rule {number} has {len(rule.then)} further steps, at most {MAX_RULES} are taken")
        for step in (rule, *rule.then):
            _check_step(step, number)
    return tuple(rules)


def _check_step(step: LfnRule, number: int) -> None:
    if not isinstance(step.pattern, str) or not isinstance(step.replacement, str):
        raise BadRules(f"LFN rule {number}: pattern and replacement must be text")
    if not step.pattern or max(len(step.pattern), len(step.replacement)) > MAX_PATTERN_LENGTH:
        raise BadRules(f"LFN rule {number}: the pattern is empty, or longer than {MAX_PATTERN_LENGTH} characters")
    try:
        pl.Series([""]).str.contains(_whole(step.pattern))
    except pl.exceptions.ComputeError as error:
        raise BadRules(f"LFN rule {number}: {step.pattern!r} is not a regular expression") from error


def place(lfns: Sequence[str], rules: Sequence[LfnRule]) -> list[Placement]:
    """Return where each file lies, in the order given. Two names that lead to one path are both refused."""
    placements = place_each(lfns, rules)
    seen = Counter(placement.parts for placement in placements if not placement.problem)
    if len(seen) == seen.total():
        return placements
    clash = "the LFN rules lead from several files to this path"
    return [Placement(p.lfn, problem=clash) if not p.problem and seen[p.parts] > 1 else p for p in placements]


def place_each(lfns: Sequence[str], rules: Sequence[LfnRule]) -> list[Placement]:
    """Return the same of each file by itself, whatever the others lead to: to look, not to change anything there."""
    return [_placement(lfn, path) for lfn, path in zip(lfns, _apply(lfns, rules), strict=True)]


def path_problem(parts: Sequence[str]) -> str:
    """Return why a path below a root must not be used as it was found there, empty if it may."""
    return _problem(f"/{'/'.join(parts)}", what="the path")


def _apply(lfns: Sequence[str], rules: Sequence[LfnRule]) -> list[str | None]:
    """Return the path that the first fitting rule makes of each name, None where none fits; without rules the name itself."""
    if not rules:
        return list(lfns)
    result: list[str | None] = [None] * len(lfns)
    waiting = [index for index, lfn in enumerate(lfns) if len(lfn) <= MAX_LFN_LENGTH and _encodable(lfn)]
    for rule in rules:
        if not waiting:
            break
        made = _through([lfns[index] for index in waiting], (rule, *rule.then))
        for index, path in zip(waiting, made, strict=True):
            result[index] = path
        waiting = [index for index, path in zip(waiting, made, strict=True) if path is None]
    return result


def _through(names: Sequence[str], steps: Sequence[LfnRule]) -> list[str | None]:
    """Return what the steps of a rule make of each name, one after the other; None where one of them does not fit."""
    made = pl.Series(names, dtype=pl.String)
    for step in steps:
        fits = made.str.contains(_whole(step.pattern))
        replaced = made.str.replace(_whole(step.pattern), step.replacement)
        made = pl.select(pl.when(fits).then(replaced)).to_series()
    paths: list[str | None] = made.to_list()
    return paths


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _placement(lfn: str, path: str | None) -> Placement:
    if path == lfn and len(lfn) <= MAX_LFN_LENGTH and _PLAIN.fullmatch(lfn):  # nearly all are such
        return Placement(lfn, tuple(lfn.removeprefix("/").split("/")))
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
    if len(path) <= MAX_LFN_LENGTH and _PLAIN.fullmatch(path):
        return ""
    return _problem_of_unusual(path, what=what)


def _problem_of_unusual(path: str, *, what: str) -> str:
    """Return the same as ``_problem``, by all that can be wrong with a path; measured, this is a third of a local deletion."""
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
