"""What quotas would do before they are set: the real cycle of each active policy, on one snapshot, with the quotas put in.

A preview evaluates as the next automatic cycle will: same text, same step limit, same protecting guardrails, same engine. With
the same inventory, facts and clock that cycle decides what the preview says, item by item; its digest tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from django.utils import timezone

from inventory.selectors.snapshot import inventory_standing
from policies.choices import CycleKind
from policies.evaluation.columns import Snapshot
from policies.language.ast import Policy as PolicyText
from policies.models import Cycle, Partition, Policy, PolicyVersion
from policies.planning.decisions import plan_digest
from policies.planning.outcome import Decision, Outcome, SiteOutcome
from policies.planning.planner import plan_cycle
from policies.selectors.partitions import GuardrailScope, PartitionScope, guardrails_of, partition_scope
from policies.selectors.quotas import partition_nodes, quota_grid
from policies.selectors.watermarks import watermarks_of
from policies.services.cycles import parsed_policy
from policies.services.judging import judge_plan
from policies.services.quotas import QuotaChange, quotas_check
from policies.services.recording import Sums, outcome_sums
from policies.services.snapshots import scope_variables, snapshot_take

#: Told what is being done and which part of it is done.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class SitePreview:
    """What a cycle does at a site with the quotas as they are (``_now``) and as they would be (``_then``), in bytes.

    ``is_reachable`` is False where the site stays above the mark of ``Until``, or above the quota itself, because what is left is
    protected; None where there is no quota to reach (0 or unlimited).
    """

    site: str
    quota_now: int
    quota_then: int
    used_bytes: int
    protected_bytes: int
    deleted_now: int
    deleted_then: int
    after_then: int
    is_triggered_now: bool
    is_triggered_then: bool
    is_released_then: bool
    is_reachable: bool | None

    @property
    def protected_fraction(self) -> float | None:
        """Protected bytes as a part of the new quota, None without one."""
        return self.protected_bytes / self.quota_then if self.quota_then > 0 else None


@dataclass(frozen=True, slots=True)
class PolicyPreview:
    """What the active version of one policy would do; ``tripped`` says which safety limits would hold its plan."""

    policy: str
    version: str
    partition: str
    digest_now: str
    digest_then: str
    sites: tuple[SitePreview, ...]
    tripped: tuple[str, ...]

    @property
    def deleted_now(self) -> int:
        return sum(site.deleted_now for site in self.sites)

    @property
    def deleted_then(self) -> int:
        return sum(site.deleted_then for site in self.sites)


@dataclass(frozen=True, slots=True)
class QuotasPreview:
    """The preview of every policy concerned; ``without_policy`` are partitions in which nothing is deleted by any policy."""

    policies: tuple[PolicyPreview, ...]
    without_policy: tuple[str, ...]


def quotas_preview(*, changes: Sequence[QuotaChange], now: datetime, progress: Progress | None = None) -> QuotasPreview:
    """Return what the next automatic cycles would do at the clock *now* once *changes* are set. Nothing is written.

    Concerned are the enabled policies with an active version whose partition shares a part with one that changes. The inventory
    is read once. Raises what ``quotas_check`` raises for the changes, and what a cycle raises for policies and facts.
    """
    report = progress or (lambda _what, _share: None)
    quotas_check(changes)
    concerned, without = _concerned({change.partition for change in changes})
    versions = [policy.active_version for policy in concerned if policy.active_version is not None]
    texts = [parsed_policy(v.text, str(v), partition_name=p.partition.name) for v, p in zip(versions, concerned, strict=True)]
    scopes = [partition_scope(policy.partition.name) for policy in concerned]
    rails = [guardrails_of(scope.id) for scope in scopes]
    if not concerned:
        return QuotasPreview((), without)
    report("reading the inventory", 0.0)
    variables: set[str] = set()
    for text, scope, found_rails in zip(texts, scopes, rails, strict=True):
        variables |= scope_variables([text], scope, [rail.rule.condition for rail in found_rails])
    snapshot = snapshot_take(quotas={}, variables=variables, now=now).snapshot
    planned = _quotas_with(changes)
    found = []
    for number, policy in enumerate(concerned):
        share = number / len(concerned)
        report(f"evaluating {policy.name}", share)
        case = _Case(policy, versions[number], texts[number], scopes[number], rails[number], snapshot, now)
        found.append(_preview(case, {site: size for (site, name), size in planned.items() if name == policy.partition.name}))
    return QuotasPreview(tuple(found), without)


@dataclass(frozen=True, slots=True)
class _Case:
    """One policy with what it is evaluated on."""

    policy: Policy
    version: PolicyVersion
    text: PolicyText
    scope: PartitionScope
    rails: Sequence[GuardrailScope]
    snapshot: Snapshot
    now: datetime

    def outcome(self, quotas: Mapping[str, int]) -> tuple[Outcome, Snapshot]:
        """Return what the cycle decides with these quotas by site name."""
        names = self.snapshot.sites.get_column("name")
        column = pl.Series([quotas.get(name, 0) for name in names], dtype=pl.Int64)
        snapshot = replace(self.snapshot, sites=self.snapshot.sites.with_columns(quota=column))
        outcome = plan_cycle(
            self.text,
            self.scope.conditions,
            snapshot,
            now=self.now.timestamp(),
            deletion_per_iteration=self.policy.deletion_per_iteration,
            guardrails=[rail.rule for rail in self.rails if rail.is_protecting],
        )
        return outcome, snapshot


def _preview(case: _Case, quotas_then: Mapping[str, int]) -> PolicyPreview:
    now, snapshot_now = case.outcome(case.scope.quotas)
    then, snapshot_then = case.outcome(quotas_then)
    names = snapshot_then.sites.get_column("name").to_list()
    marks = watermarks_of(case.version.text).until
    before = {names[site.site]: site for site in now.target_sites}
    sums_now, sums_then = outcome_sums(now, snapshot_now), outcome_sums(then, snapshot_then)
    after = {names[site.site]: site for site in then.target_sites}
    rows = [
        _site_preview(name, _Side(before.get(name), sums_now), _Side(after.get(name), sums_then), marks)
        for name in sorted(before.keys() | after.keys())
    ]
    return PolicyPreview(
        policy=case.policy.name,
        version=str(case.version),
        partition=case.scope.name,
        digest_now=plan_digest(now, snapshot_now),
        digest_then=plan_digest(then, snapshot_then),
        sites=tuple(rows),
        tripped=tuple(_tripped(case, then, snapshot_then)),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """A site in one of the two outcomes; ``site`` None where ``On``, which may depend on the quota, leaves it out."""

    site: SiteOutcome | None
    sums: Sums

    def bytes(self, decision: Decision) -> int:
        return 0 if self.site is None else self.sums.by_site.get(self.site.site, {}).get(decision, 0)


def _site_preview(name: str, now: _Side, then: _Side, marks: Sequence[float]) -> SitePreview:
    known = then.site or now.site
    if known is None:
        raise AssertionError("a site comes from one of the two outcomes")
    protected = (then if then.site else now).bytes(Decision.PROTECT)
    return SitePreview(
        site=name,
        quota_now=now.site.quota_bytes if now.site else 0,
        quota_then=then.site.quota_bytes if then.site else 0,
        used_bytes=known.bytes_before,
        protected_bytes=protected,
        deleted_now=now.bytes(Decision.DELETE),
        deleted_then=then.bytes(Decision.DELETE),
        after_then=then.site.bytes_after if then.site else known.bytes_before,
        is_triggered_now=now.site is not None and now.site.is_triggered,
        is_triggered_then=then.site is not None and then.site.is_triggered,
        is_released_then=then.site is not None and then.site.is_released,
        is_reachable=_is_reachable(then.site, protected, marks) if then.site else None,
    )


def _is_reachable(site: SiteOutcome, protected_bytes: int, marks: Sequence[float]) -> bool | None:
    if site.quota_bytes <= 0:
        return None
    if protected_bytes > site.quota_bytes:
        return False
    is_stuck = site.is_triggered and not site.is_released and bool(marks)
    return not (is_stuck and site.bytes_after / site.quota_bytes > max(marks))


def _tripped(case: _Case, outcome: Outcome, snapshot: Snapshot) -> list[str]:
    """Return what would hold the plan, as the automatic cycle judges it."""
    cycle = Cycle(
        kind=CycleKind.AUTOMATIC,
        partition=Partition.objects.get(pk=case.scope.id),
        policy_version=case.version,
        source=str(case.version),
        clock=case.now,
    )
    readings = judge_plan(
        cycle=cycle,
        outcome=outcome,
        snapshot=snapshot,
        scope=case.scope,
        guardrails=case.rails,
        standing=inventory_standing(),
        now=timezone.now(),
    )
    return [reading.text for reading in readings if reading.is_tripped] if outcome.deletions else []


def _concerned(partitions: Iterable[str]) -> tuple[list[Policy], tuple[str, ...]]:
    """Return the policies whose quotas change, and the partitions of *partitions* that none of them works on."""
    nodes = partition_nodes()
    changed = set(partitions)
    active = Policy.objects.filter(is_enabled=True, active_version__isnull=False).order_by("name")
    policies = [
        policy
        for policy in active.select_related("partition", "active_version__policy")
        if changed & set(nodes[policy.partition.name].leaves)
    ]
    covered = {leaf for policy in policies for leaf in nodes[policy.partition.name].leaves}
    return policies, tuple(sorted(changed - covered))


def _quotas_with(changes: Sequence[QuotaChange]) -> dict[tuple[str, str], int]:
    """Return all quotas by (site, partition) with *changes* put in and superpartitions summed anew."""
    grid = quota_grid()
    leaves = {node.name for node in grid.partitions if not node.is_superpartition}
    sizes = {key: size for key, size in grid.size_bytes.items() if key[1] in leaves}
    for change in changes:
        sizes.pop((change.site, change.partition), None)
        if change.size_bytes is not None:
            sizes[change.site, change.partition] = change.size_bytes
    return {
        (site, node.name): sum(sizes.get((site, leaf), 0) for leaf in node.leaves)
        for node in grid.partitions
        for site in grid.sites
    }
