"""Tells whether one text meets a pattern, in time that is linear in it; the evaluator has its own way for columns.

Python's ``re`` is not used for this: ``(a+)+b`` would stall the check of a policy for hours.
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from policies.language.ast import PatternLiteral
from policies.language.globs import MAX_LENGTH, glob_matches


@lru_cache(maxsize=65536)
def meets(pattern: PatternLiteral, text: str) -> bool | None:
    """Tell whether *text* meets *pattern*; None if either is too long to look at.

    A regular expression is tried in the evaluator's engine, which takes about 0.1 ms, so callers count them.
    """
    if pattern.glob is not None:
        return glob_matches(pattern.glob, text)
    if len(text) > MAX_LENGTH:
        return None
    return bool(pl.Series([text]).str.contains(pattern.regex)[0])
