"""From paths below a site's root back to the logical names that lead there: exact, or it says that it cannot be.

A file counts as known to nobody only if no logical name that leads to its path is in the inventory. So all of these names
must be found. That can be done for rules whose pattern is plain text around one group, which the replacement uses once;
nearly all are of that kind. A rule that may bring many names to one path is not read backwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inventory.selectors.sites import LfnRule
from operations.storage.paths import BadRules, place_each

#: What has a meaning of its own in a pattern, outside a group.
_SPECIAL = frozenset(".^$*+?{}[]|()\\")
_NAMED_GROUP = re.compile(r"\?P?<([A-Za-z_]\w*)>")
_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of a rule: text, one group, text, on both sides; ``has_group``: without one both are one single name."""

    before: tuple[str, str]
    after: tuple[str, str]
    has_group: bool

    def backwards(self, made: str) -> str | None:
        """Return the one name from which the step makes *made*, None where it makes it of none."""
        start, end = self.after
        if not self.has_group:
            return self.before[0] if made == start else None
        if len(made) < len(start) + len(end) or not made.startswith(start) or not made.endswith(end):
            return None
        return f"{self.before[0]}{made[len(start) : len(made) - len(end)]}{self.before[1]}"


@dataclass(frozen=True, slots=True)
class Backwards:
    """The rules of a site read backwards; ``problem`` says why that cannot be done, then no path is ever known to nobody."""

    rules: tuple[LfnRule, ...]
    chains: tuple[tuple[_Step, ...], ...] = ()
    problem: str = ""

    def names_of(self, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return, for each path (components between slashes, none at its beginning), all logical names that lead to it.

        Raises ``BadRules`` where the rules cannot be read backwards: no caller may take a path for unknown then.
        """
        if self.problem:
            raise BadRules(self.problem)
        candidates = {path: self._candidates(path) for path in paths}
        every = list(dict.fromkeys(name for names in candidates.values() for name in names))
        leads_to = {placed.lfn: "/".join(placed.parts) for placed in place_each(every, self.rules)}
        return {path: tuple(name for name in names if leads_to.get(name) == path) for path, names in candidates.items()}

    def _candidates(self, path: str) -> list[str]:
        ends = (f"/{path}", path)
        if not self.rules:
            return list(ends)
        found = [_through(chain, end) for chain in self.chains for end in ends]
        return list(dict.fromkeys(name for name in found if name))


def _through(chain: Sequence[_Step], made: str) -> str | None:
    name: str | None = made
    for step in reversed(chain):
        if name is None:
            return None
        name = step.backwards(name)
    return name


def backwards(rules: Sequence[LfnRule]) -> Backwards:
    """Return the rules of a site to be read backwards, with the reason where one of them cannot be."""
    chains = []
    for number, rule in enumerate(rules, start=1):
        steps = [_step(one) for one in (rule, *rule.then)]
        if any(step is None for step in steps):
            problem = (
                f"LFN rule {number} cannot be read backwards: which logical names lead to a path is certain only for a pattern "
                "of plain text around one group, which the replacement uses once"
            )
            return Backwards(tuple(rules), problem=problem)
        chains.append(tuple(step for step in steps if step is not None))
    return Backwards(tuple(rules), tuple(chains))


def _step(rule: LfnRule) -> _Step | None:
    pattern = _split_pattern(rule.pattern)
    if pattern is None:
        return None
    before, group, name = pattern
    after = _split_replacement(rule.replacement, name)
    if after is None or (len(after) == 2) != group:
        return None
    return _Step(before, (after[0], after[1] if group else ""), group)


def _split_pattern(pattern: str) -> tuple[tuple[str, str], bool, str] | None:
    """Return the text before and after the one group, whether there is one, and its name; None for any other pattern.

    ``/+`` stands for one slash: a name with an empty component leads nowhere.
    """
    texts = [""]
    name = "1"
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            following = pattern[index + 1 : index + 2]
            if not following or following.isalnum():
                return None
            texts[-1] += following
            index += 2
        elif char == "(":
            end = _end_of_group(pattern, index)
            inside = pattern[index + 1 : end]
            named = _NAMED_GROUP.match(inside)
            if len(texts) == 2 or end < 0 or (inside.startswith("?") and named is None):
                return None
            name = named.group(1) if named else "1"
            texts.append("")
            index = end + 1
        elif char == "/" and pattern[index + 1 : index + 2] == "+":
            texts[-1] += char
            index += 2
        elif char in _SPECIAL:
            return None
        else:
            # A quantifier after it would make more than one name of it: it is refused as the next character.
            texts[-1] += char
            index += 1
    return (texts[0], texts[1] if len(texts) == 2 else ""), len(texts) == 2, name


def _end_of_group(pattern: str, start: int) -> int:
    """Return the place of the parenthesis that closes a group, -1 without one."""
    depth, index, is_class = 0, start, False
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            index += 1
        elif is_class:
            is_class = char != "]"
        elif char == "[":
            is_class = True
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return index
        index += 1
    return -1


def _split_replacement(replacement: str, name: str) -> list[str] | None:
    """Return the text before and after the reference to the group; None where another one is named, or it is named twice."""
    texts = [""]
    position = 0
    for found in _REFERENCE.finditer(replacement):
        texts[-1] += replacement[position : found.start()]
        position = found.end()
        wanted = found.group(1) or found.group(2)
        if wanted is None:
            texts[-1] += "$"
        elif wanted not in {"1", name} or len(texts) == 2:
            return None
        else:
            texts.append("")
    texts[-1] += replacement[position:]
    return texts
