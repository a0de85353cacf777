"""Labels of rules: ``@name(owner=..., reason=..., expires=YYYY-MM-DD)``."""

from __future__ import annotations

import re
from datetime import date

from policies.language.ast import Label
from policies.language.diagnostics import Reporter, quote
from policies.language.source import Fragment

_NAME = re.compile(r"@([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_KEYS = ("owner", "reason", "expires")
_ENTRY = re.compile(r"(?:^|,) ?([A-Za-z_]+) ?=")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_label(fragment: Fragment, reporter: Reporter) -> tuple[Label | None, Fragment | None]:
    """Read the label at the start of *fragment* (which starts with ``@``).

    Return it and what follows; (None, rest) if its entries are wrong, (None, None) if its end cannot be told.
    """
    text = fragment.text
    found = _NAME.match(text)
    if found is None:
        reporter.report(
            "P116", fragment.span(0, 1), "a label has no name", "write '@NAME' or '@NAME(owner=..., expires=2026-12-31)'"
        )
        return None, None
    end = found.end()
    if not text.startswith("(", end) and not text.startswith(" (owner", end):
        if end < len(text) and text[end] != " ":
            message = f"{quote(text[end])} has no place in the name of a label"
            reporter.report("P116", fragment.span(end, end + 1), message, "letters, digits, '_', '.' and '-' may stand in it")
            return None, None
        return Label(found[1]), fragment.cut(end)
    opened = text.index("(", end)
    close = _closing(text, opened)
    if close < 0:
        reporter.report(
            "P116",
            fragment.span(opened, opened + 1),
            "the label is not closed",
            "add a ')' (a '#' after a blank starts a comment)",
        )
        return None, None
    rest = fragment.cut(close + 1)
    label = _entries(found[1], fragment.cut(opened + 1, close), reporter)
    return label, rest


def _closing(text: str, opened: int) -> int:
    depth = 0
    for index in range(opened, len(text)):
        depth += (text[index] == "(") - (text[index] == ")")
        if depth == 0:
            return index
    return -1


def _entries(name: str, content: Fragment, reporter: Reporter) -> Label | None:
    """Read ``key=value`` entries; a comma belongs to a value unless a key follows it."""
    found = list(_ENTRY.finditer(content.text))
    if content.text and (not found or found[0].start() > 0):
        span = content.span(0, len(content.text))
        reporter.report("P116", span, "a label holds entries KEY=VALUE", f"keys: {', '.join(_KEYS)}")
        return None
    values: dict[str, str] = {}
    is_sound = True
    for entry, following in zip(found, [*found[1:], None], strict=False):
        value = content.cut(entry.end(), following.start() if following else len(content.text))
        is_sound &= _check_entry(entry, value, values, content, reporter)
        values[entry[1]] = value.text
    if not is_sound:
        return None
    expires = values.get("expires")
    return Label(name, values.get("owner"), values.get("reason"), date.fromisoformat(expires) if expires else None)


def _check_entry(entry: re.Match[str], value: Fragment, values: dict[str, str], content: Fragment, reporter: Reporter) -> bool:
    key = entry[1]
    span = content.span(entry.start(1), entry.end(1))
    if key not in _KEYS:
        help_text = reporter.close_matches(key, _KEYS) or f"keys: {', '.join(_KEYS)}"
        reporter.report("P117", span, f"unknown key {quote(key)} in a label", help_text)
        return False
    if key in values:
        reporter.report("P117", span, f"the key '{key}' stands twice", "leave one out")
        return False
    if not value.text:
        reporter.report("P117", span, f"the key '{key}' has no value", f"write '{key}=VALUE', or leave it out")
        return False
    if key == "expires" and not _is_date(value.text):
        place = value.span(0, len(value.text))
        reporter.report(
            "P117", place, f"{quote(value.text)} is no date", "write it as 2026-12-31; the rule holds to the end of that day, UTC"
        )
        return False
    return True


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
