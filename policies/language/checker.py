"""Resolves the variables and values of raw predicates: names, types, units, places where a variable may stand."""

from __future__ import annotations

import re
from typing import Literal as OneOf

from policies.language import ast
from policies.language.ast import ListLiteral, Operator, Predicate, Scalar
from policies.language.diagnostics import Reporter, quote
from policies.language.literals import LiteralError, refuse_quotes, regular_expression, scalar
from policies.language.scanner import RawPredicate
from policies.language.source import Fragment
from policies.language.types import ValueType
from policies.language.variables import BY_NAME, DROPPED, VARIABLES, Variable

#: Where a condition stands: rules and Order; On, When and Until; partition definitions.
ConditionKind = OneOf["replica", "site", "partition"]

_ATTRIBUTE_PREFIX = "dataset.attr."
_ATTRIBUTE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
_EQUALITY = (Operator.EQ, Operator.NE)
_ORDERING = (Operator.LT, Operator.GT, Operator.LE, Operator.GE)
_MEMBERSHIP = (Operator.IN, Operator.NOT_IN)
_REGULAR = (Operator.MATCH, Operator.NOT_MATCH)
_AGE = (Operator.OLDER_THAN, Operator.NEWER_THAN)

OPERATORS_OF: dict[ValueType, tuple[Operator, ...]] = {
    ValueType.BOOL: (Operator.IS,),
    ValueType.NUMBER: (*_EQUALITY, *_ORDERING, *_MEMBERSHIP),
    ValueType.TIME: (*_AGE, *_ORDERING, *_EQUALITY, *_MEMBERSHIP),
    ValueType.TEXT: (*_EQUALITY, *_REGULAR, *_MEMBERSHIP),
    ValueType.ENUM: (*_EQUALITY, *_MEMBERSHIP),
    ValueType.ATTRIBUTE: (Operator.IS, *_EQUALITY, *_ORDERING, *_AGE, *_REGULAR, *_MEMBERSHIP),
}


#: Names that read well and do not exist, with what they mean.
_OTHER_WORDS = {
    "replica.owner": "blockreplica.owner",
    "replica.owners": "blockreplica.owner",
    "replica.group": "blockreplica.owner",
    "replica.group_name": "blockreplica.owner",
    "replica.is_locked": "blockreplica.is_locked",
    "replica.site": "site.name",
    "replica.last_access": "dataset.last_access",
    "site.usage": "site.occupancy",
}


def allowed_variables(kind: ConditionKind) -> tuple[Variable, ...]:
    """Return the variables that may stand in a condition of *kind*."""
    if kind == "site":
        return tuple(v for v in VARIABLES if v.in_site_conditions)
    return tuple(v for v in VARIABLES if v.in_replica_conditions and (kind == "replica" or v.fact is None))


_NAMES_OF: dict[ConditionKind, tuple[str, ...]] = {
    "replica": tuple(v.name for v in allowed_variables("replica")),
    "site": tuple(v.name for v in allowed_variables("site")),
    "partition": tuple(v.name for v in allowed_variables("partition")),
}


def find_variable(name: str) -> tuple[Variable, str | None] | None:
    """Return the variable of *name* and, for ``dataset.attr.KEY``, its KEY; None if there is none."""
    variable = BY_NAME.get(name)
    if variable is not None:
        return None if variable.type is ValueType.ATTRIBUTE else (variable, None)
    if name.startswith(_ATTRIBUTE_PREFIX) and _ATTRIBUTE_KEY.fullmatch(name, len(_ATTRIBUTE_PREFIX)):
        return BY_NAME["dataset.attr"], name[len(_ATTRIBUTE_PREFIX) :]
    return None


class Checker:
    """Checks the predicates of one condition; every finding goes to the reporter."""

    def __init__(self, fragment: Fragment, kind: ConditionKind, reporter: Reporter) -> None:
        self.fragment = fragment
        self.kind = kind
        self.reporter = reporter

    def term(self, raw: RawPredicate) -> ast.Expression | None:
        """Return the checked predicate, a constant, or the negation of a bool; None if something is wrong."""
        if raw.operator is Operator.IS and raw.name in ("always", "never"):
            return self._constant(raw)
        resolved = self.variable(raw.name, raw.name_start, raw.name_end)
        if resolved is None:
            return None
        variable, attribute = resolved
        if not self._fits(raw, variable):
            return None
        literal: ast.Literal | None = None
        if raw.operator is not Operator.IS:
            literal = self._literal(raw, variable)
            if literal is None:
                return None
        span = self.fragment.span(raw.start, raw.end)
        predicate = Predicate(variable, raw.operator, literal, span, attribute)
        return ast.Not(predicate, span) if raw.is_negated else predicate

    def _report(self, code: str, start: int, end: int, message: str, help_text: str | None = None) -> None:
        self.reporter.report(code, self.fragment.span(start, end), message, help_text)

    def _constant(self, raw: RawPredicate) -> ast.Expression | None:
        if self.kind != "site":
            help_text = "'always' and 'never' stand in On, When and Until; a rule without a condition is the default"
            self._report("P118", raw.name_start, raw.name_end, f"'{raw.name}' stands in site conditions alone", help_text)
            return None
        if raw.is_negated:
            other = "never" if raw.name == "always" else "always"
            self._report("P206", raw.start, raw.end, f"'not' before '{raw.name}'", f"write '{other}'")
            return None
        return ast.Constant(raw.name == "always", self.fragment.span(raw.start, raw.end))

    # --- variables

    def variable(self, name: str, start: int, end: int) -> tuple[Variable, str | None] | None:
        """Return the variable (and attribute key) that the text from *start* to *end* names, if it may stand here."""
        resolved = find_variable(name)
        if resolved is None:
            self._unknown(name, start, end)
            return None
        variable = resolved[0]
        if not self._may_stand_here(variable, start, end):
            return None
        if self.fragment.text[start:end] != name:
            written = self.fragment.text[start:end]
            self._report("P119", start, end, f"'{written}' is read as '{name}'", f"write '{name}'")
        return resolved

    def _unknown(self, name: str, start: int, end: int) -> None:
        if name in DROPPED:
            help_text = f"use '{DROPPED[name]}' instead"
            self._report("P105", start, end, f"the variable '{name}' was dropped from the language", help_text)
            return
        if name.startswith("dataset.attr"):
            self._report("P104", start, end, f"{quote(name)} names no attribute", "write 'dataset.attr.KEY'")
            return
        if name in _OTHER_WORDS:
            help_text = f"did you mean '{_OTHER_WORDS[name]}'?"
        else:
            help_text = self.reporter.close_matches(name, _NAMES_OF[self.kind]) or "'policy_check --variables' lists all"
        self._report("P104", start, end, f"unknown variable {quote(name)}", help_text)

    def _may_stand_here(self, variable: Variable, start: int, end: int) -> bool:
        if self.kind == "site" and not variable.in_site_conditions:
            help_text = f"On, When and Until take {', '.join(_NAMES_OF['site'])}"
            self._report("P106", start, end, f"'{variable.name}' is no variable of a site", help_text)
            return False
        if self.kind != "site" and not variable.in_replica_conditions:
            self._report("P106", start, end, f"'{variable.name}' stands in On, When and Until alone", "move it to one of these")
            return False
        if self.kind == "partition" and variable.fact is not None:
            message = f"'{variable.name}' is a fact ({variable.fact}); a partition definition may not use facts"
            self._report("P605", start, end, message, "move the condition into the policies of the partition")
            return False
        return True

    # --- operators

    def _fits(self, raw: RawPredicate, variable: Variable) -> bool:
        allowed = OPERATORS_OF[variable.type]
        if raw.operator in allowed:
            if raw.is_negated and raw.operator is not Operator.IS:
                self._negated_comparison(raw)
                return False
            return True
        if raw.operator is Operator.IS:
            self._stands_alone(raw, variable)
        elif variable.type is ValueType.BOOL:
            self._compared_bool(raw)
        else:
            self._wrong_operator(raw, variable)
        return False

    def _stands_alone(self, raw: RawPredicate, variable: Variable) -> None:
        negation = "'not' negates a variable that is true or false; " if raw.is_negated else ""
        message = f"{negation}'{variable.name}' is {_article(variable)}"
        self._report("P208", raw.name_start, raw.name_end, message, f"compare it: '{variable.name} {_example(variable)}'")

    def _compared_bool(self, raw: RawPredicate) -> None:
        is_false = raw.value.lower() in ("false", "no", "0", "none")
        if raw.operator is Operator.NE:
            is_false = not is_false
        meant = f"not {raw.name}" if is_false != raw.is_negated else raw.name
        self._report(
            "P207", raw.operator_start, raw.end, f"'{raw.name}' is true or false and takes no comparison", f"write '{meant}'"
        )

    def _wrong_operator(self, raw: RawPredicate, variable: Variable) -> None:
        operator = raw.operator
        if operator in _AGE and variable.type is ValueType.NUMBER:
            help_text = f"did you mean '{'<' if operator is Operator.OLDER_THAN else '>'}'?"
        elif operator in _REGULAR and variable.type is ValueType.ENUM:
            help_text = "use 'in [...]' for several words"
        else:
            help_text = f"'{variable.name}' takes {' '.join(o.value for o in OPERATORS_OF[variable.type])}"
        message = f"'{operator.value}' does not fit '{variable.name}', {_article(variable)}"
        self._report("P202", raw.operator_start, raw.operator_end, message, help_text)

    def _negated_comparison(self, raw: RawPredicate) -> None:
        opposite = _OPPOSITES.get(raw.operator)
        comparison = f"{raw.name} {raw.operator.value} {raw.value}"
        help_text = f"write '{raw.name} {opposite.value} ...'" if opposite else f"write 'not ({comparison[:80]})'"
        self._report(
            "P206", raw.start, raw.name_end, "'not' stands before a variable that is true or false, or a parenthesis", help_text
        )

    # --- values

    def _literal(self, raw: RawPredicate, variable: Variable) -> ast.Literal | None:
        try:
            if raw.operator in _MEMBERSHIP:
                return self._list(raw, variable)
            if raw.operator in _REGULAR:
                return regular_expression(raw.value)
            return scalar(raw.value, variable, is_ordering=raw.operator in _ORDERING or raw.operator in _AGE)
        except LiteralError as error:
            start, end = error.at or (0, len(raw.value))
            self._report(error.code, raw.value_start + start, raw.value_start + end, str(error), error.help)
            return None

    def _list(self, raw: RawPredicate, variable: Variable) -> ListLiteral | None:
        text = raw.value
        close = text.rfind("]")
        if not text.startswith("["):
            help_text = f"write '{raw.operator.value} [{text.rstrip(']')[:60]}]'"
            raise LiteralError("P307", "a list is written in brackets", help_text)
        if close < 0:
            raise LiteralError("P307", "the list is not closed", "add a ']' behind the last element", at=(0, 1))
        if text[close + 1 :].strip():
            start = close + 1 + (text[close + 1] == " ")
            raise LiteralError(
                "P308", "text follows the closing bracket", "join conditions with 'and' or 'or'", at=(start, len(text))
            )
        if "," in text:
            comma = text.index(",")
            without = " ".join(text.replace(",", " ").split())
            help_text = f"elements are separated by blanks: {without[:80]}"
            raise LiteralError("P306", "a comma would be a part of the element", help_text, at=(comma, comma + 1))
        elements: list[Scalar] = []
        is_sound = True
        for found in re.finditer(r"[^ ]+", text[1:close]):
            element = self._element(found[0], raw.value_start + 1 + found.start(), variable)
            if element is None:
                is_sound = False
            else:
                elements.append(element)
        return ListLiteral(tuple(elements), text) if is_sound else None

    def _element(self, text: str, start: int, variable: Variable) -> Scalar | None:
        try:
            refuse_quotes(text)
            return scalar(text, variable, is_ordering=False)
        except LiteralError as error:
            first, last = error.at or (0, len(text))
            self._report(error.code, start + first, start + last, str(error), error.help)
            return None


_OPPOSITES = {
    Operator.EQ: Operator.NE,
    Operator.NE: Operator.EQ,
    Operator.MATCH: Operator.NOT_MATCH,
    Operator.NOT_MATCH: Operator.MATCH,
    Operator.LT: Operator.GE,
    Operator.GT: Operator.LE,
    Operator.LE: Operator.GT,
    Operator.GE: Operator.LT,
    Operator.IN: Operator.NOT_IN,
    Operator.NOT_IN: Operator.IN,
}


def _article(variable: Variable) -> str:
    kind = variable.type.value
    return f"an {kind}" if kind[0] in "ae" else f"a {kind}"


def _example(variable: Variable) -> str:
    match variable.type:
        case ValueType.NUMBER:
            return "> 0"
        case ValueType.TIME:
            return "older_than 90 days ago"
        case ValueType.ENUM:
            return f"== {variable.choices[-1]}"
        case _:
            return "== ..."
