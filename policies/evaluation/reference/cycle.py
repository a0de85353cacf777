"""The loop of a cycle, replica by replica (language page, section 5): slow, obvious, and the tests' oracle.

It shares with the engine the syntax tree and the snapshot, and no line of code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from policies.evaluation.reference.conditions import Clock, truth_of_condition
from policies.evaluation.reference.objects import BlockReplica, Group, Site
from policies.evaluation.reference.scope import Member, Start, site_meets
from policies.evaluation.reference.values import Scope, View, occupancy_of
from policies.language.ast import Condition, OrderKey, Policy
from policies.language.types import Action, Truth


class Guardrail(Protocol):
    """A protecting guardrail: a Protect rule on top of the stack."""

    @property
    def condition(self) -> Condition: ...


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule of the stack as it is applied; the default has no condition and line 0, guardrails have -1, -2, ..."""

    action: Action
    is_block: bool
    condition: Condition | None
    line: int


@dataclass(frozen=True, slots=True)
class Removal:
    """Blocks of a replica that one rule deleted together; step 0: by a Delete rule in a pass."""

    site: str
    dataset: str
    blocks: tuple[str, ...]
    size: int
    step: int
    line: int


def stack_of(policy: Policy, guardrails: Sequence[Guardrail], now: float) -> list[AppliedRule]:
    """Return guardrails, rules and default in order, without the rules whose label has expired (section 2, Extensions)."""
    stack = [AppliedRule(Action.PROTECT, False, guardrail.condition, -1 - n) for n, guardrail in enumerate(guardrails)]
    for rule in (*policy.rules, policy.default):
        if rule.label is None or not rule.label.is_expired(now):
            stack.append(AppliedRule(rule.action, rule.is_block, rule.condition, rule.decision_line))
    return stack


def takes(rule: AppliedRule, view: View, clock: Clock) -> bool:
    """Tell whether *rule* takes what *view* shows: unknown is true for Protect and Ignore, false for Delete and Dismiss."""
    if rule.condition is None:
        return True
    truth = truth_of_condition(rule.condition, view.values, clock)
    wanted = Truth.UNKNOWN if rule.action in (Action.PROTECT, Action.IGNORE) else Truth.TRUE
    return truth.value >= wanted.value


class Cycle:
    """One cycle; ``run`` goes through it once."""

    def __init__(
        self, policy: Policy, stack: list[AppliedRule], start: Start, clock: Clock, deletion_per_iteration: float
    ) -> None:
        self.policy = policy
        self.stack = stack
        self.start = start
        self.clock = clock
        self.deletion_per_iteration = deletion_per_iteration
        self.members = list(start.members)
        self.scope = Scope.over(start.members)
        self.sites = {site.name: site for site in start.targets}
        self.size_at = dict.fromkeys(self.sites, 0)
        for member in start.members:
            self.size_at[member.site.name] += sum(part.size for part in member.blocks)
        self.protected: dict[str, dict[int, BlockReplica]] = {name: {} for name in self.sites}
        self.removals: list[Removal] = []
        self.num_passes = 0
        self.num_steps = 0
        # Whoever meets a When now is triggered; nobody becomes so later [89].
        self.triggered = {
            name
            for name, site in self.sites.items()
            if site_meets(policy.triggers, site, start.occupancy[name], clock, Truth.TRUE)
        }
        self.released: set[str] = set()

    def run(self) -> None:
        """Pass, step, pass, step, ... until a pass leaves no candidate; its keep decisions are final."""
        while True:
            self._pass()
            units = [member for member in self.members if member.candidates]
            if not units:
                break
            self.num_steps += 1
            if self.policy.is_static:
                self._static_step(units)
            else:
                self._step(units)
        for member in self.members:
            self._keep_what_was_not_needed(member)

    @staticmethod
    def _keep_what_was_not_needed(member: Member) -> None:
        """A candidate that no step reached, of a replica that was ignored in the same pass, is dismissed but not needed."""
        for part in member.blocks:
            if part.decision == "candidate":
                part.decision = "keep"
        if member.empty_decision is not None and member.empty_decision[0] == "candidate":
            member.empty_decision = ("keep", member.empty_decision[1])

    # -- a pass ------------------------------------------------------------------------------------------------------

    def _pass(self) -> None:
        """Evaluate all, then those again whose dataset a Delete rule has changed, until none deletes any more."""
        self.num_passes += 1
        for member in self.members:
            if member.is_ignored:
                # Not evaluated again: what it left as candidates was for the step of its own pass.
                member.candidates = {}
        concerned = list(self.members)
        while concerned:
            changed = set()
            for member in concerned:
                if self._evaluate(member):
                    changed.add(member.dataset.name)
            concerned = [member for member in self.members if member.dataset.name in changed]

    def _evaluate(self, member: Member) -> bool:
        """Run *member* down the stack; return whether a Delete rule deleted something of it."""
        if member.is_settled or member.is_ignored or member.is_gone:
            return False
        member.candidates = {}
        for part in member.blocks:
            part.decision = part.rule = None
        visible = list(member.blocks)
        view = View(self.scope, member, visible)
        handed_over: list[BlockReplica] = []
        has_deleted = False
        for index, rule in enumerate(self.stack):
            if not takes(rule, view, self.clock):
                continue
            taken = visible
            if rule.is_block:
                taken = [part for part in visible if takes(rule, View(self.scope, member, visible, part), self.clock)]
            if not rule.is_block or len(taken) == len(visible):
                # A block rule that matches all that is left acts as the dataset-level rule [1, 5, 8]; the decision that
                # ends the pass also covers what an earlier DeleteBlock has handed over [73, 78].
                return self._decide(member, index, sorted(taken + handed_over, key=_name), is_end=True) or has_deleted
            if not taken:
                continue  # true for the replica, for no block alone [14]
            has_deleted |= self._decide(member, index, taken, is_end=False)
            hidden = {id(part) for part in taken}
            visible = [part for part in visible if id(part) not in hidden]
            view = View(self.scope, member, visible)
            # Handed over by a DeleteBlock and still here: hidden, but part of the rest [73, 78].
            if rule.action is Action.DELETE:
                handed_over += [part for part in taken if part in member.blocks]
        raise AssertionError("the default decides whatever is left")

    def _decide(self, member: Member, index: int, parts: list[BlockReplica], *, is_end: bool) -> bool:
        """Let rule *index* decide *parts*; return whether it deleted something."""
        action = self.stack[index].action
        is_triggered = member.site.name in self.triggered
        if action is Action.DELETE:
            return self._let_go(member, index, parts, step=0) is not None
        if action is Action.DISMISS and is_triggered:
            member.candidates[index] = parts
        decision = {Action.PROTECT: "protect", Action.IGNORE: "ignore", Action.DISMISS: "candidate" if is_triggered else "keep"}
        for part in parts:
            part.decision, part.rule = decision[action], index
        if not member.num_at_start:
            member.empty_decision = (decision[action], index)
        if action is Action.PROTECT:
            self.protected[member.site.name].update({id(part): part for part in parts})
            # Settled: it covers every block replica that the replica has by now.
            member.is_settled = is_end and len(parts) == len(member.blocks)
        if action is Action.IGNORE:
            member.is_ignored = True
        return False

    # -- steps -------------------------------------------------------------------------------------------------------

    def _step(self, units: list[Member]) -> None:
        """Take units of the triggered site with the highest protected fraction, ties by name [67, 68]."""
        names = {member.site.name for member in units}
        site = self.sites[min(names, key=lambda name: (-self._protected_fraction(name), name))]
        deleted = 0
        for member in self._ordered([member for member in units if member.site is site]):
            # Strictly more than the limit ends the step, before the next unit [69]; none at quota <= 0 [50].
            if site.quota > 0 and deleted / site.quota > self.deletion_per_iteration:
                return
            deleted += self._take(member)
            if self._is_clean_enough(site):
                self._release(site)
                return

    def _static_step(self, units: list[Member]) -> None:
        """Take units of all sites, without limit; one whose dataset has changed is evaluated again first [64]."""
        changed: set[str] = set()
        for member in self._ordered(units):
            if member.site.name not in self.triggered:
                continue  # released within this step: its later units are kept
            if member.dataset.name in changed:
                self._evaluate(member)
            if not member.candidates:
                continue
            self._take(member)
            changed.add(member.dataset.name)
            if self._is_clean_enough(member.site):
                self._release(member.site)

    def _take(self, member: Member) -> int:
        """Hand over or delete the candidates of *member*, rule by rule in stack order; return the bytes deleted."""
        candidates, member.candidates = member.candidates, {}
        removals = [self._let_go(member, index, candidates[index], step=self.num_steps) for index in sorted(candidates)]
        return sum(removal.size for removal in removals if removal is not None)

    def _protected_fraction(self, name: str) -> float:
        """Bytes protected by now in this cycle / quota; exactly 1 at quota <= 0 [67, 68]."""
        quota = self.sites[name].quota
        return sum(part.size for part in self.protected[name].values()) / quota if quota > 0 else 1.0

    def _is_clean_enough(self, site: Site) -> bool:
        occupancy = occupancy_of(site, self.size_at[site.name])
        return site_meets(self.policy.stops, site, occupancy, self.clock, Truth.UNKNOWN)

    def _release(self, site: Site) -> None:
        self.triggered.discard(site.name)
        self.released.add(site.name)

    def _ordered(self, units: list[Member]) -> list[Member]:
        """Sort by ``Order``, which sees the whole replica; unknown last; ties by (site, dataset)."""
        return sorted(units, key=lambda member: ([self._order_value(key, member) for key in self.policy.order], member.key))

    def _order_value(self, key: OrderKey, member: Member) -> tuple[bool, float]:
        value = order_value(View(self.scope, member, member.blocks), key)
        if value is None:
            return True, 0.0
        return False, -value if key.descending else value

    # -- going -------------------------------------------------------------------------------------------------------

    def _let_go(self, member: Member, index: int, parts: list[BlockReplica], *, step: int) -> Removal | None:
        """Delete *parts* or hand them over, as one set of rule *index* (section 5, Handing over).

        1. all that the replica has: all go [77]; 2. beside a block of a Dataset-level group, the first by name gives the
        new owner: blocks in such groups go, the others are handed over [73-81]; 3. otherwise all go [76].
        """
        self._forget_candidates_of_ignored(member)
        dataset_level = [part for part in member.blocks if part.owner.is_dataset_level]
        if len(parts) == len(member.blocks) or not dataset_level:
            return self._remove(member, index, parts, step)
        going = [part for part in parts if part.owner.is_dataset_level]
        for part in parts:
            if not part.owner.is_dataset_level:
                self._hand_over(member, part, dataset_level[0].owner)
        return self._remove(member, index, going, step) if going else None

    def _hand_over(self, member: Member, part: BlockReplica, new_owner: Group) -> None:
        """Give *part* to *new_owner*; if that takes it out of the partition it leaves the cycle, not deleted [82]."""
        part.owner = part.handed_to = new_owner
        part.decision = part.rule = None
        if not self.start.membership.contains(member.whole, part):
            member.blocks.remove(part)
            self.size_at[member.site.name] -= part.size

    def _remove(self, member: Member, index: int, parts: list[BlockReplica], step: int) -> Removal:
        """Delete *parts* now; a replica of which nothing is left is gone."""
        for part in parts:
            part.decision, part.rule = "delete", index
            member.blocks.remove(part)
            member.whole.blocks.remove(part)
        if not member.num_at_start:
            member.empty_decision = ("delete", index)
        if not member.blocks:
            member.is_gone = True
            self.members.remove(member)
            self.scope.copies(member.dataset).remove(member)
        removal = Removal(
            site=member.site.name,
            dataset=member.dataset.name,
            blocks=tuple(part.block.name for part in parts),
            size=sum(part.size for part in parts),
            step=step,
            line=self.stack[index].line,
        )
        self.size_at[member.site.name] -= removal.size
        self.removals.append(removal)
        return removal

    def _forget_candidates_of_ignored(self, changed: Member) -> None:
        """Keep what an ignored replica of the changed dataset offered: nobody asks it again whether that is still right.

        Section 5, Sequential safety: every deletion is justified in the state that all earlier ones have left.
        """
        for copy in self.members:
            if copy.dataset is changed.dataset and copy is not changed and copy.is_ignored:
                copy.candidates = {}


def order_value(view: View, key: OrderKey) -> float | None:
    """Return the number that ``Order`` sorts by, None if it is unknown."""
    value = next(iter(view.of_variable(key.variable, key.attribute)))
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _name(part: BlockReplica) -> str:
    return part.block.name
