"""Words of GNU ``date -d`` and what they mean. Zones are minutes east of Greenwich."""

from __future__ import annotations

_MONTH_NAMES = (
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
)
_DAY_NAMES = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")


def _with_short_forms(names: tuple[str, ...], first: int) -> dict[str, int]:
    numbered = {name: first + index for index, name in enumerate(names)}
    short = {name[:3] + end: number for name, number in numbered.items() for end in ("", ".")}
    return short | numbered


MONTHS = _with_short_forms(_MONTH_NAMES, 1) | {"SEPT": 9, "SEPT.": 9}
#: Sunday is 0.
DAYS = _with_short_forms(_DAY_NAMES, 0) | {"TUES": 2, "WEDNES": 3, "THUR": 4, "THURS": 4}
MERIDIANS = {"AM": 0, "A.M.": 0, "PM": 12, "P.M.": 12}

#: Unit -> (months, days, seconds) of one.
UNITS: dict[str, tuple[int, int, int]] = {
    "YEAR": (12, 0, 0),
    "MONTH": (1, 0, 0),
    "FORTNIGHT": (0, 14, 0),
    "WEEK": (0, 7, 0),
    "DAY": (0, 1, 0),
    "HOUR": (0, 0, 3600),
    "MINUTE": (0, 0, 60),
    "MIN": (0, 0, 60),
    "SECOND": (0, 0, 1),
    "SEC": (0, 0, 1),
}
DAY_SHIFTS = {"TOMORROW": 1, "YESTERDAY": -1, "TODAY": 0, "NOW": 0}
#: "second" is a unit of time, never an ordinal.
ORDINALS = {
    "LAST": -1,
    "THIS": 0,
    "NEXT": 1,
    "FIRST": 1,
    "THIRD": 3,
    "FOURTH": 4,
    "FIFTH": 5,
    "SIXTH": 6,
    "SEVENTH": 7,
    "EIGHTH": 8,
    "NINTH": 9,
    "TENTH": 10,
    "ELEVENTH": 11,
    "TWELFTH": 12,
}
DIRECTIONS = {"AGO": -1, "HENCE": 1}

ZONES: dict[str, int] = {
    "GMT": 0,
    "UT": 0,
    "UTC": 0,
    "WET": 0,
    "WEST": 60,
    "BST": 60,
    "ART": -180,
    "BRT": -180,
    "BRST": -120,
    "NST": -210,
    "NDT": -150,
    "AST": -240,
    "ADT": -180,
    "CLT": -240,
    "CLST": -180,
    "EST": -300,
    "EDT": -240,
    "CST": -360,
    "CDT": -300,
    "MST": -420,
    "MDT": -360,
    "PST": -480,
    "PDT": -420,
    "AKST": -540,
    "AKDT": -480,
    "HST": -600,
    "HAST": -600,
    "HADT": -540,
    "SST": -720,
    "WAT": 60,
    "CET": 60,
    "CEST": 120,
    "MET": 60,
    "MEZ": 60,
    "MEST": 120,
    "MESZ": 120,
    "EET": 120,
    "EEST": 180,
    "CAT": 120,
    "SAST": 120,
    "EAT": 180,
    "MSK": 180,
    "MSD": 240,
    "IST": 330,
    "SGT": 480,
    "KST": 540,
    "JST": 540,
    "GST": 600,
    "NZST": 720,
    "NZDT": 780,
}
#: Zones that are summer time already and take no further DST.
SUMMER_ZONES = frozenset(
    {"WEST", "BST", "BRST", "NDT", "ADT", "CLST", "EDT", "CDT", "MDT", "PDT", "AKDT", "HADT", "CEST", "MEST", "MESZ", "EEST"}
    | {"MSD", "NZDT"}
)
#: Single letters: A to M (without J) east, N to Y west, Z Greenwich. T is handled by the parser.
LETTER_ZONES = {letter: 60 * (index + 1) for index, letter in enumerate("ABCDEFGHIKLM")}
LETTER_ZONES |= {letter: -60 * (index + 1) for index, letter in enumerate("NOPQRSTUVWXY")}
LETTER_ZONES["Z"] = 0

#: Words that users write as numbers; GNU date takes digits alone.
NUMBER_WORDS = {
    "ONE": 1,
    "TWO": 2,
    "THREE": 3,
    "FOUR": 4,
    "FIVE": 5,
    "SIX": 6,
    "SEVEN": 7,
    "EIGHT": 8,
    "NINE": 9,
    "TEN": 10,
    "TWELVE": 12,
}
