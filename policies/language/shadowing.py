"""Finds rules that can never match because earlier rules take all that they would.

A rule written as an or of ands of predicates is shadowed if each of its ands implies an and of an earlier rule:
every predicate of the earlier one follows from a predicate of the later one (``reasoning.implies``). What else must
hold, so that a shadow found is one:

- the earlier rule is always on: no time clause, no label with an end;
- unknown values: a Delete or Dismiss rule does not match where its condition is unknown, a Protect or Ignore rule
  does. So the first never shadows the second where a fact, an attribute or a release is asked for;
- blocks: a ``...Block`` rule with several block predicates takes only blocks that meet all of them at once, so it
  shadows no dataset-level rule;
- hidden blocks: a value that depends on which blocks are left (``replica.size`` and the like) is compared only if no
  ``...Block`` rule stands between.

Not attempted: conditions with other nesting, values of more than ``MAX_LENGTH`` characters, and more work than ``MAX_WORK``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from policies.language import globs
from policies.language.ast import Operator, PatternLiteral, Rule, TextLiteral
from policies.language.reasoning import Atom, contradicts, implies, is_impossible
from policies.language.types import Action, Level, ValueType

#: Work for one policy, in units of about a microsecond, so that no text takes a second: trying a pattern on a text (one
#: with sets or '?'), comparing two values, comparing two whole rules, running a regular expression.
MAX_WORK = 500_000
PATTERN_COST = 4
SET_COST = 20
VALUE_COST = 2
COVER_COST = 15
REGEX_COST = 200
AUTOMATON_COST = 1000
#: Patterns are looked up by a piece of so many characters.
GRAM = 6
#: Values that depend on which blocks of the replica are not yet taken.
_HIDING_DEPENDENT = frozenset(
    {
        "replica.size",
        "replica.incomplete",
        "replica.last_block_created",
        "replica.first_block_created",
        "replica.num_full_disk_copy_common_owner",
        "replica.num_full_other_copy_common_owner",
        "dataset.num_full_disk_copy",
        "dataset.on_tape",
    }
)
#: Where contradictions are looked for in one and.
MAX_PREDICATES = 40
MAX_PAIRS = 2000
_REGULAR = (Operator.MATCH, Operator.NOT_MATCH)
#: Their rules match where a condition is unknown.
CAUTIOUS = (Action.PROTECT, Action.IGNORE)


@dataclass(frozen=True, slots=True)
class _Branch:
    """One and of an earlier rule; ``block_rules`` counts the ``...Block`` rules before the rule, itself included."""

    rule: Rule
    atoms: tuple[Atom, ...]
    block_rules: int


@dataclass(frozen=True, slots=True)
class _Wildcard:
    """A branch that is looked for by a shell pattern; ``chunk`` is a literal that every match holds, ``cost`` that of a try."""

    pattern: PatternLiteral
    chunk: str
    branch: _Branch
    cost: int


Key = tuple[str, str | None]


class ShadowFinder:
    """Takes the rules of a stack in order and tells for each which earlier one shadows it."""

    def __init__(self) -> None:
        self._exact: dict[tuple[Key, str], list[_Branch]] = defaultdict(list)
        self._wildcards: dict[Key, dict[str, list[_Wildcard]]] = defaultdict(lambda: defaultdict(list))
        self._others: dict[Key, list[_Branch]] = defaultdict(list)
        self._sizes: dict[Key, set[int]] = defaultdict(set)
        self._block_rules = 0
        self._work = 0

    def add(self, rule: Rule, branches: list[list[Atom]] | None) -> Rule | None:
        """Return the earlier rule that shadows *rule* (of several the last needed), None if none does or it is not known.

        *branches* are the ands of its condition (``disjuncts``); None if it has other nesting or contradicts itself.
        """
        if branches is None or _has_long_values(branches):
            self._block_rules += rule.is_block
            return None
        found: list[Rule] = []
        for atoms in branches:
            shadow = self._shadow(rule, atoms)
            if shadow is None:
                break
            found.append(shadow)
        self._block_rules += rule.is_block
        if len(found) < len(branches):
            self._remember(rule, branches)
            return None
        # What a shadowed rule would shadow, its own shadow does.
        return max(found, key=lambda r: r.line)

    # --- looking for a shadow

    def _shadow(self, rule: Rule, atoms: list[Atom]) -> Rule | None:
        for candidate in self._candidates(atoms):
            self._work += _cover_cost(candidate.atoms, atoms)
            if self._work >= MAX_WORK:
                return None
            if self._covers(candidate, rule, atoms):
                return candidate.rule
        return None

    def _candidates(self, atoms: list[Atom]) -> Iterator[_Branch]:
        """Yield the earlier branches that could be implied, each at the predicate that it is kept under."""
        for atom in atoms:
            sample = _sample(atom) if self._work < MAX_WORK else None
            if sample is not None:
                self._work += len(sample)
                yield from self._exact.get((atom.key, sample), ())
                yield from self._matching(atom.key, sample)
            yield from self._others.get(atom.key, ())

    def _matching(self, key: Key, sample: str) -> Iterator[_Branch]:
        wildcards = self._wildcards[key]
        pieces = {sample[at : at + size] for size in self._sizes[key] for at in range(len(sample) - size + 1)}
        self._work += len(pieces) // 8
        # Sorted, because the order of a set of texts changes from run to run, and the findings must not.
        for piece in sorted(pieces & wildcards.keys()):
            for wildcard in wildcards[piece]:
                self._work += wildcard.cost
                if self._work >= MAX_WORK:
                    return
                if wildcard.chunk in sample and globs.glob_matches(wildcard.pattern.text, sample):
                    yield wildcard.branch

    def _covers(self, earlier: _Branch, rule: Rule, atoms: list[Atom]) -> bool:
        if earlier.rule.action not in CAUTIOUS and rule.action in CAUTIOUS and any(_may_be_unknown(a) for a in earlier.atoms):
            return False
        block_atoms = sum(atom.predicate.variable.level is Level.BLOCK_REPLICA for atom in earlier.atoms)
        if earlier.rule.is_block and not rule.is_block and block_atoms > 1:
            return False
        may_hide = earlier.rule.is_block or earlier.block_rules < self._block_rules
        if may_hide and any(atom.key[0] in _HIDING_DEPENDENT for atom in earlier.atoms):
            return False
        return all(any(implies(mine, theirs) for mine in atoms) for theirs in earlier.atoms)

    # --- remembering

    def _remember(self, rule: Rule, branches: list[list[Atom]]) -> None:
        """Keep the branches of a rule that is always on, each under its most telling predicate."""
        if (
            rule.condition is None
            or rule.condition.window is not None
            or (rule.label is not None and rule.label.expires is not None)
        ):
            return
        for atoms in branches:
            branch = _Branch(rule, tuple(atoms), self._block_rules)
            atom = min(atoms, key=_rank)
            if _rank(atom) == 2:
                self._others[atom.key].append(branch)
                continue
            for value in atom.values:
                if isinstance(value, TextLiteral):
                    self._exact[atom.key, value.value].append(branch)
                elif isinstance(value, PatternLiteral) and self._work < MAX_WORK:
                    self._work += len(value.text)
                    self._remember_wildcard(atom.key, value, branch)

    def _remember_wildcard(self, key: Key, pattern: PatternLiteral, branch: _Branch) -> None:
        """Keep a pattern under the piece of its longest literal that the fewest other patterns are kept under."""
        chunk = globs.longest_literal(pattern.text)
        size = min(GRAM, len(chunk))
        grams = (chunk[at : at + size] for at in range(len(chunk) - size + 1))
        cost = SET_COST if "?" in pattern.text or "[" in pattern.text else PATTERN_COST
        wildcards = self._wildcards[key]
        rarest = min(grams, key=lambda gram: len(wildcards.get(gram, ())))
        wildcards[rarest].append(_Wildcard(pattern, chunk, branch, cost))
        self._sizes[key].add(size)


def _rank(atom: Atom) -> int:
    """Return how telling a predicate is: exact texts 0, shell patterns 1, all else 2."""
    if atom.type is not ValueType.TEXT or not atom.is_positive or not atom.values:
        return 2
    if all(isinstance(value, TextLiteral) for value in atom.values):
        return 0
    return 2 if any(isinstance(value, PatternLiteral) and value.glob is None for value in atom.values) else 1


def _sample(atom: Atom) -> str | None:
    """Return one text that meets the predicate and, of earlier patterns, as few as can be; None if it names none."""
    if atom.type is not ValueType.TEXT or not atom.is_positive or not atom.values:
        return None
    value = atom.values[0]
    if isinstance(value, TextLiteral):
        return value.value
    if isinstance(value, PatternLiteral) and value.glob is not None:
        return globs.witness(value.glob) or None
    return None


def _may_be_unknown(atom: Atom) -> bool:
    variable = atom.predicate.variable
    return variable.fact is not None or variable.type is ValueType.ATTRIBUTE or variable.name == "dataset.release"


def _has_long_values(branches: list[list[Atom]]) -> bool:
    return any(len(v.text) > globs.MAX_LENGTH for atoms in branches for atom in atoms for v in atom.values)


def _has_sets(atom: Atom) -> bool:
    return any(isinstance(value, PatternLiteral) and ("[" in value.text or "?" in value.text) for value in atom.values)


def _cover_cost(earlier: tuple[Atom, ...], atoms: list[Atom]) -> int:
    """Return what comparing the two ands costs at most, in units of ``MAX_WORK``."""
    cost = COVER_COST
    for theirs in earlier:
        for mine in atoms:
            if mine.key == theirs.key:
                each = VALUE_COST
                if theirs.operator in _REGULAR:
                    each = REGEX_COST
                elif _has_sets(theirs) or _has_sets(mine):
                    each = AUTOMATON_COST
                cost += each * len(mine.values) * len(theirs.values)
    return cost


def find_contradiction(atoms: list[Atom], *, per_block: bool, unknown_holds: bool = False) -> tuple[Atom, Atom | None] | None:
    """Return two predicates of an and that no value meets (or one alone), None if none are found.

    Block variables have several values in a dataset-level rule, so two predicates on them contradict each other only
    if *per_block*. What may be unknown contradicts nothing if *unknown_holds* (Protect and
    Ignore rules). Looked for among the first 40 predicates, and in lists with at most ``MAX_PAIRS`` pairs of values.
    """
    by_key: dict[Key, list[Atom]] = {}
    for atom in atoms[:MAX_PREDICATES]:
        if is_impossible(atom):
            return atom, None
        has_one_value = per_block or atom.predicate.variable.level is not Level.BLOCK_REPLICA
        if has_one_value and not (unknown_holds and _may_be_unknown(atom)):
            by_key.setdefault(atom.key, []).append(atom)
    pairs = 0
    for same in by_key.values():
        for index, atom in enumerate(same):
            for other in same[index + 1 :]:
                if atom.type is ValueType.TEXT and not (atom.is_positive or other.is_positive):
                    continue  # there are always texts that both leave over
                pairs += len(atom.values) * len(other.values)
                if pairs > MAX_PAIRS:
                    return None
                if contradicts(atom, other):
                    return atom, other
    return None
