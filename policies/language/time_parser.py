"""From text to ``Moment``: the items of GNU ``date -d``, less what the policy language refuses."""

from __future__ import annotations

from functools import lru_cache

from policies.language import time_words as words
from policies.language.time_tokens import MAX_LENGTH, TimeError, Token, tokens_of, unit_name
from policies.language.times import Doubt, Moment, month_length


@lru_cache(maxsize=4096)
def parse_time(text: str) -> Moment:
    """Return the moment that *text* means.

    Raises:
        TimeError: *text* is no moment, or one that the policy language refuses.
    """
    if len(text) > MAX_LENGTH:
        raise TimeError("P401", "the moment is too long", None)
    tokens = tokens_of(text)
    if not tokens:
        raise TimeError("P401", "a moment is missing", "write one as '90 days ago' or '2026-03-01'")
    try:
        return _Items(text, tokens).parse()
    except IndexError:
        raise TimeError("P401", "the moment ends too early") from None


class _Items:
    """Reads the items of one text from left to right, each kind at most once but for relative ones."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = [*tokens, Token("end", ""), Token("end", ""), Token("end", ""), Token("end", "")]
        self.at = 0
        self.epoch: float | None = None
        self.date: tuple[int | None, int, int] | None = None
        self.clock: tuple[int, int, float] | None = None
        self.zone: int | None = None
        self.weekday: tuple[int, int] | None = None
        self.months = self.days = 0
        self.seconds = 0.0
        self.is_relative = False
        self.year_given = False
        self.doubts: list[Doubt] = []
        self._forward_without_sign = False

    def parse(self) -> Moment:
        if self.tokens[0].kind == "@":
            return self._epoch()
        while self._peek().kind != "end":
            self._item()
        self._check_date()
        if self._forward_without_sign:
            self.doubts.append(Doubt.FUTURE)
        year, month, day = self.date or (None, None, None)
        return Moment(
            self.text, None, year, month, day, self.clock, self.zone, self.weekday,
            self.months, self.days, self.seconds, self.is_relative, tuple(self.doubts),
        )  # fmt: skip

    def _epoch(self) -> Moment:
        token = self.tokens[1]
        if token.kind not in ("number", "signed", "decimal") or self.tokens[2].kind != "end":
            raise TimeError("P401", "'@' is followed by seconds since 1970 and nothing else", "for example '@1451606400'")
        return Moment(self.text, epoch=float(token.value))

    def _peek(self, ahead: int = 0) -> Token:
        return self.tokens[self.at + ahead]

    def _next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def _is_unit(self, ahead: int) -> bool:
        token = self._peek(ahead)
        return token.kind == "word" and bool(unit_name(token.text))

    def _item(self) -> None:
        token = self._peek()
        if token.kind == "number":
            self._number_item()
        elif token.kind in ("signed", "decimal") and self._is_unit(1):
            self.at += 1
            self._relative(token.value, explicit=bool(token.sign))
        elif token.kind == "word":
            self._word_item(token.text)
        else:
            raise TimeError("P401", f"'{token.sign}{token.text}' has no place in it")

    # --- numbers

    def _number_item(self) -> None:
        number, after = self._next(), self._peek()
        word = after.text if after.kind == "word" else ""
        if after.kind == ":" or word in words.MERIDIANS:
            self._time_of_day(number)
        elif after.kind == "/":
            self._slash_date(number)
        elif word in words.MONTHS:
            self._day_month(number)
        elif word in words.DAYS:
            self._set_weekday(int(number.value), words.DAYS[self._next().text])
        elif self._is_unit(0):
            self._relative(number.value, explicit=False)
        elif after.kind == "signed" and self._peek(1).kind == "signed":
            self._iso_date(number)
        elif after.kind == "signed" and not self._is_unit(1):
            self._set_clock(int(number.value), 0, 0)
            self._offset()
        else:
            self._bare(number)

    def _time_of_day(self, hour: Token) -> None:
        minute, second = 0, 0.0
        if self._peek().kind == ":":
            self.at += 1
            minute = int(self._expect("number", "minutes").value)
            if self._peek().kind == ":":
                self.at += 1
                token = self._next()
                if token.kind not in ("number", "decimal") or token.sign:
                    raise TimeError("P401", "seconds are missing after ':'")
                second = token.value
        self._set_clock(self._hour(int(hour.value)), minute, second)
        if self._peek().kind == "signed" and not self._is_unit(1):
            self._offset()

    def _hour(self, hour: int) -> int:
        token = self._peek()
        if token.kind != "word" or token.text not in words.MERIDIANS:
            return hour
        self.at += 1
        if not 1 <= hour <= 12:
            raise TimeError("P403", f"there is no {hour} {token.text.lower()}", "hours before noon and after noon are 1 to 12")
        return hour % 12 + words.MERIDIANS[token.text]

    def _offset(self) -> None:
        token = self._next()
        value = int(token.value)
        if self._peek().kind == ":":
            self.at += 1
            minutes = int(self._expect("number", "minutes").value)
            offset = value * 60 + (-minutes if token.sign == "-" else minutes)
        elif token.digits <= 2:
            offset = value * 60
        else:
            offset = abs(value) // 100 * 60 + abs(value) % 100
            offset = -offset if token.sign == "-" else offset
        if abs(offset) > 24 * 60:
            raise TimeError("P403", f"there is no time zone '{token.sign}{token.text}'")
        self._set_zone(offset)

    def _slash_date(self, first: Token) -> None:
        self.at += 1
        second = self._expect("number", "a day or month")
        if self._peek().kind != "/":
            self._set_date(None, int(first.value), int(second.value))
            return
        self.at += 1
        third = self._expect("number", "a year")
        if first.digits >= 4:
            self._set_date(first, int(second.value), int(third.value))
        else:
            self._set_date(third, int(first.value), int(second.value))

    def _day_month(self, day: Token) -> None:
        month = words.MONTHS[self._next().text]
        year = None
        if self._peek().kind == "number" or (self._peek().kind == "signed" and not self._is_unit(1)):
            year = self._next()
        self._set_date(year, month, int(day.value))

    def _iso_date(self, year: Token) -> None:
        month, day = self._next(), self._next()
        if month.sign == "+" or day.sign == "+":
            raise TimeError("P401", "a date is written with '-' between year, month and day")
        self._set_date(year, -int(month.value), -int(day.value))
        if self._peek().text == "T":
            self.at += 1
            hour = self._expect("number", "a time of day")
            if self._peek().kind not in (":", "signed"):
                raise TimeError("P401", "a time of day after 'T' has minutes", "write it as '10:00'")
            self._time_of_day(hour)

    def _bare(self, number: Token) -> None:
        """A number alone: the year of a date before it, an hour, a time of today, or a date of six or eight digits."""
        value, digits = int(number.value), number.digits
        if self.date and not self.year_given and not self.is_relative and (self.clock or digits > 2):
            self.date = (_year(number), self.date[1], self.date[2])
            self.year_given = True
        elif digits in (6, 8):
            self._set_date(Token("number", "", "", value // 10000, digits - 4), value // 100 % 100, value % 100)
        elif digits > 4:
            raise TimeError("P402", "a bare number is an hour, a time of day or a date", _help_for_bare(number))
        else:
            hour, minute = (value, 0) if digits <= 2 else (value // 100, value % 100)
            if hour > 23 or minute > 59:
                raise TimeError("P402", "a bare number is an hour, a time of day or a date", _help_for_bare(number))
            self._set_clock(hour, minute, 0)
            self.doubts.append(Doubt.BARE_NUMBER)

    # --- words

    def _word_item(self, word: str) -> None:
        self.at += 1
        if word in words.MONTHS:
            self._month_day(words.MONTHS[word])
        elif word in words.DAYS:
            self._set_weekday(0, words.DAYS[word])
            if self._peek().kind == ",":
                self.at += 1
        elif unit_name(word):
            self.at -= 1
            self._relative(1, explicit=False)
        elif word in words.DAY_SHIFTS:
            self.days += words.DAY_SHIFTS[word]
            self.is_relative = True
        elif word in words.ORDINALS:
            self._ordinal(words.ORDINALS[word])
        elif not self._zone_word(word):
            raise TimeError("P401", f"'{word.lower()}' has no place in it")

    def _month_day(self, month: int) -> None:
        first = self._next()
        if first.kind == "signed" and first.sign == "-" and self._peek().kind == "signed":
            self._set_date(self._next(), month, -int(first.value))
            return
        if first.kind != "number":
            raise TimeError("P401", "a day is missing after the month", "write it as 'January 1'")
        year = None
        if self._peek().kind == "," and self._peek(1).kind == "number":
            self.at += 1
            year = self._next()
        self._set_date(year, month, int(first.value))

    def _ordinal(self, ordinal: int) -> None:
        if self._is_unit(0):
            self._relative(ordinal, explicit=True)
        elif self._peek().kind == "word" and self._peek().text in words.DAYS:
            self._set_weekday(ordinal, words.DAYS[self._next().text])
        else:
            raise TimeError("P401", "a unit or a day of the week is missing after 'next', 'last' and the like")

    def _relative(self, amount: float, *, explicit: bool) -> None:
        unit = words.UNITS[unit_name(self._next().text)]
        direction = self._peek()
        factor = 1.0
        if direction.kind == "word" and direction.text in words.DIRECTIONS:
            self.at += 1
            factor = words.DIRECTIONS[direction.text]
            explicit = True
        if not explicit and amount > 0:
            self._forward_without_sign = True
        if amount != int(amount) and not unit[2] == 1:
            raise TimeError("P401", "only seconds may have a fraction")
        self.months += int(factor * amount) * unit[0]
        self.days += int(factor * amount) * unit[1]
        self.seconds += factor * amount * unit[2]
        self.is_relative = True

    def _zone_word(self, word: str) -> bool:
        bare = word.replace(".", "")
        if word == "DST":
            return False
        minutes = words.ZONES.get(word, words.ZONES.get(bare))
        if minutes is None:
            if len(word) != 1 or word not in words.LETTER_ZONES:
                return False
            minutes = words.LETTER_ZONES[word]
            if word != "Z":
                self.doubts.append(Doubt.ZONE_LETTER)
        self._set_zone(minutes)
        if self._peek().text == "DST" and bare not in words.SUMMER_ZONES:
            self.at += 1
            self.zone = minutes + 60
        elif self._peek().kind == "signed" and not self._is_unit(1):
            self.zone = None
            self._offset()
            self.zone = minutes + (self.zone or 0)
        return True

    # --- setting

    def _expect(self, kind: str, what: str) -> Token:
        token = self._next()
        if token.kind != kind:
            raise TimeError("P401", f"{what} missing in the moment")
        return token

    def _set_date(self, year: Token | None, month: int, day: int) -> None:
        if self.date is not None:
            raise TimeError("P401", "the moment has two dates")
        self.year_given = year is not None
        self.date = (_year(year) if year is not None else None, month, day)

    def _set_clock(self, hour: int, minute: int, second: float) -> None:
        if self.clock is not None:
            raise TimeError("P401", "the moment has two times of day")
        if not (0 <= hour <= 23 and minute <= 59 and second < 60):
            raise TimeError("P403", f"there is no time of day {hour}:{minute:02}")
        self.clock = (hour, minute, second)

    def _set_zone(self, minutes: int) -> None:
        if self.zone is not None:
            raise TimeError("P401", "the moment has two time zones")
        self.zone = minutes

    def _set_weekday(self, ordinal: int, number: int) -> None:
        if self.weekday is not None:
            raise TimeError("P401", "the moment has two days of the week")
        self.weekday = (ordinal, number)

    def _check_date(self) -> None:
        if self.date is None:
            return
        year, month, day = self.date
        if not 1 <= month <= 12:
            other = f"did you mean '{year:04}-{day:02}-{month:02}'?" if year and 1 <= day <= 12 and 1 <= month <= 31 else None
            raise TimeError("P403", f"there is no month {month}", other or "dates are written as 2026-03-01 or 03/01/2026")
        if not 1 <= day <= month_length(year, month):
            if month == 2 and day == 29 and year is None:
                raise TimeError("P403", "29 February exists in leap years alone", "give the year")
            raise TimeError("P403", f"month {month} has no day {day}")


def _year(token: Token) -> int:
    value = abs(int(token.value))
    if token.digits == 2:
        return value + (2000 if value < 69 else 1900)
    return value


def _help_for_bare(number: Token) -> str:
    if number.digits >= 9:
        return f"did you mean '@{number.text}' (seconds since 1970)?"
    if number.digits <= 3:
        return f"did you mean '{number.text} days ago'?"
    return "did you mean a date, such as '2026-03-01'?"
