"""Bodies: JSON of bounded size and depth, without what a database or another program could not hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

#: No request of the API has a reason to nest deeper.
MAX_DEPTH = 100


class BodyTooLarge(APIException):
    """A body beyond ``DYNAMO_API_MAX_BODY_BYTES``."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "body_too_large"


class StrictJSONParser(BaseParser):
    """JSON in UTF-8: no duplicate names, no NaN or infinity, no NUL, no half of a surrogate pair, at most 100 levels."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Return the value. Raises ``ParseError`` with what is wrong and where, and ``BodyTooLarge`` before reading on."""
        limit = settings.DYNAMO_API_MAX_BODY_BYTES
        try:
            raw = stream.read(limit + 1)
        except RequestDataTooBig as error:
            raise too_large(limit) from error
        if len(raw) > limit:
            raise too_large(limit)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8: byte {error.start} cannot be read.") from error
        try:
            value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_without_twins)
        except json.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
        except RecursionError as error:
            raise too_deep() from error
        except ValueError as error:  # a number of thousands of digits
            raise ParseError(f"The body is not JSON that can be read: {error}.") from error
        # Without escapes, strict JSON in UTF-8 can hold neither NUL nor half of a pair.
        _demand_sound(value, has_escapes="\\u" in text)
        return value


def too_large(limit: int) -> BodyTooLarge:
    """Return the refusal that names the limit."""
    return BodyTooLarge(f"The body is larger than {limit} bytes, the most that is read.")


def too_deep() -> ParseError:
    """Return the refusal of a body that nests too deep."""
    return ParseError(f"The body nests deeper than {MAX_DEPTH} levels.")


def _refuse_constant(word: str) -> NoReturn:
    raise ParseError(f"The body is not JSON: {word} is no number of JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ParseError(f"The body has the number {text[:40]}, which is out of range.")
    return number


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twins = sorted({name for name in names if names.count(name) > 1}) if len(names) < 1000 else ["..."]
        raise ParseError(f"The body gives a name twice in one object: {', '.join(twins)[:200]}.")
    return made


def _demand_sound(value: Any, *, has_escapes: bool) -> None:
    """Refuse what is too deep, and texts that no database holds. By levels, not by recursion."""
    level = [value]
    for _depth in range(MAX_DEPTH):
        if has_escapes:
            for text in _texts(level):
                _demand_storable(text)
        level = [
            inner for one in level if isinstance(one, dict | list) for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise too_deep()


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _texts(values: list[Any]) -> list[str]:
    names = [name for one in values if isinstance(one, dict) for name in one]
    return names + [one for one in values if isinstance(one, str)]


def _demand_storable(text: str) -> None:
    if "\0" in text:
        raise ParseError(f"A text of the body has a NUL character: {text[:40]!r}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ParseError(f"A text of the body has half of a surrogate pair: {text[:40]!r}.") from error
