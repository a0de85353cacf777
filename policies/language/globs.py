"""Exact decisions about shell patterns: does a text meet one, does one take all that another takes, can any text meet both?

Both are decided on the patterns' automata. The alphabet is that of the characters which either pattern names, with
one more that stands for all others, so the answer holds for every text. A pair of patterns whose automaton has more
than ``MAX_STATES`` states is not decided (None); patterns that people write need a few dozen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from policies.language.patterns import set_members

MAX_STATES = 500
#: Longest pattern or text that is looked at; names in the inventory are shorter.
MAX_LENGTH = 1000
#: Elements between two runs: a text if each is one character, else the elements.
_Piece = str | tuple["Step", ...]
#: Stands for every character that neither pattern names.
_OTHER = "\ue000"


@dataclass(frozen=True, slots=True)
class Step:
    """One element of a pattern: a run of any characters, or one character out of ranges (or not of them)."""

    is_run: bool = False
    negated: bool = True
    ranges: tuple[tuple[str, str], ...] = ()

    @property
    def character(self) -> str | None:
        """Return the one character that the element takes, None if it takes several or none."""
        if self.is_run or self.negated or len(self.ranges) != 1 or self.ranges[0][0] != self.ranges[0][1]:
            return None
        return self.ranges[0][0]

    def takes(self, character: str) -> bool:
        inside = any(low <= character <= high for low, high in self.ranges)
        return inside != self.negated


@lru_cache(maxsize=8192)
def steps(glob: str) -> tuple[Step, ...]:
    """Return the elements of *glob*; every text is a pattern here, so exact names may be asked about as well."""
    is_pattern = "*" in glob or "?" in glob
    steps: list[Step] = []
    position = 0
    last_close = glob.rfind("]")
    while position < len(glob):
        character = glob[position]
        if is_pattern and character == "*":
            if not steps or not steps[-1].is_run:
                steps.append(Step(is_run=True))
        elif is_pattern and character == "?":
            steps.append(Step())
        else:
            close = -1
            if is_pattern and character == "[" and position < last_close:
                first = position + 1 + glob.startswith("!", position + 1)
                close = glob.find("]", first + 1)
            if close > 0:
                negated, ranges = set_members(glob[position + 1 : close])
                steps.append(Step(negated=negated, ranges=tuple(ranges)))
                position = close
            else:
                steps.append(Step(negated=False, ranges=((character, character),)))
        position += 1
    return tuple(steps)


def _alphabet(*patterns: tuple[Step, ...]) -> tuple[str, ...]:
    """Return a representative of every class of characters that the patterns can tell apart."""
    ranges = {pair for steps in patterns for step in steps for pair in step.ranges}
    if all(low == high for low, high in ranges):
        return (_OTHER, *sorted({low for low, _ in ranges}))
    starts = {"\0", *(low for low, _ in ranges)}
    starts.update(chr(ord(high) + 1) for _, high in ranges if ord(high) < 0x10FFFF)
    return tuple(sorted(starts))


@dataclass(frozen=True, slots=True)
class _Automaton:
    """A pattern as bit masks over its steps: which are runs, and which take the n-th character of the alphabet.

    A set of positions is a bit set; two runs never follow each other, so one shift skips those that are empty.
    """

    runs: int
    takers: tuple[int, ...]
    end: int

    @property
    def start(self) -> int:
        return 1 | (1 & self.runs) << 1

    def advance(self, positions: int, letter: int) -> int:
        after = positions & self.runs | (positions & self.takers[letter]) << 1
        return after | (after & self.runs) << 1

    def accepts(self, positions: int) -> bool:
        return bool(positions & self.end)


def _automaton(steps: tuple[Step, ...], alphabet: tuple[str, ...]) -> _Automaton:
    runs = sum(1 << index for index, step in enumerate(steps) if step.is_run)
    takers = tuple(sum(1 << i for i, s in enumerate(steps) if not s.is_run and s.takes(letter)) for letter in alphabet)
    return _Automaton(runs, takers, 1 << len(steps))


def _automata(first: str, second: str) -> tuple[_Automaton, _Automaton]:
    first_steps, second_steps = steps(first), steps(second)
    alphabet = _alphabet(first_steps, second_steps)
    return _automaton(first_steps, alphabet), _automaton(second_steps, alphabet)


def _pairs(first: _Automaton, second: _Automaton) -> Iterator[tuple[int, int] | None]:
    """Yield every pair of position sets that some text reaches (the first not empty); None once there are too many."""
    start = (first.start, second.start)
    seen = {start}
    waiting = [start]
    while waiting:
        pair = waiting.pop()
        yield pair
        for letter in range(len(first.takers)):
            left = first.advance(pair[0], letter)
            following = (left, second.advance(pair[1], letter))
            if left and following not in seen:
                if len(seen) >= MAX_STATES:
                    yield None
                    return
                seen.add(following)
                waiting.append(following)


def glob_matches(glob: str, text: str) -> bool | None:
    """Tell whether the whole *text* meets the shell pattern *glob*; None if either is too long to look at."""
    # By hand, because Python's ``re`` would try ``*a*a*a*a*b`` for hours.
    if len(glob) > MAX_LENGTH or len(text) > MAX_LENGTH:
        return None
    pieces = _pieces(glob)
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return len(first) == len(text) and _fits(first, text, 0)
    end = len(text) - len(last)
    if len(first) > end or not _fits(first, text, 0) or not _fits(last, text, end):
        return False
    # Between runs the leftmost place is never worse than a later one, so nothing is tried twice.
    at = len(first)
    for piece in pieces[1:-1]:
        at = _find(piece, text, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


@lru_cache(maxsize=16384)
def _pieces(glob: str) -> tuple[_Piece, ...]:
    pieces: list[list[Step]] = [[]]
    for step in steps(glob):
        if step.is_run:
            pieces.append([])
        else:
            pieces[-1].append(step)
    return tuple(_as_text(piece) for piece in pieces)


def _as_text(piece: list[Step]) -> _Piece:
    characters = [step.character for step in piece]
    return tuple(piece) if None in characters else "".join(c for c in characters if c is not None)


def _fits(piece: _Piece, text: str, at: int) -> bool:
    if isinstance(piece, str):
        return text.startswith(piece, at)
    return all(step.takes(text[at + index]) for index, step in enumerate(piece))


def _find(piece: _Piece, text: str, start: int, end: int) -> int:
    if isinstance(piece, str):
        return text.find(piece, start, end)
    return next((at for at in range(start, end - len(piece) + 1) if _fits(piece, text, at)), -1)


@lru_cache(maxsize=65536)
def includes(wide: str, narrow: str) -> bool | None:
    """Tell whether every text that meets *narrow* meets *wide*; None if that was too much to decide."""
    if wide == narrow:
        return True
    if len(wide) > MAX_LENGTH or len(narrow) > MAX_LENGTH or _OTHER in wide:
        return None
    if "?" not in wide and "[" not in wide and "[" not in narrow:
        # Only a run of the wide pattern takes the stand-in character, so what it does to one text it does to all.
        return glob_matches(wide, witness(narrow))
    narrow_automaton, wide_automaton = _automata(narrow, wide)
    for pair in _pairs(narrow_automaton, wide_automaton):
        if pair is None:
            return None
        if narrow_automaton.accepts(pair[0]) and not wide_automaton.accepts(pair[1]):
            return False
    return True


@lru_cache(maxsize=65536)
def are_disjoint(first: str, second: str) -> bool | None:
    """Tell whether no text meets both; None if that was too much to decide."""
    if len(first) > MAX_LENGTH or len(second) > MAX_LENGTH:
        return None
    left, right = _automata(first, second)
    for pair in _pairs(left, right):
        if pair is None:
            return None
        if left.accepts(pair[0]) and right.accepts(pair[1]):
            return False
    return True


def longest_literal(glob: str) -> str:
    """Return the longest piece that every text which meets *glob* holds; "" if there is none."""
    pieces: list[list[str]] = [[]]
    for step in steps(glob):
        if (character := step.character) is not None:
            pieces[-1].append(character)
        elif pieces[-1]:
            pieces.append([])
    longest = max(pieces, key=len)
    return "".join(longest)


def witness(glob: str) -> str:
    """Return one text that meets *glob* and hardly any other pattern: what does not include it does not include *glob*.

    Returns "" if a set in it is empty, so that nothing meets the pattern.
    """
    characters: list[str] = []
    for step in steps(glob):
        if step.is_run or not step.ranges:
            if not step.negated:
                return ""
            characters.append(_OTHER)
        elif step.negated:
            characters.append(next((c for c in (_OTHER, "\ue001", "\ue002") if step.takes(c)), ""))
        else:
            characters.append(step.ranges[0][0])
    return "".join(characters)
