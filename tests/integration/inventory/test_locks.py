"""Locks: what they hold, until when, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.exceptions import InvalidInput, InvalidTransition, NotFound
from inventory.models import AuditEvent, Lock
from inventory.selectors.locks import ActiveLock, active_locks, locked_rows, matches, rows_held_by
from inventory.services.audit import Actor
from inventory.services.locks import lock_create, lock_extend, lock_release
from tests.factories.inventory import NOW, LockFactory, SiteFactory

ACTOR = Actor("tester")
ROWS = [
    ("/A/B/C", "b1", "T2_US_MIT", "AnalysisOps"),
    ("/A/B/C", "b2", "T2_US_MIT", "None"),
    ("/A/B/C", "b1", "T3_US_MIT", "AnalysisOps"),
    ("/A/B/D", "b1", "T2_US_MIT", "AnalysisOps"),
    ("/a.b/B/C", "b1", "T2_US_MIT", "DataOps"),
]


def frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=["dataset", "block", "site", "group"], orient="row")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("patterns", "held"),
    [
        ({"dataset_pattern": "/A/B/C"}, [0, 1, 2]),
        ({"dataset_pattern": "/A/B/C", "block_pattern": "b1"}, [0, 2]),
        ({"dataset_pattern": "/A/B/C", "site_pattern": "T3_US_MIT"}, [2]),
        ({"dataset_pattern": "/A/B/C", "group_pattern": "None"}, [1]),
        ({"dataset_pattern": "/A/*", "group_pattern": "Analysis*"}, [0, 2, 3]),
        ({"dataset_pattern": "/A/B/?"}, [0, 1, 2, 3]),
        ({"dataset_pattern": "*", "block_pattern": "?2"}, [1]),
        ({"dataset_pattern": "*", "site_pattern": "T2_*", "block_pattern": "b1"}, [0, 3, 4]),
        ({"dataset_pattern": "/?.b/*"}, [4]),
        ({"dataset_pattern": "A/B/C"}, []),
        ({"dataset_pattern": "/a/*"}, []),
        ({"dataset_pattern": "/A/B/C", "site_pattern": "T9_XX_Gone"}, [0, 1, 2]),
        ({"dataset_pattern": "/A/B/D", "site_pattern": "T9_*"}, [3]),
        ({"dataset_pattern": "*"}, [0, 1, 2, 3, 4]),
    ],
)
def test_a_lock_holds_exactly_what_its_patterns_match(patterns: dict[str, str], held: list[int]) -> None:
    for name in ("T2_US_MIT", "T3_US_MIT"):
        SiteFactory(name=name)
    LockFactory(**patterns)
    assert locked_rows(frame(), now=NOW).arg_true().to_list() == held


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("times", "is_held"),
    [
        ({}, True),
        ({"expires_at": NOW + timedelta(seconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"expires_at": NOW - timedelta(days=1)}, False),
        ({"released_at": NOW - timedelta(days=1)}, False),
    ],
)
def test_a_lock_holds_until_it_expires_or_is_released(times: dict[str, Any], is_held: bool) -> None:
    SiteFactory(name="T2_US_MIT")
    LockFactory(dataset_pattern="/A/B/C", **times)
    assert locked_rows(frame(), now=NOW).any() is is_held


@pytest.mark.django_db
def test_no_rows_and_no_locks_are_held_by_nothing() -> None:
    assert locked_rows(frame(), now=NOW).to_list() == [False] * 5
    LockFactory(dataset_pattern="*")
    assert locked_rows(frame().head(0), now=NOW).to_list() == []


TEXT = st.text(alphabet="ab/.*?[]^$-\\", max_size=5)


def obvious_match(text: str, pattern: str) -> bool:
    """Match letter by letter: the oracle of the fast one."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(obvious_match(text[start:], pattern[1:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and obvious_match(text[1:], pattern[1:])


@given(texts=st.lists(TEXT, min_size=1, max_size=6), pattern=TEXT)
def test_patterns_match_as_the_obvious_matcher_does(texts: list[str], pattern: str) -> None:
    assert matches(pl.Series(texts, dtype=pl.String), pattern).to_list() == [obvious_match(text, pattern) for text in texts]


NAMES = st.sampled_from(["a", "ab", "b", "None"])
PATTERNS = st.sampled_from(["*", "a", "a*", "?", "b", "None", "*b"])


@given(
    rows=st.lists(st.tuples(NAMES, NAMES, NAMES, NAMES), max_size=8),
    locks=st.lists(st.tuples(PATTERNS, PATTERNS, PATTERNS, PATTERNS), max_size=5),
)
def test_many_locks_at_once_hold_what_each_of_them_holds(rows: list[tuple[str, ...]], locks: list[tuple[str, ...]]) -> None:
    table = pl.DataFrame(rows, schema=dict.fromkeys(["dataset", "block", "site", "group"], pl.String), orient="row")
    held = rows_held_by([ActiveLock(0, *lock) for lock in locks], table)
    expected = [any(all(map(obvious_match, row, lock)) for lock in locks) for row in rows]
    assert held.to_list() == expected


@pytest.mark.django_db
def test_a_lock_is_made_extended_and_released_with_an_event_each() -> None:
    lock = lock_create(dataset_pattern="/A/*", actor=ACTOR, now=NOW, expires_at=NOW + timedelta(days=1), comment="thesis")
    assert (lock.owner, lock.source) == ("tester", "manual")
    lock_extend(lock_id=lock.pk, expires_at=None, actor=ACTOR, now=NOW + timedelta(days=2))
    assert [active.key for active in active_locks(NOW + timedelta(days=9))] == [lock.pk]
    lock_release(lock_id=lock.pk, actor=ACTOR, now=NOW + timedelta(days=10), reason="defended")
    assert active_locks(NOW + timedelta(days=11)) == []
    assert Lock.objects.get().released_at == NOW + timedelta(days=10)
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        "inventory.lock_create",
        "inventory.lock_extend",
        "inventory.lock_release",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"dataset_pattern": ""},
        {"dataset_pattern": "/A\n"},
        {"dataset_pattern": "/A", "block_pattern": "x" * 129},
        {"dataset_pattern": "/A", "site_pattern": ""},
        {"dataset_pattern": "/A", "expires_at": NOW},
    ],
)
def test_a_lock_that_could_not_hold_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        lock_create(actor=ACTOR, now=NOW, **wrong)
    assert Lock.objects.count() == 0


@pytest.mark.django_db
def test_what_is_released_or_unknown_cannot_be_released_or_extended() -> None:
    lock = LockFactory(released_at=NOW)
    with pytest.raises(InvalidTransition, match="was released at"):
        lock_release(lock_id=lock.pk, actor=ACTOR, now=NOW)
    with pytest.raises(InvalidTransition, match="make a new one"):
        lock_extend(lock_id=lock.pk, expires_at=None, actor=ACTOR, now=NOW)
    with pytest.raises(NotFound, match="no lock 4711"):
        lock_release(lock_id=4711, actor=ACTOR, now=NOW)
