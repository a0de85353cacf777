"""What has become of the items of a list, asked of the layer that deletes: campaigns never know who executes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from campaigns.choices import ItemOutcome


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Where what was deleted is now; what is in none of these numbers is gone for good without a trash.

    ``is_whole``: every file is back. ``restorable_until``: when what lies in the trash may be purged. ``not_restored``: files
    that were asked back and did not come, and why.
    """

    files_restored: int = 0
    bytes_restored: int = 0
    restored_at: datetime | None = None
    is_whole: bool = False
    bytes_in_trash: int = 0
    bytes_purged: int = 0
    restorable_until: datetime | None = None
    not_restored: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One item of a released list: ``bytes_deleted`` is what really went, ``reason`` why it did not, or came back."""

    plan_item_id: int
    outcome: ItemOutcome
    reason: str
    files_deleted: int
    files_absent: int
    bytes_deleted: int
    finished_at: datetime | None
    after: Aftermath


#: Yields the outcomes of a plan's items, ascending by item; items that were not taken up yet are absent.
Tell = Callable[[int], Iterator[Outcome]]

_tellers: list[Tell] = []


def register_outcomes(tell: Tell) -> None:
    """Ask *tell* what became of a plan; called once, when the application that deletes is ready."""
    if tell not in _tellers:
        _tellers.append(tell)


def outcomes_of(plan_id: int) -> dict[int, Outcome]:
    """Return the outcomes known so far, by item."""
    return {outcome.plan_item_id: outcome for tell in _tellers for outcome in tell(plan_id)}
