"""Uniform choices out of few drawn numbers, for random inventories and policies."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any


class Choices:
    """Uniform choices for one object (a site list, a dataset, a rule) out of one drawn number.

    One draw each keeps thousands of cycles affordable; what is shrunk is how many objects there are.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, *options: Any) -> Any:
        return self._random.choice(options)


#: Draws an integer between two bounds, both included: Hypothesis's, or that of a seeded generator.
DrawInteger = Callable[[int, int], int]


def next_choices(integer: DrawInteger) -> Choices:
    # Below 2**24 Hypothesis draws uniformly; above it prefers small numbers, so the same few objects again and again.
    return Choices(integer(0, 2**24 - 1))
