"""Cuts one condition into predicates, connectives and parentheses; decides where a value ends.

The value of a comparison runs to the next `` and `` or `` or ``, to a closing parenthesis that was opened outside of
it, or to the end; a parenthesis inside a regular expression belongs to it. A time clause has been cut off before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.language.ast import Operator
from policies.language.diagnostics import Reporter, quote
from policies.language.source import Fragment
from policies.language.variables import BY_NAME

OPERATORS = {operator.value: operator for operator in Operator if operator is not Operator.IS}
MAX_DEPTH = 50

_CONNECTIVE = re.compile(r" (and|or)(?= |$)")
_CLOSING = re.compile(r"\)+")
_WORD = re.compile(r"[^ ()]+")
_OPERATOR_WORD = re.compile(r"[^ )]+")
_MISSPELLED = re.compile(r"(?:^|(?<= ))(?:AND|And|OR|Or|&&|\|\||&)(?= |$)")
_GLUED = re.compile(r"(?P<name>[a-z_.A-Z0-9]+?)(?P<operator>!=~|=~|==|!=|<=|>=|<|>|=)(?P<value>.*)")
_LEVELS = frozenset(name.partition(".")[0] for name in BY_NAME)

#: What people write who know other languages, and what they mean.
_FOREIGN = {
    "=": "==",
    "===": "==",
    "is": "==",
    "eq": "==",
    "<>": "!=",
    "=!": "!=",
    "!": "!=",
    "=<": "<=",
    "=>": ">=",
    "~": "=~",
    "~=": "=~",
    "like": "==",
    "matches": "=~",
    "!~": "!=~",
    "!~=": "!=~",
    "not": "notin",
    "IN": "in",
    "NOTIN": "notin",
    "not_in": "notin",
    "older": "older_than",
    "newer": "newer_than",
    "older-than": "older_than",
    "newer-than": "newer_than",
    "before": "older_than",
    "after": "newer_than",
}


@dataclass(slots=True)
class RawPredicate:
    """A predicate as text: indices into the condition. ``operator`` is IS for a bare variable, ``value`` then empty."""

    name: str
    name_start: int
    name_end: int
    is_negated: bool = False
    operator: Operator = Operator.IS
    operator_start: int = 0
    operator_end: int = 0
    value: str = ""
    value_start: int = 0
    start: int = 0
    end: int = 0


@dataclass(slots=True)
class RawToken:
    """A terminal of ``grammar.lark``: its kind, its place, and the predicate if it is one."""

    kind: str
    start: int
    end: int
    predicate: RawPredicate | None = None


class Scanner:
    """Scans one condition. It reports what is wrong and goes on behind it, so that one error never hides another."""

    def __init__(self, condition: Fragment, reporter: Reporter) -> None:
        self.fragment = condition
        self.text = condition.text
        self.reporter = reporter
        self.at = 0
        self.open: list[int] = []
        self.tokens: list[RawToken] = []
        self.has_failed = False
        self.most = 4 * reporter.allowance

    def scan(self) -> list[RawToken] | None:
        """Return the terminals of the condition, None if it is not well formed (then that is reported)."""
        while True:
            self._term()
            if not self._connective():
                break
            if self._is_too_long:
                return None  # the reader of conditions says that it is too long
        for start in self.open:
            self._fail("P210", start, start + 1, "'(' is not closed", "add a ')', or leave the '(' out")
        return None if self.has_failed else self.tokens

    @property
    def _is_too_long(self) -> bool:
        """Tell whether no check may go on: a token costs a quarter of a predicate at least."""
        return len(self.tokens) > self.most

    def _fail(self, code: str, start: int, end: int, message: str, help_text: str | None = None) -> None:
        self.has_failed = True
        self.reporter.report(code, self.fragment.span(start, end), message, help_text)

    def _skip_blank(self) -> None:
        if self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def _push(self, kind: str, length: int) -> None:
        self.tokens.append(RawToken(kind, self.at, self.at + length))
        self.at += length

    # --- terms

    def _term(self) -> None:
        """Read opening parentheses, 'not' and one predicate."""
        self._skip_blank()
        while self.at < len(self.text) and not self._is_too_long:
            if self.text[self.at] == "(":
                self._open_parenthesis()
            elif self.text.startswith(("not (", "not("), self.at):
                self._push("NOT", 3)
                self._skip_blank()
            else:
                break
            self._skip_blank()
        found = _WORD.match(self.text, self.at)
        if found is None or found[0] in ("and", "or"):
            self._missing_term(found)
            return
        predicate = self._predicate(found)
        if predicate is not None:
            self.tokens.append(RawToken("PREDICATE", predicate.start, predicate.end, predicate))

    def _open_parenthesis(self) -> None:
        if len(self.open) == MAX_DEPTH:
            self._fail("P211", self.at, self.at + 1, f"parentheses are nested more than {MAX_DEPTH} deep", "split the rule")
        self.open.append(self.at)
        self._push("LPAR", 1)

    def _missing_term(self, found: re.Match[str] | None) -> None:
        if found is not None:
            self._fail(
                "P204", found.start(), found.end(), f"a condition is missing before '{found[0]}'", f"leave '{found[0]}' out"
            )
        elif self.at < len(self.text) and self.open and self.tokens[-1].kind == "LPAR":
            self._fail("P210", self.at - 1, self.at + 1, "the parentheses enclose nothing", "leave them out")
        elif self.at < len(self.text) and not self.open:
            self._fail("P210", self.at, self.at + 1, "')' without '('", "leave it out")
            self.at += 1
        else:
            last = self.tokens[-1] if self.tokens else None
            start, end = (last.start, last.end) if last else (self.at, self.at)
            word = self.text[start:end] or "here"
            self._fail("P204", start, end, f"a condition is missing after '{word}'", f"leave '{word}' out, or write a condition")

    def _predicate(self, found: re.Match[str]) -> RawPredicate | None:
        start = found.start()
        negations = 0
        while found[0] == "not":
            negations += 1
            if negations > MAX_DEPTH:
                self._fail("P206", start, found.end(), "'not' stands more than once", "leave both out, or write one")
                return None
            self.at = found.end()
            self._skip_blank()
            following = _WORD.match(self.text, self.at)
            if following is None or following[0] in ("and", "or"):
                self._fail("P206", found.start(), found.end(), "'not' has no variable", "write 'not VARIABLE'")
                return None
            found = following
        if negations > 1:
            self._fail("P206", start, found.start() - 1, "'not' stands more than once", "leave both out, or write one")
        name, name_start = found[0], found.start()
        self.at = found.end()
        name = self._joined_name(name)
        raw = RawPredicate(name, name_start, self.at, negations > 0, start=start, end=self.at)
        if _GLUED.fullmatch(name) and name not in BY_NAME:
            self._glued(raw)
            return None
        return self._comparison(raw)

    def _joined_name(self, name: str) -> str:
        """Read a blank in the place of the dot: ``site occupancy`` is ``site.occupancy``."""
        if name not in _LEVELS and name != "dataset.attr":
            return name
        found = _WORD.match(self.text, self.at + 1)
        if found is None or found[0] in OPERATORS or found[0] in _FOREIGN or found[0] in ("and", "or"):
            return name
        self.at = found.end()
        joined = f"{name}.{found[0]}"
        return self._joined_name(joined) if joined == "dataset.attr" else joined

    def _glued(self, raw: RawPredicate) -> None:
        found = _GLUED.fullmatch(raw.name)
        if found is None:
            return
        operator = _FOREIGN.get(found["operator"], found["operator"])
        start = raw.name_start + found.start("operator")
        help_text = f"put blanks around it: '{found['name']} {operator} {found['value'] or '...'}'"
        self._fail("P201", start, start + len(found["operator"]), f"'{found['operator']}' is not set apart by blanks", help_text)
        self.at = self._value_end(is_regex=False)

    # --- comparisons

    def _comparison(self, raw: RawPredicate) -> RawPredicate | None:
        self._skip_blank()
        found = _OPERATOR_WORD.match(self.text, self.at)
        if found is None or found[0] in ("and", "or"):
            return raw
        word = found[0]
        operator = OPERATORS.get(word)
        if operator is None:
            self._unknown_operator(raw, found)
            return None
        raw.operator, raw.operator_start, raw.operator_end = operator, found.start(), found.end()
        self.at = found.end()
        end = self._value_end(is_regex=operator in (Operator.MATCH, Operator.NOT_MATCH))
        start = min(self.at + 1, end) if self.text.startswith(" ", self.at) else self.at
        raw.value, raw.value_start = self.text[start:end].rstrip(), start
        self.at = end
        raw.end = max(start + len(raw.value), raw.operator_end)
        if not raw.value:
            help_text = f"write '{raw.name} {word} VALUE'"
            self._fail("P203", raw.operator_start, raw.operator_end, f"the value after '{word}' is missing", help_text)
            return None
        return None if self._is_misspelled(raw) else raw

    def _is_misspelled(self, raw: RawPredicate) -> bool:
        # Most values are one word longer than any misspelled connective: no need to search them.
        if len(raw.value) > 3 and " " not in raw.value:
            return False
        found = _MISSPELLED.search(raw.value)
        if found is None:
            return False
        meant = "or" if found[0].lower() == "or" or found[0] == "||" else "and"
        start = raw.value_start + found.start()
        self._fail(
            "P205", start, start + len(found[0]), f"'{found[0]}' would be read as a part of the value", f"did you mean '{meant}'?"
        )
        return True

    def _unknown_operator(self, raw: RawPredicate, found: re.Match[str]) -> None:
        word = found[0]
        self.at = self._value_end(is_regex=False)
        rest = self.text[found.end() : self.at].strip()
        if word == "not" and not rest:
            self._fail("P206", found.start(), found.end(), "'not' stands behind its variable", f"write 'not {raw.name}'")
            return
        if _MISSPELLED.fullmatch(word):
            meant = "or" if word.lower() == "or" or word == "||" else "and"
            self._fail("P205", found.start(), found.end(), f"'{word}' is no connective", f"did you mean '{meant}'?")
            return
        glued = next((o for o in sorted(OPERATORS, key=len, reverse=True) if word.startswith(o)), None)
        if word in _FOREIGN and not (word == "not" and not rest.startswith("in")):
            end = found.end() + 3 if word == "not" else found.end()
            help_text: str | None = f"did you mean '{_FOREIGN[word]}'?"
            self._fail("P201", found.start(), end, f"unknown operator {quote(self.text[found.start() : end])}", help_text)
        elif glued and not glued[0].isalpha():
            self._fail(
                "P201",
                found.start(),
                found.end(),
                f"'{glued}' is not set apart by blanks",
                f"write '{glued} {word[len(glued) :]}'",
            )
        elif word.startswith(("in[", "notin[")):
            self._fail(
                "P201", found.start(), found.end(), "a blank is missing before '['", f"write '{word.partition('[')[0]} [...]'"
            )
        else:
            self._report_other_word(raw, found)

    def _report_other_word(self, raw: RawPredicate, found: re.Match[str]) -> None:
        variable = BY_NAME.get(raw.name)
        if variable is not None and variable.type.value == "bool":
            message = f"{quote(found[0])} follows a complete condition"
            self._fail("P209", found.start(), found.end(), message, "join conditions with 'and' or 'or'")
            return
        help_text = self.reporter.close_matches(found[0], OPERATORS) or f"operators: {' '.join(OPERATORS)}"
        self._fail("P201", found.start(), found.end(), f"unknown operator {quote(found[0])}", help_text)

    def _value_end(self, *, is_regex: bool) -> int:
        """Return the index where the value that starts here ends."""
        found = _CONNECTIVE.search(self.text, self.at)
        end = found.start() if found else len(self.text)
        if not self.open or ")" not in self.text[self.at : end]:
            return end
        return self._outer_parenthesis(end, is_regex=is_regex)

    def _outer_parenthesis(self, end: int, *, is_regex: bool) -> int:
        """Return the index of the first ``)`` before *end* that was not opened since here, else *end*."""
        depth = 0
        in_set = -1
        position = self.at
        while position < end:
            character = self.text[position]
            if is_regex and character == "\\":
                position += 1
            elif in_set >= 0:
                if character == "]" and position > in_set + 1 and self.text[in_set + 1 : position] != "^":
                    in_set = -1
            elif is_regex and character == "[":
                in_set = position
            elif character == "(":
                depth += 1
            elif character == ")":
                if depth == 0:
                    return position
                depth -= 1
            position += 1
        return end

    # --- connectives

    def _connective(self) -> bool:
        """Read closing parentheses and 'and' or 'or'; return whether another term must follow."""
        self._skip_blank()
        while self.at < len(self.text) and self.text[self.at] == ")":
            if self.open:
                self.open.pop()
                self._push("RPAR", 1)
            else:
                # One finding for a run of them: each alone says nothing more.
                end = _CLOSING.match(self.text, self.at)
                stop = end.end() if end else self.at + 1
                self._fail("P210", self.at, stop, "')' without '('", "leave it out")
                self.at = stop
            self._skip_blank()
        if self.at >= len(self.text):
            return False
        found = _WORD.match(self.text, self.at)
        if found is not None and found[0] in ("and", "or"):
            self._push(found[0].upper(), len(found[0]))
            return True
        return self._no_connective(found)

    def _no_connective(self, found: re.Match[str] | None) -> bool:
        start, end = (found.start(), found.end()) if found else (self.at, self.at + 1)
        word = self.text[start:end]
        if _MISSPELLED.fullmatch(word):
            meant = "or" if word.lower() == "or" or word == "||" else "and"
            self._fail("P205", start, end, f"'{word}' is no connective", f"did you mean '{meant}'?")
        else:
            self._fail("P209", start, end, f"{quote(word)} follows a complete condition", "join conditions with 'and' or 'or'")
        following = _CONNECTIVE.search(self.text, end)
        if following is None:
            self.at = len(self.text)
            self.open.clear()
            return False
        self.at = following.end()
        self.tokens.append(RawToken(following[1].upper(), following.start() + 1, following.end()))
        return True
