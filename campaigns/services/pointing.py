"""Pointing instead of writing: what a person picks from bars and fields, as conditions and a text of the policy language.

The language is the only thing that selects: a filter is nothing but the rule that it writes, so that what one sees while
studying is what the text will do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from campaigns.exceptions import InvalidInput

_BLANK = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Pointing:
    """What was picked; empty or None says nothing of it. Values of one property are alternatives, properties add up.

    ``names`` take wildcards; ``without_...`` leave out. ``unused_days``: last access longer ago (never read counts);
    ``updated_days``: newest block older; ``max_accesses``: at most so many; ``min_size`` with its unit (``10 GB``), of a
    replica; ``min_disk_copies``: at least so many full copies on disk; ``on_tape``: FULL, PARTIAL or NONE; ``conditions``: more,
    as in a rule.
    """

    tier: tuple[str, ...] = ()
    era: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    without_tier: tuple[str, ...] = ()
    without_era: tuple[str, ...] = ()
    without_site: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    without_names: tuple[str, ...] = ()
    storage_type: str = ""
    unused_days: int | None = None
    updated_days: int | None = None
    max_accesses: int | None = None
    min_size: str = ""
    min_disk_copies: int | None = None
    on_tape: str = ""
    attribute: str = ""
    conditions: str = ""
    allow_last_copy: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was picked that selects."""
        return not pointed_conditions(self)


#: How a value of a property is said of a name, by property: pattern of the whole dataset name.
_PATTERNS: Mapping[str, Callable[[str], str]] = {
    "tier": lambda value: f"*/{value}",
    # An era is the first word of the second part; it may be all of it.
    "era": lambda value: f"/*/{value}-*/*",
}
_LISTED = (
    ("tier", "dataset.name"),
    ("era", "dataset.name"),
    ("names", "dataset.name"),
    ("site", "site.name"),
    ("owner", "blockreplica.owner"),
    ("status", "dataset.status"),
    ("release", "dataset.release"),
)
_LEFT_OUT = (
    ("without_tier", "dataset.name"),
    ("without_era", "dataset.name"),
    ("without_names", "dataset.name"),
    ("without_site", "site.name"),
)


def pointing_of(picked: Mapping[str, object]) -> Pointing:
    """Return *picked* (names of `Pointing`, lists, texts and numbers as JSON has them) checked for kind.

    Raises `InvalidInput`, naming the field, for a name that there is none of and for a value of another kind.
    """
    known = {field.name: field.default for field in fields(Pointing)}
    if unknown := sorted(set(picked) - set(known)):
        raise InvalidInput(f"nothing can be picked by {', '.join(unknown)}; there are: {', '.join(known)}")
    return Pointing(**{name: _value(name, value, known[name]) for name, value in picked.items()})  # type: ignore[arg-type]


def pointed_conditions(pointing: Pointing) -> list[str]:
    """Return the conditions, each complete in itself, that together say what was picked."""
    found = [
        _one_of(variable, [_pattern(name, value) for value in values])
        for name, variable in _LISTED
        if (values := getattr(pointing, name))
    ]
    found += [
        f"{variable} != {_pattern(name.removeprefix('without_'), value)}"
        for name, variable in _LEFT_OUT
        for value in getattr(pointing, name)
    ]
    simple: Sequence[tuple[object, str]] = (
        (pointing.storage_type, "site.storage_type == {}"),
        (pointing.unused_days, "dataset.last_access older_than {} days ago"),
        (pointing.updated_days, "replica.last_block_created older_than {} days ago"),
        (pointing.max_accesses, "replica.num_access <= {}"),
        (pointing.min_size, "replica.size >= {}"),
        (pointing.min_disk_copies, "dataset.num_full_disk_copy >= {}"),
        (pointing.on_tape, "dataset.on_tape == {}"),
        (pointing.attribute, "dataset.attr.{}"),
        (pointing.conditions.strip(), "({})" if " or " in pointing.conditions else "{}"),
    )
    return found + [form.format(value) for value, form in simple if value not in ("", None)]


def pointed_rule(pointing: Pointing) -> str:
    """Return the one rule that deletes what was picked, empty where nothing was.

    A condition on owners is one on single blocks: only the blocks of that owner go.
    """
    conditions = pointed_conditions(pointing)
    if not conditions:
        return ""
    keyword = "DeleteBlock" if any("blockreplica." in condition for condition in conditions) else "Delete"
    ending = " allow last copy" if pointing.allow_last_copy else ""
    return f"{keyword} {' and '.join(conditions)}{ending}"


def pointed_text(pointing: Pointing, *, partition_name: str, site_patterns: str, protected: Sequence[str] = ()) -> str:
    """Return a whole text: everything stays but what was picked; *protected* are rules that stand on top."""
    sites = site_patterns.split()
    on = f"On site.name in [{' '.join(sites)}]" if sites else "On site.name == *"
    head = [f"Partition {partition_name}", on, "When always", "Until never", "Order none", ""]
    rule = pointed_rule(pointing)
    return "\n".join([*head, *protected, *([rule] if rule else []), "Protect", ""])


def text_with_rule(text: str, rule: str) -> str:
    """Return *text* with *rule* as the last of its rules, before a default that ends it."""
    lines = text.rstrip().splitlines()
    place = len(lines)
    while place and (not lines[place - 1].strip() or lines[place - 1].split("#")[0].split() in (["Protect"], ["Dismiss"])):
        place -= 1
    return "\n".join([*lines[:place], rule, *lines[place:], ""])


def _pattern(name: str, value: str) -> str:
    return _PATTERNS.get(name, str)(value)


def _one_of(variable: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{variable} == {values[0]}"
    if any(_BLANK.search(value) for value in values):  # an element of a list holds no blank
        return f"({' or '.join(f'{variable} == {value}' for value in values)})"
    return f"{variable} in [{' '.join(values)}]"


def _value(name: str, value: object, default: object) -> object:
    if isinstance(default, tuple):
        if isinstance(value, list | tuple) and all(isinstance(one, str) and one.strip() and "\n" not in one for one in value):
            return tuple(one.strip() for one in value)
        raise InvalidInput(f"{name}: expected a list of names, found {value!r}")
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise InvalidInput(f"{name}: expected true or false, found {value!r}")
    if default is None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9):
            return value
        raise InvalidInput(f"{name}: expected a whole number from 0 on, found {value!r}")
    if isinstance(value, str) and "\n" not in value and "\r" not in value:
        return value.strip()
    raise InvalidInput(f"{name}: expected a text of one line, found {value!r}")
