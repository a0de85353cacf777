"""From the text of a value to the literal of a type; what is wrong is raised with the place inside the text."""

from __future__ import annotations

import math
import re

from policies.language.ast import EnumLiteral, NumberLiteral, Scalar, TimeLiteral
from policies.language.diagnostics import quote
from policies.language.patterns import text_literal
from policies.language.regular import RegexError, regex_literal
from policies.language.time_parser import parse_time
from policies.language.time_tokens import TimeError
from policies.language.types import Unit, ValueType
from policies.language.variables import Variable

_NUMBER = re.compile(r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?: ?(?P<unit>%|[A-Za-z]+))?")
#: Straight, backward and typographic quotes.
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"

_TIME_HELP = "write a moment as '90 days ago', '2026-03-01' or 'January 1'"
_REGEX_HELP = "the syntax is Python's, without look-around and back-references"

BYTE_UNITS: dict[str, float] = {"B": 1.0}
BYTE_UNITS |= {f"{prefix}B": 1000.0**power for power, prefix in enumerate("kMGTPE", start=1)}
BYTE_UNITS |= {f"{prefix}iB": 1024.0**power for power, prefix in enumerate("KMGTPE", start=1)}
SECOND_UNITS: dict[str, float] = {"s": 1.0, "min": 60.0, "h": 3600.0}
SECOND_UNITS |= {"minute": 60.0, "minutes": 60.0, "hour": 3600.0, "hours": 3600.0, "day": 86400.0, "days": 86400.0}
SECOND_UNITS |= {"week": 604800.0, "weeks": 604800.0}
UNITS: dict[Unit, dict[str, float]] = {
    Unit.NONE: {},
    Unit.BYTES: BYTE_UNITS,
    Unit.FRACTION: {"%": 0.01},
    Unit.SECONDS: SECOND_UNITS,
}


class LiteralError(ValueError):
    """The text is no value of the type; ``at`` is the place in it as (start, end), None for the whole."""

    def __init__(
        self, code: str, message: str, help_text: str | None = None, *, at: tuple[int, int] | None = None,
        choices: tuple[str, ...] = (), word: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code = code
        self.help = help_text
        self.at = at
        self.choices = choices
        self.word = word


def scalar(text: str, variable: Variable, *, is_ordering: bool) -> Scalar:
    """Return the literal that *text* is for *variable*.

    *is_ordering* tells that the operator is ``< > <= >=``, which a free-form attribute reads as a number or a time.

    Raises:
        LiteralError: the text is no value of the variable's type.
    """
    refuse_quotes(text)
    match variable.type:
        case ValueType.NUMBER:
            return number(text, variable.unit)
        case ValueType.TIME:
            return time(text)
        case ValueType.ENUM:
            return enum_word(text, variable)
        case ValueType.ATTRIBUTE:
            return attribute_value(text, is_ordering=is_ordering)
        case _:
            return text_literal(text)


def refuse_quotes(text: str) -> None:
    """Raise LiteralError if the value is in quotes, which would be a part of it."""
    if text[0] in _QUOTES or text[-1] in _QUOTES:
        raise LiteralError("P305", "quotes would be a part of the value", f"write {text.strip(_QUOTES)} without quotes")


def number(text: str, unit: Unit) -> NumberLiteral:
    """Return the number in the unit of its variable."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise _number_error(text)
    value = float(found["number"])
    if math.isinf(value):
        raise LiteralError("P303", f"the number {text[:40]} is too large", "the largest is about 1.8e308")
    suffix = found["unit"]
    if suffix is None:
        return NumberLiteral(value, text)
    factor = UNITS[unit].get(suffix)
    if factor is None:
        raise _unit_error(suffix, unit, found.start("unit"))
    value = value / 100 if suffix == "%" else value * factor
    if math.isinf(value):
        raise LiteralError("P303", f"the number {text[:40]} is too large", "the largest is about 1.8e308")
    return NumberLiteral(value, text)


def _number_error(text: str) -> LiteralError:
    bare = text.lstrip("+-").lower()
    if bare in ("inf", "nan", "infinity"):
        return LiteralError("P303", f"'{text}' is no number to compare with", "leave the condition out, or write a number")
    if text.lower().startswith("0x"):
        return LiteralError("P301", f"'{text[:40]}' is not a number", "numbers are decimal")
    digits = text.replace(",", "").replace("_", "")
    if digits != text and _NUMBER.fullmatch(digits):
        return LiteralError("P301", f"'{text[:40]}' is not a number", f"did you mean {digits}? (no ',' and no '_' in numbers)")
    return LiteralError("P301", f"'{text[:40]}' is not a number", "a number is written as 10, 0.5 or 1e6")


def _unit_error(suffix: str, unit: Unit, start: int) -> LiteralError:
    known = UNITS[unit]
    place = (start, start + len(suffix))
    if not known:
        return LiteralError("P302", f"the variable has no unit, so '{suffix}' has no meaning", "write the number alone", at=place)
    for name in known:
        if name.lower() == suffix.lower():
            return LiteralError("P302", f"unknown unit '{suffix}'", f"did you mean '{name}'?", at=place)
    return LiteralError("P302", f"unknown unit '{suffix}'", f"known units: {', '.join(known)}", at=place)


def time(text: str) -> TimeLiteral:
    """Return the moment that *text* means."""
    try:
        return TimeLiteral(parse_time(text), text)
    except TimeError as error:
        raise LiteralError(error.code, f"{quote(text)} is no moment: {error}", error.help or _TIME_HELP) from None


def enum_word(text: str, variable: Variable) -> EnumLiteral:
    """Return the upper-case word out of the variable's values."""
    if text in variable.choices:
        return EnumLiteral(text, text)
    if text.upper() in variable.choices:
        help_text: str | None = f"words are in upper case: '{text.upper()}'"
    else:
        help_text = f"allowed values: {', '.join(variable.choices)}"
    raise LiteralError("P304", f"{variable.name} has no value '{text[:40]}'", help_text)


def attribute_value(text: str, *, is_ordering: bool) -> Scalar:
    """Return the literal that an attribute is compared with: a number if it is one, else a text (a time for an ordering)."""
    found = _NUMBER.fullmatch(text)
    if found is not None and found["unit"] is None:
        return number(text, Unit.NONE)
    return time(text) if is_ordering else text_literal(text)


def regular_expression(text: str) -> Scalar:
    """Return the pattern of ``=~``."""
    refuse_quotes(text)
    try:
        return regex_literal(text)
    except RegexError as error:
        raise LiteralError(
            error.code, f"regular expression: {error}", error.help or _REGEX_HELP, at=(error.at, error.at + 1)
        ) from None
