"""What has become of the items of a list, asked of the layer that deletes: campaigns never know who executes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from campaigns.choices import ItemOutcome


@dataclass(frozen=True, slots=True)
class Outcome:
    """One item of a released list: ``bytes_deleted`` is what really went, ``reason`` why it did not."""

    plan_item_id: int
    outcome: ItemOutcome
    reason: str
    files_deleted: int
    files_absent: int
    bytes_deleted: int
    finished_at: datetime | None


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
