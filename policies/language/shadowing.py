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

Not attempted: conditions with other nesting, and more work than ``MAX_COMPARISONS``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from policies.language import globs
from policies.language.ast import PatternLiteral, Rule, TextLiteral
from policies.language.reasoning import Atom, contradicts, disjuncts, implies, is_impossible
from policies.language.types import Action, Level, ValueType

#: Work for one policy: a look at a pattern costs a quarter, comparing two whole rules ``COVER_COST``. Measured: a second.
MAX_COMPARISONS = 1_000_000
COVER_COST = 20
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
_CAUTIOUS = (Action.PROTECT, Action.IGNORE)


@dataclass(frozen=True, slots=True)
class _Branch:
    """One and of an earlier rule; ``block_rules`` counts the ``...Block`` rules before the rule, itself included."""

    rule: Rule
    atoms: tuple[Atom, ...]
    block_rules: int


@dataclass(frozen=True, slots=True)
class _Wildcard:
    """A branch that is looked for by a shell pattern; ``chunk`` is the longest literal that every match holds."""

    pattern: PatternLiteral
    chunk: str
    branch: _Branch


Key = tuple[str, str | None]


class ShadowFinder:
    """Takes the rules of a stack in order and tells for each which earlier one shadows it."""

    def __init__(self) -> None:
        self._exact: dict[tuple[Key, str], list[_Branch]] = defaultdict(list)
        self._wildcards: dict[Key, list[_Wildcard]] = defaultdict(list)
        self._others: dict[Key, list[_Branch]] = defaultdict(list)
        self._block_rules = 0
        self._comparisons = 0

    def add(self, rule: Rule) -> Rule | None:
        """Return the earlier rule that shadows *rule* (of several the last needed), None if none does or it is not known."""
        branches = disjuncts(rule.condition.expression) if rule.condition is not None else None
        if branches is None or any(_is_empty(atoms, rule) for atoms in branches):
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
            if self._comparisons >= MAX_COMPARISONS:
                return None
            self._comparisons += COVER_COST
            if self._covers(candidate, rule, atoms):
                return candidate.rule
        return None

    def _candidates(self, atoms: list[Atom]) -> Iterator[_Branch]:
        """Yield the earlier branches that could be implied, each at the predicate that it is kept under."""
        for atom in atoms:
            sample = _sample(atom)
            if sample is not None:
                yield from self._exact.get((atom.key, sample), ())
                yield from self._matching(atom.key, sample)
            yield from self._others.get(atom.key, ())

    def _matching(self, key: Key, sample: str) -> Iterator[_Branch]:
        wildcards = self._wildcards.get(key, [])
        counted = 0
        for index, wildcard in enumerate(wildcards):
            if wildcard.chunk in sample and wildcard.pattern.matches(sample):
                self._comparisons += (index - counted) // 4
                counted = index
                yield wildcard.branch
        self._comparisons += (len(wildcards) - counted) // 4

    def _covers(self, earlier: _Branch, rule: Rule, atoms: list[Atom]) -> bool:
        if earlier.rule.action not in _CAUTIOUS and rule.action in _CAUTIOUS and any(_may_be_unknown(a) for a in earlier.atoms):
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
                elif isinstance(value, PatternLiteral):
                    self._wildcards[atom.key].append(_Wildcard(value, globs.longest_literal(value.text), branch))


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


def _is_empty(atoms: list[Atom], rule: Rule) -> bool:
    return find_contradiction(atoms, per_block=rule.is_block) is not None


def find_contradiction(atoms: list[Atom], *, per_block: bool) -> tuple[Atom, Atom | None] | None:
    """Return two predicates of an and that no value meets (or one alone), None if none are found.

    Block variables have several values in a dataset-level rule, so two predicates on them contradict each other only
    if *per_block*. Looked for among the first 40 predicates.
    """
    considered = atoms[:40]
    for index, atom in enumerate(considered):
        if is_impossible(atom):
            return atom, None
        if atom.predicate.variable.level is Level.BLOCK_REPLICA and not per_block:
            continue
        for other in considered[index + 1 :]:
            if contradicts(atom, other):
                return atom, other
    return None
