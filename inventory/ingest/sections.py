"""Sections of an injected document that other applications take: who takes which, and what a handler promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from django.db.models import Model

from inventory.ingest.rejects import Problem

#: Says what who injects lacks to do by hand what a record asks for, by the name of the right and its object: empty for nothing.
Lacks = Callable[[str, Model], str]


class Change(StrEnum):
    """What taking a record in did to the row it names."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class SectionHandler(Protocol):
    """Takes a batch of records of one section into its own tables, inside the injection's transaction.

    Gets the JSON objects as they came, at most some thousand at once, when all sites of the document are in the database.
    Returns one outcome per record, in their order: what it did, or the problem for which it left the record out
    (``Problem.path`` counts from the record, as ``quota``). It must be idempotent, and it raises nothing for a bad record.
    What the sender *lacks* the right to set by hand is a bad record, unless it says what is there already.
    """

    def __call__(self, bodies: Sequence[Mapping[str, Any]], *, now: datetime, lacks: Lacks) -> Sequence[Change | Problem]: ...


_handlers: dict[str, SectionHandler] = {}


def register_section(name: str, handler: SectionHandler) -> None:
    """Hand the records of section *name* to *handler*; called once, in ``AppConfig.ready``.

    Raises ``ValueError`` if another handler has the section.
    """
    if _handlers.get(name, handler) is not handler:
        raise ValueError(f"section {name!r} is taken by {_handlers[name]!r} already")
    _handlers[name] = handler


def section_handler(name: str) -> SectionHandler | None:
    """Return who takes section *name*, None if nobody does."""
    return _handlers.get(name)


def registered_sections() -> frozenset[str]:
    """Return the sections that other applications take."""
    return frozenset(_handlers)
