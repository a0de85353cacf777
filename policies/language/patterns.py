"""Shell patterns of the policy language, as regular expressions that Python's ``re`` and Rust's ``regex`` read alike.

``*`` is any run of characters, ``?`` any one character, both also ``/``; ``[...]`` is a set, ``[!...]`` its
complement. A pattern matches the whole text. Without ``*`` or ``?`` a text is exact, brackets included.
"""

from __future__ import annotations

import re
from functools import lru_cache

from policies.language.ast import PatternLiteral, TextLiteral

# What Rust's and Python's engines take as special, in sets or outside; nothing else is escaped, because Rust
# refuses an escape that it does not know.
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$#&~-]")
#: A set that no character belongs to.
EMPTY_SET = r"[^\s\S]"
_LITERALS = re.compile(r"[^*?\[]+")
_BEHIND_SETS = re.compile(r"[^*?]+")


def escape(text: str) -> str:
    """Return *text* as a regular expression that matches it, in both engines."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def is_pattern(text: str) -> bool:
    """Tell whether *text* is a shell pattern: it holds ``*`` or ``?``."""
    return "*" in text or "?" in text


@lru_cache(maxsize=65536)
def text_literal(text: str) -> TextLiteral | PatternLiteral:
    """Return the literal of ``== text`` on a text variable: exact, or a shell pattern."""
    if not is_pattern(text):
        return TextLiteral(text, text)
    return PatternLiteral(glob_regex(text), text, glob=text)


def glob_regex(glob: str) -> str:
    """Return the regular expression of a shell pattern, anchored at both ends (``search`` it)."""
    pieces: list[str] = []
    position, end = 0, len(glob)
    # An unclosed bracket is literal, and so are all that follow it: looked for once, so the time stays linear.
    last_close = glob.rfind("]")
    while position < end:
        literal = (_LITERALS if last_close > position else _BEHIND_SETS).match(glob, position)
        if literal is not None:
            pieces.append(escape(literal[0]))
            position = literal.end()
            continue
        character = glob[position]
        if character == "*":
            if not pieces or pieces[-1] != ".*":
                pieces.append(".*")
        elif character == "?":
            pieces.append(".")
        elif character == "[" and last_close > position and (close := _set_end(glob, position)) > 0:
            pieces.append(_set_regex(glob[position + 1 : close]))
            position = close
        else:
            pieces.append(escape(character))
        position += 1
    return f"^(?s:{''.join(pieces)})$"


def _set_end(glob: str, start: int) -> int:
    """Return the index of the ``]`` that closes the set opened at *start*, -1 if none does."""
    first = start + 1
    if first < len(glob) and glob[first] == "!":
        first += 1
    return glob.find("]", first + 1)


def set_members(content: str) -> tuple[bool, list[tuple[str, str]]]:
    """Return whether the set is a complement, and its ranges; ranges that run backwards hold nothing and are left out."""
    negated = content.startswith("!")
    members = content[1:] if negated else content
    ranges: list[tuple[str, str]] = []
    position = 0
    while position < len(members):
        low = high = members[position]
        if position + 2 < len(members) and members[position + 1] == "-":
            high = members[position + 2]
            position += 2
        if low <= high:
            ranges.append((low, high))
        position += 1
    return negated, ranges


def _set_regex(content: str) -> str:
    negated, ranges = set_members(content)
    if not ranges:
        return "." if negated else EMPTY_SET
    inside = "".join(escape(low) if low == high else f"{escape(low)}-{escape(high)}" for low, high in ranges)
    return f"[{'^' if negated else ''}{inside}]"
