"""Conditions: the time clause cut off, the predicates scanned and checked, the rest joined as ``grammar.lark`` says."""

from __future__ import annotations

import re
from itertools import islice

from policies.language import ast
from policies.language.allowances import report_misplaced
from policies.language.ast import Condition, Expression, Span, TimeLiteral, Window
from policies.language.checker import Checker, ConditionKind
from policies.language.diagnostics import Reporter, quote
from policies.language.literals import LiteralError, time
from policies.language.scanner import RawToken, Scanner
from policies.language.source import Fragment
from policies.language.times import Doubt, Moment, iso_text
from policies.language.variables import BY_NAME

_CLAUSE = re.compile(r"(?:^|(?<= ))(until|from)(?= |$)")
#: A shorter value adds little to the time of its predicate, whatever it holds.
_USUAL_LENGTH = 16
#: What a value must hold to be looked at closely.
_UNUSUAL = re.compile(r"[ ()\[]")
_CONNECTIVE = re.compile(r"(?:^|(?<= ))(?:and|or)(?= |$)")


def join(node: type[ast.And] | type[ast.Or], operands: list[Expression]) -> Expression:
    """Return the operands joined, nested nodes of the same kind made flat."""
    flat: list[Expression] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, node) else (operand,))
    first, last = flat[0].span, flat[-1].span
    return node(tuple(flat), Span(first.line, first.column, last.end_column))


def split_clause(fragment: Fragment) -> tuple[Fragment, str]:
    """Return a sound condition without its time clause, and the clause's text ("" if there is none)."""
    found = _CLAUSE.search(fragment.text)
    return (fragment, "") if found is None else (fragment.cut(0, found.start()), fragment.text[found.start() :])


class ConditionReader:
    """Reads conditions of one text; ``now`` (s since 1970) makes warnings show moments, None words alone."""

    def __init__(self, reporter: Reporter, now: float | None = None) -> None:
        self.reporter = reporter
        self.now = now

    def read(self, fragment: Fragment, kind: ConditionKind) -> Condition | None:
        """Return the checked condition of *fragment* (not empty), None if it has errors (which are then reported)."""
        errors = self.reporter.error_count
        if report_misplaced(fragment, self.reporter):
            return None
        body, window = self._window(fragment)
        tokens = self._scanned(body) if body.text else None
        if not body.text:
            place = fragment.span(0, 1)
            self.reporter.report("P102", place, "a condition is missing before the time clause", "write one before it")
        expression = self._expression(tokens, body, kind) if tokens else None
        if expression is None or self.reporter.error_count > errors:
            return None
        span = fragment.span(0, len(fragment.text))
        return Condition(expression, span, fragment.text, window)

    def _scanned(self, body: Fragment) -> list[RawToken] | None:
        """Return the terminals, None where they are not well formed or more than a check may take."""
        scanner = Scanner(body, self.reporter)
        tokens = scanner.scan()
        is_affordable = self.reporter.spend(sum(map(_cost, scanner.tokens)), body.span(0, len(body.text)))
        return tokens if is_affordable else None

    def _expression(self, tokens: list[RawToken], body: Fragment, kind: ConditionKind) -> Expression | None:
        checker = Checker(body, kind, self.reporter)
        terms: dict[int, Expression] = {}
        is_sound = True
        is_chain = True
        for index, token in enumerate(tokens):
            if token.predicate is None:
                is_chain &= token.kind == "AND"
                continue
            term = checker.term(token.predicate)
            if term is None:
                is_sound = False
                continue
            terms[index] = term
            self._doubts(term, body, token)
        if not is_sound:
            return None
        if len(terms) == 1 and len(tokens) == 1:
            return terms[0]
        if is_chain:
            return join(ast.And, list(terms.values()))
        return join_terms(tokens, terms, body)

    # --- doubts about values

    def _doubts(self, term: Expression, body: Fragment, token: RawToken) -> None:
        predicate = term.operand if isinstance(term, ast.Not) else term
        if not isinstance(predicate, ast.Predicate) or predicate.literal is None or token.predicate is None:
            return
        raw, literal = token.predicate, predicate.literal
        elements = literal.elements if isinstance(literal, ast.ListLiteral) else (literal,)
        for element in elements:
            if isinstance(element, TimeLiteral) and isinstance(element.expression, Moment) and element.expression.doubts:
                self._time_doubts(element, element.expression, body.span(raw.value_start, raw.value_start + len(raw.value)))
        if isinstance(literal, ast.TextLiteral | ast.PatternLiteral) and _UNUSUAL.search(raw.value):
            span = body.span(raw.value_start, raw.value_start + len(raw.value))
            self._text_doubts(raw.value, span, is_regex=isinstance(literal, ast.PatternLiteral) and literal.glob is None)

    def _text_doubts(self, value: str, span: Span, *, is_regex: bool) -> None:
        if " " in value:
            name = next((word for word in value.split(" ") if word in BY_NAME), None)
            if name is not None:
                self.reporter.report("P212", span, f"the value holds the variable '{name}'", "is an 'and' missing before it?")
        if is_regex:
            return
        if value.count("(") != value.count(")"):
            self.reporter.report(
                "P213", span, "the value holds a parenthesis without a partner", "a parenthesis here is a part of the value"
            )
        if "[" in value and "]" in value and "*" not in value and "?" not in value:
            message = "brackets are read literally: the value has no '*' or '?'"
            self.reporter.report("P505", span, message, "use '=~' for a set, or 'in [...]' for a list")

    def _time_doubts(self, literal: TimeLiteral, moment: Moment, span: Span) -> None:
        shown = f", at present {iso_text(moment.resolve(self.now))}" if self.now is not None else ""
        for doubt in moment.doubts:
            if doubt is Doubt.FUTURE:
                self.reporter.report(
                    "P404", span, f"{quote(literal.text)} lies in the future{shown}", f"did you mean '{literal.text} ago'?"
                )
            elif doubt is Doubt.BARE_NUMBER and moment.clock is not None:
                meant = f"{moment.clock[0]:02}:{moment.clock[1]:02} of the day of the cycle{shown}"
                self.reporter.report(
                    "P405", span, f"{quote(literal.text)} is {meant}", "write a date, such as '2019-01-01', or 'N days ago'"
                )
            elif doubt is Doubt.ZONE_LETTER:
                message = f"a single letter in {quote(literal.text)} is a time zone{shown}"
                self.reporter.report("P406", span, message, "write '1' for 'a'")

    # --- the time clause

    def _window(self, fragment: Fragment) -> tuple[Fragment, Window | None]:
        """Return the condition without its time clause, and the clause; None if there is none or it is wrong."""
        text = fragment.text
        if "until" not in text and "from" not in text:
            return fragment, None
        # Two can stand there; a third is enough to know that they are too many.
        clauses = list(islice(_CLAUSE.finditer(text), 3))
        if not clauses:
            return fragment, None
        connective = _CONNECTIVE.search(text, clauses[0].end())
        if connective is not None or ")" in text[clauses[0].end() :] or len({c[1] for c in clauses}) != len(clauses):
            return self._misplaced(fragment, clauses, connective)
        bounds: dict[str, TimeLiteral] = {}
        for clause, following in zip(clauses, [*clauses[1:], None], strict=True):
            end = following.start() if following else len(text)
            moment = self._bound(fragment.cut(clause.end(), end), clause[1], fragment.span(clause.start(), clause.end()))
            if moment is not None:
                bounds[clause[1]] = moment
        return fragment.cut(0, clauses[0].start()), Window(bounds.get("from"), bounds.get("until"))

    def _misplaced(
        self, fragment: Fragment, clauses: list[re.Match[str]], connective: re.Match[str] | None
    ) -> tuple[Fragment, Window | None]:
        clause = clauses[0] if connective or len(clauses) == 1 else clauses[-1]
        help_text = "a time clause stands once, at the very end of the condition, and holds for all of it"
        span = fragment.span(clause.start(), clause.end())
        self.reporter.report("P214", span, f"'{clause[1]}' does not end the condition", help_text)
        return fragment.cut(0, clauses[0].start()), None

    def _bound(self, fragment: Fragment, word: str, place: Span) -> TimeLiteral | None:
        if not fragment.text:
            self.reporter.report("P215", place, f"a moment is missing after '{word}'", f"write '{word} 2026-12-31'")
            return None
        span = fragment.span(0, len(fragment.text))
        try:
            literal = time(fragment.text)
        except LiteralError as error:
            help_text = error.help or f"write '{word} 2026-12-31'"
            self.reporter.report("P215", span, f"{quote(fragment.text)} after '{word}' is no moment", help_text)
            return None
        moment = literal.expression
        if isinstance(moment, Moment) and moment.moves_with_clock:
            message = f"{quote(fragment.text)} moves with the clock, so the time after '{word}' never changes"
            self.reporter.report("P407", span, message, f"write a date, such as '{word} 2026-12-31'")
        return literal


def _cost(token: RawToken) -> float:
    """Return how much longer than the predicate ``dataset.name == /A/B/C`` a token takes to check, as measured."""
    raw = token.predicate
    if raw is None:
        return 0.25
    value = raw.value
    if len(value) < _USUAL_LENGTH:
        return 1.0
    if raw.operator in (ast.Operator.MATCH, ast.Operator.NOT_MATCH):
        return 1.0 + len(value) / 14
    specials = value.count("*") + value.count("?") + value.count("[")
    return 1.0 + value.count(" ") / 8 + specials / 7 + len(value) / 1000


def join_terms(tokens: list[RawToken], terms: dict[int, Expression], body: Fragment) -> Expression:
    """Return the tree of the checked *terms*, by index of token, as ``grammar.lark`` says: 'and' binds tighter than 'or'.

    The scanner has made sure that the tokens are in order. By hand, and not by a parser that is made of the grammar: that
    one took ten times as long, most of the time of checking conditions with many parentheses.
    """
    disjuncts: list[Expression] = []
    conjuncts: list[Expression] = []
    outer: list[tuple[list[Expression], list[Expression], RawToken | None]] = []
    mark: RawToken | None = None
    for index, token in enumerate(tokens):
        if token.kind == "PREDICATE":
            conjuncts.append(terms[index])
        elif token.kind == "NOT":
            mark = token
        elif token.kind == "OR":
            disjuncts.append(_joined(ast.And, conjuncts))
            conjuncts = []
        elif token.kind == "LPAR":
            outer.append((disjuncts, conjuncts, mark))
            disjuncts, conjuncts, mark = [], [], None
        elif token.kind == "RPAR":
            group = _joined(ast.Or, [*disjuncts, _joined(ast.And, conjuncts)])
            disjuncts, conjuncts, negation = outer.pop()
            conjuncts.append(group if negation is None else _negated(group, negation, body))
    return _joined(ast.Or, [*disjuncts, _joined(ast.And, conjuncts)])


def _joined(node: type[ast.And] | type[ast.Or], operands: list[Expression]) -> Expression:
    return operands[0] if len(operands) == 1 else join(node, operands)


def _negated(operand: Expression, mark: RawToken, body: Fragment) -> Expression:
    place = body.span(mark.start, mark.end)
    if isinstance(operand, ast.Predicate):
        # ``not VAR`` is a predicate of its own ("some block is not"), ``not (VAR)`` negates a condition: keep them apart.
        operand = ast.And((operand,), operand.span)
    return ast.Not(operand, Span(place.line, place.column, operand.span.end_column))
