"""Sets of locks: replaced as a whole, in one transaction, as often as one likes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.exceptions import InvalidInput, InvalidTransition
from inventory.models import AuditEvent, Lock, LockSet
from inventory.selectors.lock_holdings import Patterns
from inventory.services.audit import Actor, audit_verify
from inventory.services.lock_sets import MAX_LOCKS, SetChange, WantedLock, lock_set_replace
from inventory.services.locks import lock_release
from tests.factories.inventory import NOW, LockFactory

pytestmark = pytest.mark.django_db
ACTOR = Actor("production")


def wanted(*names: str, end: datetime | None = None) -> list[WantedLock]:
    return [WantedLock(Patterns(name), expires_at=end) for name in names]


def put(locks: list[WantedLock], *, name: str = "campaign", now: datetime = NOW, number: int | None = None) -> SetChange:
    return lock_set_replace(owner="production", name=name, locks=locks, actor=ACTOR, now=now, expected_number=number)


def held(name: str = "campaign") -> dict[str, datetime | None]:
    locks = Lock.objects.filter(lock_set__name=name, released_at__isnull=True)
    return dict(locks.values_list("dataset_pattern", "expires_at"))


def test_a_set_becomes_what_was_asked_for_and_nothing_else_changes() -> None:
    LockFactory(dataset_pattern="/A", owner="production")
    put(wanted("/A", "/B"), name="another")
    first = put(wanted("/A", "/B"))
    assert (len(first.created), first.released, first.lock_set.number) == (2, (), 1)
    end = NOW + timedelta(days=30)
    second = put([*wanted("/B"), *wanted("/C", end=end)])
    assert held() == {"/B": None, "/C": end}
    assert (len(second.created), len(second.released), len(second.unchanged), second.changed) == (1, 1, 1, ())
    assert held("another") == {"/A": None, "/B": None}
    assert Lock.objects.filter(lock_set=None, released_at__isnull=True).count() == 1
    assert Lock.objects.get(pk=second.released[0]).released_at == NOW
    third = put([*wanted("/B", end=end), *wanted("/C", end=end)])
    assert (len(third.changed), third.created, third.released) == (1, (), ())
    assert set(put([]).released) == set(third.changed) | set(third.unchanged)
    assert held() == {}
    assert audit_verify() is None


def test_the_same_request_again_changes_nothing_and_leaves_no_event() -> None:
    first = put(wanted("/A", "/B", end=NOW + timedelta(days=1)))
    events = AuditEvent.objects.count()
    again = put(wanted("/B", "/A", end=NOW + timedelta(days=1)))
    assert (again.created, again.changed, again.released) == ((), (), ())
    assert set(again.unchanged) == set(first.created)
    assert LockSet.objects.get().number == 1
    assert AuditEvent.objects.count() == events


def test_a_lock_of_the_set_that_has_expired_holds_again() -> None:
    put(wanted("/A", end=NOW + timedelta(days=1)))
    later = NOW + timedelta(days=5)
    change = put(wanted("/A", end=later + timedelta(days=1)), now=later)
    assert len(change.changed) == 1
    assert Lock.objects.count() == 1


def test_a_lock_that_was_released_by_itself_is_made_anew() -> None:
    first = put(wanted("/A"))
    lock_release(lock_id=first.created[0], actor=ACTOR, now=NOW)
    assert len(put(wanted("/A")).created) == 1
    assert held() == {"/A": None}


@pytest.mark.parametrize(
    ("locks", "problem"),
    [
        ([WantedLock(Patterns("/A")), WantedLock(Patterns(""))], r"locks\[1\]: dataset pattern ''"),
        (
            [WantedLock(Patterns("/A")), WantedLock(Patterns("/A"), comment="x")],
            r"locks\[1\]: the lock on /A with",
        ),
        ([WantedLock(Patterns("/A"), expires_at=NOW)], r"locks\[0\]: a lock cannot end"),
        ([WantedLock(Patterns("/A"), comment="x" * 513)], r"locks\[0\]: the comment"),
        ([WantedLock(Patterns(f"/{number}")) for number in range(MAX_LOCKS + 1)], "too many"),
    ],
)
def test_one_wrong_lock_leaves_the_set_as_it_was(locks: list[WantedLock], problem: str) -> None:
    put(wanted("/Old"))
    with pytest.raises(InvalidInput, match=problem):
        put(locks)
    assert held() == {"/Old": None}


def test_a_wrong_name_of_a_set_is_refused() -> None:
    for name in ("", "a b", "x" * 65, "ü"):
        with pytest.raises(InvalidInput, match="no name of a set"):
            put([], name=name)
    assert not LockSet.objects.exists()


def test_who_read_an_older_set_is_refused() -> None:
    put(wanted("/A"), number=0)
    put(wanted("/B"), number=1)
    with pytest.raises(InvalidTransition, match="has changed since it was read"):
        put(wanted("/C"), number=1)
    assert held() == {"/B": None}


NAMES = st.sampled_from(["/A", "/B", "/C*"])
ENDS = st.sampled_from([None, 1, 2])
SETS = st.dictionaries(st.builds(Patterns, NAMES, site=st.sampled_from(["*", "T2_*"])), ENDS, max_size=6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(series=st.lists(SETS, min_size=1, max_size=4))
def test_after_any_series_of_replacements_the_last_one_is_what_holds(series: list[dict[Patterns, int | None]]) -> None:
    for asked in series:
        locks = [WantedLock(patterns, expires_at=days and NOW + timedelta(days=days)) for patterns, days in asked.items()]
        change = put(locks)
        assert len(change.created) + len(change.changed) + len(change.unchanged) == len(asked)
        assert change.lock_set.number == put([replace(one) for one in reversed(locks)]).lock_set.number
        rows = Lock.objects.filter(lock_set__name="campaign", released_at__isnull=True)
        assert {Patterns.of(lock): lock.expires_at for lock in rows} == {one.patterns: one.expires_at for one in locks}
