"""Regular expressions of the policy language: Python's syntax, translated to what a linear-time engine reads alike.

The text is read by our own small parser, not handed to an engine, so that an error has a place, and so that what
Python's ``re`` and Rust's ``regex`` read differently is translated or refused with the reason. ``\\d \\w \\s`` mean
their ASCII characters, as in the original (byte strings). See ``regular_translate`` for the output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from policies.language.ast import PatternLiteral
from policies.language.patterns import escape

#: Longest repetition and largest expression, counted repetitions written out; an engine needs about a kilobyte for each.
MAX_REPEAT = 1000
MAX_SIZE = 2000
MAX_DEPTH = 50

_CLASSES = {"d": "0-9", "w": "0-9A-Z_a-z", "s": "\\t-\\r "}
_COMPLEMENTS = {
    "D": "\x00-/:-\U0010ffff",
    "W": "\x00-/:-@\\[-\\^`\\{-\U0010ffff",
    "S": "\x00-\x08\x0e-\x1f!-\U0010ffff",
}
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_PLAIN = re.compile(r"[^\\.^$*+?{}\[\]()|]+")
_PREFIXES = {
    "?=": ("P502", "look-ahead"),
    "?!": ("P502", "look-ahead"),
    "?<=": ("P502", "look-behind"),
    "?<!": ("P502", "look-behind"),
    "?P=": ("P502", "a back-reference"),
    "?(": ("P502", "a conditional group"),
    "?>": ("P503", "an atomic group"),
    "?#": ("P503", "a comment"),
}


class RegexError(ValueError):
    """The text is no regular expression that the language takes; ``at`` is the index in it, ``code`` the diagnostic's."""

    def __init__(self, code: str, at: int, message: str, help_text: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.at = at
        self.help = help_text


@dataclass(slots=True)
class _Piece:
    """Translated part: text, size with repetitions written out, and whether it ends at ``$``."""

    text: str
    size: int
    ends: bool = False


@lru_cache(maxsize=16384)
def regex_literal(text: str) -> PatternLiteral:
    """Return the literal of ``=~ text``, anchored at the start alone.

    Raises:
        RegexError: *text* is not well formed, not linear in time, read differently by the engines, or too large.
    """
    reader = _Reader(text)
    piece = reader.alternatives(0)
    if reader.at < len(text):
        raise RegexError("P501", reader.at, "')' without '('", "write '\\)' for the character itself")
    return PatternLiteral(f"^(?:{piece.text})", text)


class _Reader:
    """Recursive descent over one expression; the depth is bounded."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.names: set[str] = set()

    def alternatives(self, depth: int) -> _Piece:
        if depth > MAX_DEPTH:
            raise RegexError("P504", self.at, f"groups are nested more than {MAX_DEPTH} deep")
        branches = [self._sequence(depth)]
        while self._here() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        size = sum(branch.size for branch in branches)
        return _Piece("|".join(b.text for b in branches), size, any(b.ends for b in branches))

    def _here(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _sequence(self, depth: int) -> _Piece:
        pieces: list[str] = []
        size, ends_at = 1, -1
        while (character := self._here()) and character not in "|)":
            start = self.at
            if ends_at < 0 and (plain := self._plain()):
                pieces.append(escape(plain))
                size += len(plain)
                continue
            if ends_at >= 0:
                raise RegexError(
                    "P503", ends_at, "'$' is followed by more", "'$' stands at the end of the expression or of an alternative"
                )
            piece = self._repeated(self._atom(depth), start)
            pieces.append(piece.text)
            size += piece.size
            if piece.ends:
                ends_at = start
            if size > MAX_SIZE:
                raise RegexError("P504", start, "it is too large", f"at most {MAX_SIZE} characters, repetitions written out")
        return _Piece("".join(pieces), size, ends_at >= 0)

    def _plain(self) -> str:
        """Read the characters up to the next special one, less one that is repeated; the fast way through most texts."""
        found = _PLAIN.match(self.text, self.at)
        if found is None:
            return ""
        end = found.end()
        if end < len(self.text) and self.text[end] in "*+?{":
            end -= 1
        plain = self.text[self.at : end]
        self.at = end
        return plain

    def _atom(self, depth: int) -> _Piece:
        character = self.text[self.at]
        self.at += 1
        if character == "(":
            return self._group(depth)
        if character == "[":
            return _Piece(self._set(), 1)
        if character == "\\":
            return self._escape()
        if character == ".":
            return _Piece(".", 1)
        if character == "^":
            self._refuse_repeat("^")
            return _Piece("^", 1)
        if character == "$":
            self._refuse_repeat("$")
            return _Piece("(?:\\n?$)", 2, ends=True)
        if character in "*+?" or (character == "{" and self._counts(self.at - 1)):
            raise RegexError(
                "P501", self.at - 1, f"'{character}' has nothing to repeat", f"write '\\{character}' for the character itself"
            )
        return _Piece(escape(character), 1)

    def _refuse_repeat(self, anchor: str) -> None:
        if self._here() in ("*", "+", "?") or (self._here() == "{" and self._counts(self.at)):
            raise RegexError("P501", self.at, f"'{anchor}' cannot be repeated")

    # --- repetition

    def _counts(self, at: int) -> tuple[int, int | None, int] | None:
        """Return minimum, maximum (None: no end) and the index behind of ``{m,n}`` at *at*; None if it is plain text."""
        close = self.text.find("}", at, at + 24)
        content = self.text[at + 1 : close] if close > 0 else ""
        low, comma, high = content.partition(",")
        if not content or not all(part == "" or (part.isascii() and part.isdigit()) for part in (low, high)):
            return None
        if not low and not high:
            return (0, None, close + 1) if comma else None
        if not comma:
            return int(low), int(low), close + 1
        return int(low or 0), int(high) if high else None, close + 1

    def _repeated(self, piece: _Piece, start: int) -> _Piece:
        character = self._here()
        if character in ("*", "+", "?"):
            self.at += 1
            text, factor = character, 1
        elif character == "{" and (counts := self._counts(self.at)):
            low, high, self.at = counts
            if high is not None and high < low:
                raise RegexError("P501", start, "the largest count of a repetition is below the smallest")
            factor = max(low, high or 0, 1)
            if factor > MAX_REPEAT:
                raise RegexError("P504", start, f"a repetition of {factor} is too large", f"at most {MAX_REPEAT}")
            text = f"{{{low}}}" if high == low else f"{{{low},{'' if high is None else high}}}"
        else:
            return piece
        if piece.ends:
            raise RegexError(
                "P503", start, "'$' stands in a repeated group", "'$' stands at the end of the expression or of an alternative"
            )
        if self._here() == "?":
            self.at += 1
            text += "?"
        elif self._here() == "+":
            raise RegexError("P503", self.at, "possessive repetition is not linear in time", "leave the second '+' out")
        if self._here() in ("*", "+", "?") or (self._here() == "{" and self._counts(self.at)):
            raise RegexError("P501", self.at, "a repetition of a repetition", "put the inner one in '(?:...)'")
        return _Piece(f"{piece.text}{text}", piece.size * factor)

    # --- groups

    def _group(self, depth: int) -> _Piece:
        start = self.at - 1
        for prefix, (code, what) in _PREFIXES.items() if self._here() == "?" else ():
            if self.text.startswith(prefix, self.at):
                why = "matching must be linear in time" if code == "P502" else "the matching engines do not agree on it"
                raise RegexError(code, start, f"{what} is refused: {why}", _group_help(prefix))
        if self.text.startswith("?:", self.at):
            self.at += 2
        elif self.text.startswith("?P<", self.at):
            self._name(start)
        elif self._here() == "?":
            raise RegexError("P503", start, "flags and other extensions of a group are refused", "write both cases out: '[Aa]'")
        piece = self.alternatives(depth + 1)
        if self._here() != ")":
            raise RegexError("P501", start, "'(' is not closed", "write '\\(' for the character itself")
        self.at += 1
        return _Piece(f"(?:{piece.text})", piece.size, piece.ends)

    def _name(self, start: int) -> None:
        close = self.text.find(">", self.at)
        name = self.text[self.at + 3 : close] if close > 0 else ""
        if not name.isidentifier() or name in self.names:
            raise RegexError("P501", start, "the name of the group is not well formed or given twice")
        self.names.add(name)
        self.at = close + 1

    # --- escapes and sets

    def _escape(self) -> _Piece:
        start = self.at - 1
        character = self._here()
        if character and character in "dws":
            self.at += 1
            return _Piece(f"[{_CLASSES[character]}]", 1)
        if character and character in "DWS":
            self.at += 1
            return _Piece(f"[{_COMPLEMENTS[character]}]", 1)
        if character == "A":
            self.at += 1
            self._refuse_repeat("\\A")
            return _Piece("^", 1)
        if character == "Z":
            self.at += 1
            self._refuse_repeat("\\Z")
            return _Piece("$", 1, ends=True)
        if character and character in "bB":
            raise RegexError(
                "P503", start, f"'\\{character}' is read differently by the engines", "write the neighbours out: '[^A-Za-z0-9_]'"
            )
        if character.isdigit() and character != "0":
            raise RegexError("P502", start, "a back-reference is refused: matching must be linear in time")
        return _Piece(escape(self._escaped_character(start)), 1)

    def _escaped_character(self, start: int) -> str:
        """Return the one character that the escape at *start* means; the position is behind its backslash."""
        character = self._here()
        if not character:
            raise RegexError("P501", start, "a lone '\\' at the end", "write '\\\\' for the character itself")
        self.at += 1
        if character in _CONTROL:
            return _CONTROL[character]
        for letter, digits in (("x", 2), ("u", 4)):
            if character == letter:
                code = self.text[self.at : self.at + digits]
                if len(code) < digits or not all(c in "0123456789abcdefABCDEF" for c in code) or 0xD800 <= int(code, 16) < 0xE000:
                    raise RegexError("P501", start, f"'\\{letter}' is followed by {digits} hexadecimal digits")
                self.at += digits
                return chr(int(code, 16))
        if character.isascii() and character.isalnum():
            raise RegexError(
                "P501", start, f"the escape '\\{character}' has no meaning", f"write '{character}' for the letter itself"
            )
        return character

    def _set(self) -> str:
        start = self.at - 1
        if self._here() == ":" or self.text.startswith("[:", self.at):
            raise RegexError(
                "P503", start, "POSIX classes are read differently by the engines", "write the characters out: '[A-Za-z]'"
            )
        negated = self._here() == "^"
        self.at += negated
        members: list[str] = []
        first = True
        while first or self._here() != "]":
            if not self._here():
                raise RegexError("P501", start, "'[' is not closed", "write '\\[' for the character itself")
            members.append(self._member(start))
            first = False
        self.at += 1
        return f"[{'^' if negated else ''}{''.join(members)}]"

    def _member(self, start: int) -> str:
        low = self._set_character()
        if self._here() != "-" or self.at + 1 >= len(self.text) or self.text[self.at + 1] == "]":
            return escape(low) if len(low) == 1 else low
        at = self.at
        self.at += 1
        high = self._set_character()
        if len(low) > 1 or len(high) > 1 or high < low:
            raise RegexError("P501", at, "the range in the set is not one", "a range runs from a lower to a higher character")
        return f"{escape(low)}-{escape(high)}"

    def _set_character(self) -> str:
        """Return one character, or the ranges (more than one character) of a class such as ``\\d``."""
        character = self.text[self.at]
        self.at += 1
        if character != "\\":
            return character
        if (name := self._here()) and name in _CLASSES | _COMPLEMENTS:
            self.at += 1
            return (_CLASSES | _COMPLEMENTS)[name]
        if name == "b":
            self.at += 1
            return "\b"
        if name.isdigit() and name != "0":
            raise RegexError("P502", self.at - 1, "a back-reference is refused: matching must be linear in time")
        if name == "0":
            self.at += 1
            return "\0"
        return self._escaped_character(self.at - 1)


def _group_help(prefix: str) -> str | None:
    if prefix in ("?!", "?<!"):
        return "use a second condition: 'and VARIABLE !=~ ...'"
    if prefix in ("?=", "?<="):
        return "use a second condition: 'and VARIABLE =~ ...'"
    return None
