"""Moments are those of GNU ``date -u -d`` (coreutils 9.1, recorded in ``tests/golden/gnu_date.json``)."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.language.time_parser import parse_time
from policies.language.time_tokens import TimeError
from policies.language.times import Doubt, civil_from_days, days_from_civil, iso_text

NOW = 1767225600.0  # 2026-01-01T00:00Z, a Thursday
RECORDED = json.loads((Path(__file__).resolve().parents[3] / "golden" / "gnu_date.json").read_text())


def test_moments_with_a_date_are_those_that_gnu_date_gave() -> None:
    assert len(RECORDED) > 200
    wrong = {
        text: (moment, expected) for text, expected in RECORDED if (moment := math.floor(parse_time(text).resolve(0))) != expected
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90 days ago", 1759449600),
        ("1 week ago", 1766620800),
        ("3 months ago", 1759276800),
        ("12 months ago", 1735689600),
        ("1 year ago", 1735689600),
        ("a year ago", 1735686000),
        ("last month", 1764547200),
        ("yesterday", 1767139200),
        ("January 1", 1767225600),
        ("1 January", 1767225600),
        ("Jan 1 2019", 1546300800),
        ("12/31/2019", 1577750400),
        ("next tuesday", 1767657600),
        ("thursday", 1767225600),
        ("last thursday", 1766620800),
        ("2 fortnights ago", 1764806400),
        ("2019", 1767298740),
        ("9", 1767258000),
        ("@1451606400", 1451606400),
        ("now", 1767225600),
        ("90 days", 1775001600),
        ("tomorrow 10:00", 1767348000),
    ],
)
def test_moments_are_relative_to_the_clock_that_is_passed_in(text: str, moment: int) -> None:
    assert parse_time(text).resolve(NOW) == moment


@pytest.mark.parametrize(
    ("now", "text", "moment"),
    [
        ("2026-03-31T12:30", "1 month ago", "2026-03-03T12:30"),
        ("2024-03-31T00:00", "1 month ago", "2024-03-02T00:00"),
        ("2024-02-29T00:00", "1 year ago", "2023-03-01T00:00"),
        ("2026-01-31T00:00", "next month", "2026-03-03T00:00"),
        ("2026-11-22T15:00", "next tuesday", "2026-11-24T00:00"),
        ("2026-11-22T15:00", "sunday", "2026-11-22T00:00"),
        ("2026-11-22T15:00", "next sunday", "2026-11-29T00:00"),
        ("2026-11-22T15:00", "January 1", "2026-01-01T00:00"),
        ("2026-11-22T15:00", "yesterday", "2026-11-21T15:00"),
        ("2026-11-22T15:00", "10:00", "2026-11-22T10:00"),
    ],
)
def test_months_overflow_and_weekdays_start_at_midnight(now: str, text: str, moment: str) -> None:
    clock = datetime.fromisoformat(f"{now}+00:00").timestamp()
    assert iso_text(parse_time(text).resolve(clock)) == f"{moment}Z"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("90", "P402"),
        ("24", "P402"),
        ("12345", "P402"),
        ("1234567", "P402"),
        ("1451606400", "P402"),
        ("2460", "P402"),
        ("three months ago", "P401"),
        ("31/12/2019", "P403"),
        ("90 dayz ago", "P401"),
        ("2019-02-29", "P403"),
        ("2019-13-01", "P403"),
        ("February 29", "P403"),
        ("25:00", "P403"),
        ("now on", "P401"),
        ("2019-01-01 2019-01-02", "P401"),
        ("next", "P401"),
        ("@", "P401"),
        ("(comment) now", "P401"),
        ("1" * 300, "P401"),
        ("99999999999999999999 days ago", "P401"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, code: str) -> None:
    with pytest.raises(TimeError) as caught:
        parse_time(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "doubts"),
    [
        ("90 days", {Doubt.FUTURE}),
        ("week", {Doubt.FUTURE}),
        ("2019", {Doubt.BARE_NUMBER}),
        ("7", {Doubt.BARE_NUMBER}),
        ("a year ago", {Doubt.ZONE_LETTER}),
        ("90 days ago", set()),
        ("+90 days", set()),
        ("next week", set()),
        ("tomorrow", set()),
        ("2019-01-01", set()),
        ("20190101", set()),
        ("2026-01-01T10:00Z", set()),
    ],
)
def test_doubtful_moments_are_marked(text: str, doubts: set[Doubt]) -> None:
    assert set(parse_time(text).doubts) == doubts


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001 - taken as UTC below
def test_calendar_is_that_of_the_standard_library(moment: datetime) -> None:
    days = moment.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    assert days_from_civil(moment.year, moment.month, moment.day) == days
    assert civil_from_days(days) == (moment.year, moment.month, moment.day)


WORDS = [
    "ago",
    "days",
    "month",
    "last",
    "next",
    "tuesday",
    "Jan",
    "1",
    "90",
    "2019",
    "-",
    "+3",
    "/",
    ":",
    "10:00",
    "2026-03-01",
    "T",
    "Z",
]


@given(st.lists(st.sampled_from([*WORDS, "@", "31", "EST", "dst", "am", "1.5", ",", "fortnight", "29", "Feb"]), max_size=7))
def test_any_words_are_a_moment_or_a_time_error(words: list[str]) -> None:
    try:
        moment = parse_time(" ".join(words))
    except TimeError as error:
        assert str(error)
    else:
        assert math.isfinite(moment.resolve(NOW))
