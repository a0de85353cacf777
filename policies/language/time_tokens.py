"""Cuts a moment into numbers, words and marks, and refuses words that mean nothing in any moment."""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.language import time_words as words

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[+-]\s*)*[0-9]+(?:[.,][0-9]+)?)|(?P<word>[A-Za-z][A-Za-z.]*)|(?P<mark>[:/,@])|(?P<sign>[+-])|(?P<bad>\S))"
)
#: Longest run of digits and longest text that can be meant seriously; more is refused before any arithmetic.
_MAX_DIGITS = 12
MAX_LENGTH = 200

_VOCABULARY = (
    words.MONTHS,
    words.DAYS,
    words.MERIDIANS,
    words.DAY_SHIFTS,
    words.ORDINALS,
    words.DIRECTIONS,
    words.ZONES,
    words.LETTER_ZONES,
    {"DST"},
)


class TimeError(ValueError):
    """The text is no moment. ``code`` is that of the diagnostic, ``help`` what was probably meant."""

    def __init__(self, code: str, message: str, help_text: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help = help_text


@dataclass(slots=True)
class Token:
    """A number (with its sign, "" if none), a word in upper case, or a mark."""

    kind: str
    text: str
    sign: str = ""
    value: float = 0
    digits: int = 0


def tokens_of(text: str) -> list[Token]:
    tokens: list[Token] = []
    for found in _TOKEN.finditer(text.rstrip()):
        if number := found["number"]:
            sign = next((c for c in reversed(number) if c in "+-"), "")
            digits = number.lstrip("+- \t")
            whole = re.split("[.,]", digits)[0]
            if len(digits) > _MAX_DIGITS + 8 or len(whole) > _MAX_DIGITS:
                raise TimeError("P401", f"the number '{digits[:20]}...' is too large for a moment")
            kind = "decimal" if whole != digits else "signed" if sign else "number"
            value = float(digits.replace(",", ".")) if kind == "decimal" else int(digits)
            tokens.append(Token(kind, digits, sign, -value if sign == "-" else value, len(whole)))
        elif word := found["word"]:
            if not _is_known(word.upper()):
                raise _unknown_word(word, text)
            tokens.append(Token("word", word.upper()))
        elif mark := found["mark"]:
            tokens.append(Token(mark, mark))
        elif bad := found["bad"]:
            raise TimeError("P401", f"'{bad}' has no place in it")
    return tokens


def unit_name(word: str) -> str:
    """Return the word of ``UNITS`` that *word* is, one or many; "" if it is none."""
    return next((name for name in (word, word.removesuffix("S")) if name in words.UNITS), "")


def _is_known(word: str) -> bool:
    """Tell whether *word* (upper case) means anything in a moment, wherever it stands."""
    if any(word in table for table in _VOCABULARY) or unit_name(word) or word == "T":
        return True
    return word.replace(".", "") in words.ZONES


def _unknown_word(word: str, text: str) -> TimeError:
    upper = word.upper()
    if upper in words.NUMBER_WORDS:
        meant = text.strip().replace(word, str(words.NUMBER_WORDS[upper]), 1)
        return TimeError("P401", f"'{word}' is not in digits", f"did you mean '{meant}'?")
    # A whole search for close matches would cost a millisecond for each wrong word of a long text.
    unit = next((name.lower() for name in words.UNITS if len(upper) > 1 and name[:2] == upper[:2]), None)
    if unit is not None and upper[-1] in "SZ":
        unit += "s"
    shown = word if len(word) <= 20 else f"{word[:20]}..."
    return TimeError(
        "P401", f"'{shown}' has no meaning in it", f"did you mean '{text.strip().replace(word, unit, 1)}'?" if unit else None
    )
