"""Who may use which endpoint: one ``Expected`` per operation that is not the plain list or page of a model.

Plain lists and pages need no entry: they are expected to take the model's view right, in general or on single rows.
A new operation without an entry fails ``tests/unit/docs/test_api_registry.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model


def nothing(_: Any) -> Mapping[str, Any]:
    """An address without captured parts."""
    return {}


@dataclass(frozen=True, slots=True)
class Expected:
    """An operation: ``address`` as the URL configuration has it, the right it takes (None: any login) and what then happens.

    The functions take the world that the tests have made: ``Screens``, or ``Campaigns`` for those of campaigns. ``guarded``
    returns the object on which the right may be given alone, ``another`` one of its kind, on which it must not help; without
    them the right counts in general only.
    """

    method: str
    address: str
    right: str | None
    status: int = 200
    kwargs: Callable[[Any], Mapping[str, Any]] = nothing
    body: Callable[[Any], Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    guarded: Callable[[Any], Model] | None = None
    another: Callable[[Any], Model] | None = None
    #: Rights that the answer needs beside the one in question.
    also: tuple[str, ...] = ()
    #: Without the right the object is not there (404) instead of refused (403).
    hidden: bool = False
    #: An edit is sent with ``If-Match: *``; False where its address keeps no such version.
    is_versioned: bool = True


def rights_below(address: str, right: str, *, of: Callable[[Any], Model], also: str) -> tuple[Expected, Expected]:
    """Return the two operations on the rights of one object below *address*: *right* counts in general only."""
    return (
        Expected("GET", f"{address}(?P<pk>[^/.]+)/rights/", right, kwargs=lambda world: {"pk": of(world).pk}, also=(also,)),
        Expected(
            "POST",
            f"{address}(?P<pk>[^/.]+)/rights/",
            right,
            kwargs=lambda world: {"pk": of(world).pk},
            body=lambda _: {"group": "Auditors", "rights": [also.partition(".")[2]]},
            also=(also,),
        ),
    )
