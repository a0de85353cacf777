"""Warnings about a policy that is well formed but perhaps not what was meant.

What needs more than the text is asked for by an argument: the clock, the sites, the names in the inventory, the rules
that matched nothing. ``docs/policy-language-diagnostics.md`` says what is decided exactly and what is not attempted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from policies.language import ast
from policies.language.ast import (
    Condition,
    Constant,
    Expression,
    ListLiteral,
    Operator,
    Policy,
    Predicate,
    Rule,
    Span,
    TextLiteral,
)
from policies.language.diagnostics import Diagnostic, Reporter, quote
from policies.language.matching import meets
from policies.language.reasoning import Atom, contradicts, disjuncts
from policies.language.shadowing import CAUTIOUS, ShadowFinder, find_contradiction
from policies.language.source import Source
from policies.language.types import Action, Level

DAYS_BEFORE_END = 14
_SECONDS_PER_DAY = 86400
_TAPE_VARIABLES = ("dataset.on_tape", "blockreplica.on_tape")
_EXCLUSIONS = (Operator.NE, Operator.NOT_MATCH, Operator.NOT_IN)

#: Names that exist, or a function that returns those of the given names which do (one query for all).
DatasetNames = Collection[str] | Callable[[frozenset[str]], Collection[str]]


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What the linter knows of a site; status and storage type in the language's words (``READY``, ``MSS``)."""

    name: str
    status: str
    storage_type: str


def lint_policy(
    policy: Policy,
    *,
    now: float | None = None,
    sites: Iterable[SiteFacts] | None = None,
    dataset_names: DatasetNames | None = None,
    unmatched_lines: Collection[int] | None = None,
) -> tuple[Diagnostic, ...]:
    """Return the warnings about *policy*, sorted by place.

    *now* (s since 1970, UTC) is needed for labels that end, *sites* for conditions on tape, *dataset_names* for exact
    names, *unmatched_lines* (lines of rules that matched nothing in the last cycle) for dead rules; what is None is
    not looked at. The time is near linear in the number of rules.
    """
    reporter = Reporter(Source(policy.file_name, policy.lines))
    linter = _Linter(policy, reporter)
    linter.site_conditions()
    linter.rules(unmatched_lines or ())
    if now is not None:
        linter.labels(now)
    if sites is not None:
        linter.tape(tuple(sites))
    if dataset_names is not None:
        linter.names(dataset_names)
    return reporter.sorted()


class _Linter:
    def __init__(self, policy: Policy, reporter: Reporter) -> None:
        self.policy = policy
        self.reporter = reporter

    # --- On, When, Until and the default

    def site_conditions(self) -> None:
        """Warn about site conditions and the default."""
        policy = self.policy
        for condition in (*policy.targets, *policy.triggers, *policy.stops):
            self._contradictions(disjuncts(condition.expression) or (), per_block=True)
        if policy.default.action is Action.DELETE:
            message = "the default decision deletes whatever no rule names, at any target site, triggered or not"
            self.reporter.report(
                "P706", self._first_word(policy.default), message, "write 'Dismiss' to delete only where it is needed"
            )
        self._always(policy)
        for stop in policy.stops:
            if policy.triggers and all(_never_follows(trigger, stop) for trigger in policy.triggers):
                message = "this can never hold at a site that a When has triggered"
                self.reporter.report("P704", stop.span, message, "write 'Until never' if all candidates shall go")

    def _always(self, policy: Policy) -> None:
        is_always = any(isinstance(t.expression, Constant) and t.expression.value for t in policy.triggers)
        if not is_always:
            return
        for stop in policy.stops:
            if any(p.variable.name == "site.occupancy" for p in ast.predicates(stop.expression)):
                message = "with 'When always' a site that is below this already still loses one replica in each cycle"
                self.reporter.report("P705", stop.span, message, "write a condition on 'site.occupancy' under When too")

    # --- rules

    def rules(self, unmatched_lines: Collection[int]) -> None:
        """Warn about rules that can never match, negated block variables, and rules that matched nothing."""
        finder = ShadowFinder()
        for rule in self.policy.rules:
            if rule.condition is None:
                continue
            branches = disjuncts(rule.condition.expression)
            is_contradictory = self._contradictions(
                branches or (), per_block=rule.is_block, unknown_holds=rule.action in CAUTIOUS
            )
            if not rule.is_block:
                self._some_block(rule.condition, rule)
            shadow = finder.add(rule, None if is_contradictory else branches)
            if shadow is not None:
                message = f"this rule can never match: line {shadow.line} takes all that it would"
                self.reporter.report("P701", rule.condition.span, message, f"line {shadow.line} reads: {shadow.text[:120]}")
            elif rule.line in unmatched_lines:
                self.reporter.report("P711", self._first_word(rule), "this rule matched nothing in the last cycle")

    def _contradictions(self, branches: Iterable[list[Atom]], *, per_block: bool, unknown_holds: bool = False) -> bool:
        """Warn about each branch (an and of atoms) that contradicts itself; return whether one does."""
        is_contradictory = False
        for conjunction in branches:
            found = find_contradiction(conjunction, per_block=per_block, unknown_holds=unknown_holds)
            if found is None:
                continue
            is_contradictory = True
            first, second = found
            if second is None:
                message = f"no value of '{first.key[0]}' meets this, so the condition never holds"
                self.reporter.report("P702", first.predicate.span, message)
            else:
                message = f"this contradicts the condition on '{first.key[0]}' in column {first.predicate.span.column}"
                self.reporter.report("P702", second.predicate.span, message, "use 'or', or two lines, if either is meant")
        return is_contradictory

    def _some_block(self, condition: Condition, rule: Rule) -> None:
        help_text = f"'{rule.action.value}Block' asks each block alone" if rule.action is not Action.IGNORE else None
        for predicate, is_negated in _signed(condition.expression):
            if predicate.variable.level is not Level.BLOCK_REPLICA:
                continue
            if is_negated != (predicate.operator in _EXCLUSIONS):
                message = "this holds as soon as some block of the replica is not so, whatever the others are"
                self.reporter.report("P703", predicate.span, message, help_text)

    def _first_word(self, rule: Rule) -> Span:
        line = self.reporter.source.line(rule.line)
        start = len(line) - len(line.lstrip(" \t"))
        return Span(rule.line, start + 1, start + 1 + len(rule.text.partition(" ")[0]))

    # --- what needs more than the text

    def labels(self, now: float) -> None:
        """Warn about labels that have ended or end within 14 days."""
        for rule in self.policy.rules:
            if rule.label is None or rule.label.expires is None:
                continue
            owner = f"; ask {rule.label.owner}" if rule.label.owner else ""
            if rule.label.is_expired(now):
                message = f"the label '@{rule.label.name}' ended on {rule.label.expires}; the rule is off"
                self.reporter.report("P709", self._first_word(rule), message, f"renew the date or remove the rule{owner}")
            elif rule.label.is_expired(now + DAYS_BEFORE_END * _SECONDS_PER_DAY):
                message = f"the label '@{rule.label.name}' ends with {rule.label.expires}; then the rule is off"
                self.reporter.report("P708", self._first_word(rule), message, f"renew the date or let it end{owner}")

    def tape(self, sites: tuple[SiteFacts, ...]) -> None:
        """Warn about conditions on tape if no tape site can meet On."""
        tapes = [site for site in sites if site.storage_type == "MSS"]
        if any(_may_hold(target.expression, site) for target in self.policy.targets for site in tapes):
            return
        for rule in self.policy.rules:
            if rule.condition is None:
                continue
            for predicate in ast.predicates(rule.condition.expression):
                if predicate.variable.name in _TAPE_VARIABLES:
                    message = f"no tape site is under On, so '{predicate.variable.name}' sees no copy on tape"
                    help_text = "name the tape sites under On, and write 'Ignore site.storage_type == MSS' as the first rule"
                    self.reporter.report("P707", predicate.span, message, help_text)
                    break

    def names(self, known: DatasetNames) -> None:
        """Warn about exact dataset names that the inventory does not have."""
        asked = [(predicate, name) for rule in self.policy.rules for predicate, name in _exact_names(rule)]
        wanted = frozenset(name for _, name in asked)
        existing = known(wanted) if callable(known) else known
        for predicate, name in asked:
            if name not in existing:
                self.reporter.report("P710", predicate.span, f"the inventory has no dataset {quote(name)}")


def _signed(expression: Expression, is_negated: bool = False) -> Iterator[tuple[Predicate, bool]]:
    """Yield the predicates with whether an odd number of 'not' stands before them."""
    match expression:
        case Predicate():
            yield expression, is_negated
        case ast.Not(operand=operand):
            yield from _signed(operand, not is_negated)
        case ast.And(operands=operands) | ast.Or(operands=operands):
            for operand in operands:
                yield from _signed(operand, is_negated)


def _never_follows(trigger: Condition, stop: Condition) -> bool:
    """Tell whether *stop* can never hold at a site that met *trigger*, however much of it goes.

    Deleting lowers the occupancy and changes nothing else of a site, so an upper bound of it under When stays one.
    """
    if isinstance(stop.expression, Constant):
        return False
    triggers, stops = disjuncts(trigger.expression), disjuncts(stop.expression)
    if not triggers or not stops:
        return False
    return all(any(_excludes(mine, theirs) for mine in when for theirs in until) for when in triggers for until in stops)


def _excludes(mine: Atom, theirs: Atom) -> bool:
    if mine.key[0] == "site.occupancy" and mine.operator not in (Operator.LT, Operator.LE):
        return False
    return contradicts(mine, theirs)


def _may_hold(expression: Expression, site: SiteFacts) -> bool:
    """Tell whether the site may meet the condition; occupancy and quota, which are not known here, may be anything."""
    match expression:
        case Constant(value=value):
            return value
        case ast.And(operands=operands):
            return all(_may_hold(operand, site) for operand in operands)
        case ast.Or(operands=operands):
            return any(_may_hold(operand, site) for operand in operands)
        case ast.Not():
            return True
        case Predicate():
            return _predicate_may_hold(expression, site)


def _predicate_may_hold(predicate: Predicate, site: SiteFacts) -> bool:
    values = {"site.name": site.name, "site.status": site.status, "site.storage_type": site.storage_type}
    value = values.get(predicate.variable.name)
    if value is None or predicate.literal is None:
        return True
    literal = predicate.literal
    elements = literal.elements if isinstance(literal, ListLiteral) else (literal,)
    is_met = any(_equals(element, value) for element in elements)
    return is_met != (predicate.operator in _EXCLUSIONS)


def _equals(element: ast.Scalar, value: str) -> bool:
    match element:
        case ast.PatternLiteral():
            return meets(element, value) is not False
        case TextLiteral(value=text) | ast.EnumLiteral(value=text):
            return text == value
        case _:
            return False


def _exact_names(rule: Rule) -> Iterator[tuple[Predicate, str]]:
    if rule.condition is None:
        return
    for predicate in ast.predicates(rule.condition.expression):
        if predicate.variable.name != "dataset.name" or predicate.operator not in (Operator.EQ, Operator.IN):
            continue
        literal = predicate.literal
        elements = literal.elements if isinstance(literal, ListLiteral) else (literal,)
        for element in elements:
            if isinstance(element, TextLiteral):
                yield predicate, element.value
