"""Setting quotas: one, or many in one transaction, with the rules of superpartitions (language page, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from inventory.selectors.sites import SiteStorage, site_storage
from inventory.services.audit import Actor, audit_record
from policies.exceptions import InvalidTransitionError, PartitionInvalidError, PartitionUnknownError, QuotaInvalidError
from policies.models import Partition, Quota
from policies.permissions import SET_QUOTA, require
from policies.selectors.partitions import leaf_partitions, partition_by_name
from policies.selectors.quotas import PartitionNode, quota_grid
from policies.selectors.sizes import MAX_BYTES

#: Longest reason that the history of a row keeps; the audit trail has all of it.
_HISTORY_REASON = 100
#: Quotas that one act may set.
MAX_CHANGES = 20_000


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """A quota as it shall be: bytes, negative = unlimited, None = no quota any more (counts as 0).

    Where ``is_expected`` is set, ``expected_bytes`` is what whoever asks has seen (None: no quota): if it is another by now,
    nothing is changed.
    """

    partition: str
    site: str
    size_bytes: int | None
    expected_bytes: int | None = None
    is_expected: bool = False

    def __str__(self) -> str:
        return f"{self.partition} at {self.site}"


@dataclass(frozen=True, slots=True)
class SetQuota:
    """What became of one quota, in bytes; None = none."""

    partition: str
    site: str
    before_bytes: int | None
    after_bytes: int | None

    @property
    def is_decrease(self) -> bool:
        """Tell whether less may be stored than before; without a quota is like 0, unlimited is more than any."""
        return _room(self.after_bytes) < _room(self.before_bytes)


@transaction.atomic
def quotas_set(*, changes: Sequence[QuotaChange], actor: Actor, reason: str = "") -> list[SetQuota]:
    """Set all of *changes* or none, and return those that differ from what was, in their order.

    Raises `QuotaInvalidError` for a size that cannot be or one quota named twice; `PartitionInvalidError` for a superpartition,
    an unlimited part of one, an unknown site; `PartitionUnknownError`; `InvalidTransitionError` where a quota is not the expected
    one any more; ``PermissionDenied`` without ``policies.set_quota`` on every partition that is named.
    """
    names = sorted({change.partition for change in changes})
    # Definitions lock the same rows, so that neither can slip past the other's rules.
    partitions = {row.name: row for row in Partition.objects.select_for_update().filter(name__in=names).order_by("pk")}
    for name in names:
        require(actor, SET_QUOTA, partitions.get(name) or partition_by_name(name))
    quotas_check(changes)
    sites = site_storage({change.site for change in changes})
    found = Quota.objects.select_for_update(of=("self",)).filter(partition__in=partitions.values()).select_related("site")
    held = {(row.partition_id, row.site.name): row for row in found.order_by("pk")}
    done = []
    for change in changes:
        partition = partitions[change.partition]
        row = held.get((partition.pk, change.site))
        _demand_expected(change, row)
        outcome = SetQuota(change.partition, change.site, None if row is None else row.size_bytes, change.size_bytes)
        if outcome.before_bytes != outcome.after_bytes:
            _store(row or Quota(partition=partition, site_id=sites[change.site].key), change.size_bytes, actor, reason)
            done.append(outcome)
    if done:
        _record(done, actor, reason)
    return done


def quota_set(*, partition_name: str, site_name: str, size_bytes: int, actor: Actor, reason: str = "") -> Quota:
    """Set the quota of a partition at a site; negative = unlimited. Raises what `quotas_set` does."""
    quotas_set(changes=[QuotaChange(partition_name, site_name, size_bytes)], actor=actor, reason=reason)
    return Quota.objects.select_related("partition", "site").get(partition__name=partition_name, site__name=site_name)


def quotas_check(changes: Sequence[QuotaChange]) -> None:
    """Raise what `quotas_set` would for *changes* that cannot be, whoever asked; nothing is locked."""
    if len(changes) > MAX_CHANGES:
        raise QuotaInvalidError(f"{len(changes)} quotas are too many at once: at most {MAX_CHANGES}")
    partitions = {name: partition_by_name(name) for name in sorted({change.partition for change in changes})}
    sites = site_storage({change.site for change in changes})
    seen: set[tuple[str, str]] = set()
    for change in changes:
        if (change.partition, change.site) in seen:
            raise QuotaInvalidError(f"the quota of {change} is named twice")
        seen.add((change.partition, change.site))
        _demand_possible(change, sites)
    for name, partition in partitions.items():
        sizes = [change.size_bytes for change in changes if change.partition == name and change.size_bytes is not None]
        problem = quota_problem(partition, min(sizes, default=0))
        if problem is not None:
            raise PartitionInvalidError(problem)


def quotas_adjusted(changes: Sequence[QuotaChange], *, superpartition: str = "") -> list[QuotaChange]:
    """Return *changes* with those of the other parts that keep the sum of the superpartition at every site as it is.

    The others give or take in proportion to what they have, to the byte; the first of the largest takes what rounding leaves. All
    carry what was seen as expected. The superpartition may stay unnamed where the partitions that change are in one only.
    Raises `QuotaInvalidError` where they are in none, in several, or where the other parts have too little to give or nothing to
    take by; `PartitionUnknownError`.
    """
    grid = quota_grid()
    nodes = {node.name: node for node in grid.partitions}
    union = _union_of({change.partition for change in changes}, nodes, superpartition)
    found: list[QuotaChange] = []
    for site in sorted({change.site for change in changes}):
        here = [change for change in changes if change.site == site]
        now = {leaf: grid.size_bytes.get((site, leaf)) for leaf in union.leaves}
        found += [replace(change, expected_bytes=now[change.partition], is_expected=True) for change in here]
        gained = sum((change.size_bytes or 0) - (now[change.partition] or 0) for change in here)
        changed = {change.partition for change in here}
        others = {leaf: size for leaf, size in now.items() if size and leaf not in changed}
        shares = _shares(others, -gained, site, union)
        found += [QuotaChange(leaf, site, others[leaf] + share, others[leaf], is_expected=True) for leaf, share in shares]
    return found


def quota_problem(partition: Partition, size_bytes: int) -> str | None:
    """Return why *partition* cannot have the quota *size_bytes*, None if it can."""
    if partition.is_superpartition:
        return f"{partition.name} is a union of partitions: its quota is the sum of theirs, set it on those"
    if size_bytes < 0 and (unions := _unions_of(partition)):
        return f"{partition.name} is a part of {', '.join(unions)}: an unlimited quota has no sum with the others"
    return None


def _store(row: Quota, size_bytes: int | None, actor: Actor, reason: str) -> None:
    row._history_user = actor.user  # type: ignore[attr-defined] # read by simple_history
    row._change_reason = reason[:_HISTORY_REASON]  # type: ignore[attr-defined] # read by simple_history
    if size_bytes is None:
        row.delete()
        return
    row.size_bytes = size_bytes
    row.full_clean()
    row.save()


def _record(done: Sequence[SetQuota], actor: Actor, reason: str) -> None:
    if len(done) == 1:
        (one,) = done
        subject, details = f"{one.partition} at {one.site}", {"before": one.before_bytes, "after": one.after_bytes}
        audit_record(actor=actor, action="policies.quota_set", subject=subject, reason=reason, details=details)
        return
    names = sorted({one.partition for one in done})
    changes = [[one.partition, one.site, one.before_bytes, one.after_bytes] for one in done]
    audit_record(
        actor=actor,
        action="policies.quotas_set",
        subject=f"{len(done)} quotas of {', '.join(names)}"[:512],
        reason=reason,
        details={"changes": changes},
    )


def _demand_possible(change: QuotaChange, sites: dict[str, SiteStorage]) -> None:
    if change.site not in sites:
        raise PartitionInvalidError(f"there is no site {change.site!r}")
    if change.size_bytes is not None and not -MAX_BYTES <= change.size_bytes <= MAX_BYTES:
        raise QuotaInvalidError(f"the quota of {change} cannot be {change.size_bytes} bytes: at most {MAX_BYTES}")


def _demand_expected(change: QuotaChange, row: Quota | None) -> None:
    now = None if row is None else row.size_bytes
    if change.is_expected and now != change.expected_bytes:
        raise InvalidTransitionError(
            f"the quota of {change} is {_said(now)} by now, not {_said(change.expected_bytes)}: look again, then decide anew"
        )


def _said(size_bytes: int | None) -> str:
    return "none" if size_bytes is None else f"{size_bytes:,} bytes"


def _room(size_bytes: int | None) -> float:
    return 0 if size_bytes is None else float("inf") if size_bytes < 0 else size_bytes


def _unions_of(partition: Partition) -> list[str]:
    unions = Partition.objects.filter(condition="").order_by("name")
    return [union.name for union in unions if any(leaf.pk == partition.pk for leaf in leaf_partitions(union))]


def _union_of(changed: set[str], nodes: dict[str, PartitionNode], named: str) -> PartitionNode:
    for name in sorted(changed | ({named} if named else set())):
        if name not in nodes:
            raise PartitionUnknownError(f"there is no partition {name!r}; defined are: {', '.join(sorted(nodes)[:20])}")
    unions = [node for node in nodes.values() if node.is_superpartition and changed <= set(node.leaves)]
    if named:
        unions = [node for node in unions if node.name == named]
    which = ", ".join(sorted(changed))
    if not unions:
        raise QuotaInvalidError(f"{which} is no part of {named or 'a superpartition'}: there is no sum to keep")
    if len(unions) > 1:
        names = ", ".join(sorted(node.name for node in unions))
        raise QuotaInvalidError(f"{which} is a part of {names}: name the one whose sum shall stay")
    return unions[0]


def _shares(others: dict[str, int], change: int, site: str, union: PartitionNode) -> list[tuple[str, int]]:
    """Return how *change* bytes are shared among *others* in proportion to what they have."""
    whole = sum(others.values())
    if change == 0:
        return []
    if whole + change < 0 or whole == 0:
        have = f"the other parts of {union.name} have {whole:,} bytes at {site}"
        raise QuotaInvalidError(f"the sum of {union.name} at {site} cannot stay: {have}, and {-change:,} are asked of them")
    shares = {leaf: change * size // whole for leaf, size in others.items()}
    largest = max(sorted(others), key=lambda leaf: others[leaf])
    shares[largest] += change - sum(shares.values())
    return [(leaf, share) for leaf, share in sorted(shares.items()) if share]
