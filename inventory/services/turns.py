"""Work that is done turn by turn by the beat: one thing that fails keeps nothing else from its turn, and is not forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)

Done = TypeVar("Done")


def attempt(failures: list[Exception], what: str, act: Callable[[], Done]) -> Done | None:
    """Return what *act* returns, or None and one failure more, which is logged as *what*; the caller raises them at its end."""
    try:
        return act()
    except Exception as error:
        logger.exception("%s", what)
        failures.append(error)
        return None
