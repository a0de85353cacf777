"""The books of one cycle: which rule decided each block replica, which replicas are candidates, what was deleted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.evaluator import UNDECIDED, StackEvaluator, Verdict
from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.membership import Membership
from policies.evaluation.state import CycleState, sums_of_groups
from policies.language.ast import Rule
from policies.language.types import Action
from policies.planning.handover import BlockSets, GivenUp, give_up
from policies.planning.limits import SiteLedger
from policies.planning.outcome import NOT_HANDED_OVER, Decision, Deletion, Outcome, SiteOutcome
from policies.planning.watching import Watch

_DECISIONS = {Action.IGNORE: Decision.IGNORE, Action.PROTECT: Decision.PROTECT, Action.DISMISS: Decision.KEEP}


class Cycle:
    """What has been decided by now; the passes and the steps write here.

    - ``rule``: (n_block_replicas,) row of the stack that decided each block last, -1 = none;
    - ``final_rule``: (n_replicas,) rule that ended the replica's last pass;
    - ``is_settled``: (n_replicas,) bool, not to be evaluated again;
    - ``is_candidate``: (n_replicas,) bool, has dismissed blocks at a site that is triggered now;
    - ``num_changes``: (n_datasets,) how often something was deleted or handed over;
    - ``turns``: step and replica of each unit whose turn came, in order;
    - ``is_protect``, ``is_dismiss``, ``is_delete``, ``is_ignore``: per rule, one false more at the end for ``UNDECIDED``.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        state: CycleState,
        partition: Membership,
        ledger: SiteLedger,
        stack: StackEvaluator,
        *,
        newest_in_scope: float,
        watch: Watch | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.state = state
        self.arrays = state.arrays
        self.partition = partition
        self.ledger = ledger
        self.newest_in_scope = newest_in_scope
        self._stack = stack
        self._watch = watch
        actions = [*(rule.action for rule in rules), None]
        self.is_protect = np.array([action is Action.PROTECT for action in actions])
        self.is_dismiss = np.array([action is Action.DISMISS for action in actions])
        self.is_delete = np.array([action is Action.DELETE for action in actions])
        self.is_ignore = np.array([action is Action.IGNORE for action in actions])
        arrays = self.arrays
        self.rule = np.full(arrays.num_rows, UNDECIDED, dtype=np.int32)
        self.final_rule = np.full(arrays.num_replicas, UNDECIDED, dtype=np.int32)
        self.is_settled = np.zeros(arrays.num_replicas, dtype=np.bool_)
        self.is_candidate = np.zeros(arrays.num_replicas, dtype=np.bool_)
        self.new_owner = np.full(arrays.num_rows, NOT_HANDED_OVER, dtype=np.int32)
        self.deletions: list[Deletion] = []
        self.turns: list[tuple[int, int]] = []
        self._is_deleted = np.zeros(arrays.num_rows, dtype=np.bool_)
        self._empty_at_start = np.flatnonzero(state.empty)
        self.num_changes = np.zeros(arrays.num_datasets, dtype=np.int64)
        self._once: dict[int, int] = {}
        self._num_candidates = np.zeros(arrays.num_sites, dtype=np.int64)

    def evaluate(self, replicas: Ints) -> Verdict:
        """Return what the stack says about *replicas* in the state of this moment."""
        if self._watch is not None:
            self._watch.observe(self.state, replicas, self.deletions)
        return self._stack.evaluate(self.state, replicas)

    def unsettled(self, replicas: Ints) -> Ints:
        """Return those of *replicas* that are still there and are to be evaluated again."""
        return replicas[self.state.exists[replicas] & ~self.is_settled[replicas]]

    def record(self, replicas: Ints, final_rule: NDArray[np.int32], rows: Ints, owner: Ints, rule: NDArray[np.int32]) -> None:
        """Note the decisions of a pass on *replicas* for their present block replicas *rows*; nothing is deleted here."""
        self.rule[rows] = rule
        self.final_rule[replicas] = final_rule
        self.ledger.protect(rows[self.is_protect[rule]])
        is_partly = np.zeros(len(replicas), dtype=np.bool_)
        is_partly[owner[rule != final_rule[owner]]] = True
        self.is_settled[replicas] = (self.is_protect[final_rule] & ~is_partly) | self.is_ignore[final_rule]
        dismissed = self.is_dismiss[final_rule] & self.state.empty[replicas]
        dismissed[owner[self.is_dismiss[rule]]] = True
        site = self.arrays.replica_site[replicas]
        triggered = np.array(self.ledger.is_triggered)[site]
        is_candidate = dismissed & triggered
        np.add.at(self._num_candidates, site, is_candidate.astype(np.int64) - self.is_candidate[replicas])
        self.is_candidate[replicas] = is_candidate
        for replica in replicas[is_candidate & self.is_ignore[final_rule]].tolist():
            self._once[replica] = int(self.num_changes[self.arrays.replica_dataset[replica]])

    def delete(self, step: int, sets: BlockSets) -> None:
        """Note that all *sets* go in *step* (0 = in a pass). The state is not touched."""
        arrays = self.arrays
        self._is_deleted[sets.rows] = True
        self.rule[sets.rows] = sets.rule[sets.owner]
        self.num_changes[arrays.replica_dataset[sets.replicas]] += 1
        counts = np.bincount(sets.owner, minlength=len(sets.replicas))
        sizes: list[int] = sums_of_groups(arrays.row_size[sets.rows], counts).tolist()
        ends = np.cumsum(counts)
        columns = (arrays.replica_site[sets.replicas], sets.replicas, sets.rule, ends - counts, ends)
        for size, site, replica, rule, first, end in zip(sizes, *(column.tolist() for column in columns), strict=True):
            self.ledger.bytes_now[site] -= size
            self.ledger.num_deletions[site] += 1
            self.deletions.append(Deletion(step, replica, rule, sets.rows[first:end], size))

    def delete_whole(self, step: int, replica: int, rule: int, rows: Ints) -> int:
        """Note that *rows*, all that *replica* has, go by *rule* in *step*; return their bytes. The state is not touched.

        A step calls this for each of its units, thousands of times in a cycle.
        """
        size = int(self.state.size[replica])
        site = int(self.arrays.replica_site[replica])
        self._is_deleted[rows] = True
        self.rule[rows] = rule
        self.num_changes[self.arrays.replica_dataset[replica]] += 1
        self.ledger.bytes_now[site] -= size
        self.ledger.num_deletions[site] += 1
        self.deletions.append(Deletion(step, replica, rule, rows, size))
        return size

    def give_up(self, step: int, sets: BlockSets) -> GivenUp:
        """Delete or hand over all *sets*, and bring state and books up to date."""
        given = give_up(self.state, self.partition, sets)
        loses = np.bincount(sets.owner[given.is_deleted], minlength=len(sets.replicas)) > 0
        position = np.cumsum(loses) - 1
        deleted_owner = position[sets.owner[given.is_deleted]]
        self.delete(step, BlockSets(sets.replicas[loses], sets.rule[loses], sets.rows[given.is_deleted], deleted_owner))
        handed = ~given.is_deleted
        self.num_changes[self.arrays.replica_dataset[sets.replicas[sets.owner[handed]]]] += 1
        self.new_owner[sets.rows[handed]] = given.new_owner[handed]
        self.rule[sets.rows[handed]] = UNDECIDED
        self.ledger.leave(sets.rows[handed & ~given.is_kept])
        return given

    def remove(self, rows: Ints) -> None:
        """Take *rows*, noted as deleted, out of the inventory that the rules and the partition's definition see."""
        self.state.remove(rows)
        self.partition.remove(rows)

    def delete_empty(self, step: int, replica: int, rule: int) -> None:
        """Delete a replica that holds nothing; it has no blocks to hand over."""
        self.delete_whole(step, replica, rule, np.zeros(0, dtype=np.int64))
        self.final_rule[replica] = rule
        self.state.leave_empty(np.array([replica]))

    def end_pass(self) -> None:
        """Take back candidates that rest on a state that is no more: of ignored replicas, which are not evaluated again."""
        for replica, num_changes in self._once.items():
            if self.num_changes[self.arrays.replica_dataset[replica]] != num_changes:
                self.forget_candidate(replica)

    def end_step(self) -> None:
        """Take back the candidates of ignored replicas that the step did not reach: no later pass makes them candidates again."""
        for replica in self._once:
            self.forget_candidate(replica)
        self._once.clear()

    def forget_candidate(self, replica: int) -> None:
        if self.is_candidate[replica]:
            self.is_candidate[replica] = False
            self._num_candidates[self.arrays.replica_site[replica]] -= 1

    def forget_candidates(self, replicas: Ints) -> None:
        """Take back the candidates of *replicas* (no duplicates)."""
        candidates = replicas[self.is_candidate[replicas]]
        self.is_candidate[candidates] = False
        np.subtract.at(self._num_candidates, self.arrays.replica_site[candidates], 1)

    def release(self, site: int, step: int) -> None:
        """Release *site* in *step* and take back its candidates: it is clean, they are kept."""
        self.ledger.release(site, step)
        self.is_candidate[self.arrays.site_first[site] : self.arrays.site_first[site + 1]] = False
        self._num_candidates[site] = 0

    def has_candidates(self) -> bool:
        return bool(self._num_candidates.any())

    def num_sites_with_candidates(self) -> int:
        return int(np.count_nonzero(self._num_candidates))

    def candidates_at(self, site: int) -> Ints:
        first, end = self.arrays.site_first[site], self.arrays.site_first[site + 1]
        found: Ints = first + np.flatnonzero(self.is_candidate[first:end])
        return found

    def fullest_site(self) -> int:
        """Return the site with candidates whose protected fraction is highest, the first by name among equals."""
        sites = np.flatnonzero(self._num_candidates)
        return max((int(site) for site in sites), key=lambda site: (self.ledger.protected_fraction(site), -site))

    def outcome(self, targets: Ints, *, num_passes: int, num_steps: int) -> Outcome:
        """Return the frozen result; no candidate may be left."""
        present = self.state.present
        by_rule = np.array(
            [*(_DECISIONS.get(rule.action, Decision.OUTSIDE) for rule in self.rules), Decision.OUTSIDE], dtype=np.int8
        )
        decision = np.where(present, by_rule[self.rule], np.int8(Decision.OUTSIDE)).astype(np.int8)
        decision[self._is_deleted] = Decision.DELETE
        rule = np.where(decision == Decision.OUTSIDE, np.int32(UNDECIDED), self.rule)
        self.new_owner[self._is_deleted] = NOT_HANDED_OVER
        return Outcome(
            rules=self.rules,
            decision=decision,
            rule=rule,
            new_owner=self.new_owner,
            in_scope=self.state.in_scope,
            empty_replicas=self._empty_outcomes(),
            deletions=tuple(self.deletions),
            target_sites=tuple(self._site_outcome(int(site)) for site in targets),
            num_passes=num_passes,
            num_steps=num_steps,
            turns=tuple(self.turns),
            newest_in_scope=self.newest_in_scope,
            newest_of_all=self.partition.newest,
        )

    def _empty_outcomes(self) -> dict[int, tuple[Decision, int]]:
        found: dict[int, tuple[Decision, int]] = {}
        for replica in self._empty_at_start.tolist():
            rule = int(self.final_rule[replica])
            kept = self.state.empty[replica]
            found[replica] = (_DECISIONS[self.rules[rule].action] if kept else Decision.DELETE, rule)
        return found

    def _site_outcome(self, site: int) -> SiteOutcome:
        ledger = self.ledger
        return SiteOutcome(
            site=site,
            quota_bytes=ledger.quota[site],
            bytes_before=ledger.bytes_before[site],
            bytes_after=ledger.bytes_now[site],
            protected_bytes=ledger.protected[site],
            is_triggered=ledger.is_triggered[site] or ledger.released_in_step[site] is not None,
            released_in_step=ledger.released_in_step[site],
            num_deletions=ledger.num_deletions[site],
        )
