"""Checking a policy text against the language and, where asked, against what the inventory and the last cycle know."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from inventory.selectors.sites import site_storage
from inventory.selectors.snapshot import existing_dataset_names
from policies.choices import CycleState
from policies.language.ast import Policy
from policies.language.diagnostics import Diagnostic, sort_diagnostics
from policies.language.expectations import parse_expectations
from policies.language.linter import SiteFacts, lint_policy
from policies.language.parser import parse_policy
from policies.models import Cycle, CycleRule

#: How many cycles back the same text is looked for.
_CYCLES_BACK = 5


def policy_check(
    *,
    text: str,
    partition_name: str | None = None,
    file_name: str = "<policy>",
    now: datetime | None = None,
    with_inventory: bool = True,
) -> tuple[Diagnostic, ...]:
    """Return every error, warning and note about *text*, sorted by place; nothing is raised for any text.

    *with_inventory* adds the warnings that need the database: unknown exact names, a condition on tape without a tape site,
    rules that matched nothing when this very text was last evaluated.
    """
    moment = (now or timezone.now()).timestamp()
    result = parse_policy(text, file_name=file_name, partition=partition_name, now=moment)
    policy = result.policy
    if policy is None:
        return result.diagnostics
    if not with_inventory:
        return sort_diagnostics([*result.diagnostics, *lint_policy(policy, now=moment)])
    # An empty inventory says nothing about names and sites.
    sites = [SiteFacts(site.name, site.status, site.storage_type) for site in site_storage().values()] or None
    warnings = lint_policy(
        policy,
        now=moment,
        sites=sites,
        dataset_names=existing_dataset_names if sites is not None else None,
        unmatched_lines=_unmatched_lines(policy, text),
    )
    return sort_diagnostics([*result.diagnostics, *warnings])


def expectations_check(*, text: str, now: datetime | None = None) -> tuple[Diagnostic, ...]:
    """Return every finding about a text of expectations, sorted by place; nothing is raised for any text."""
    _, findings = parse_expectations(text, now=(now or timezone.now()).timestamp())
    return findings


def _unmatched_lines(policy: Policy, text: str) -> set[int]:
    """Return the lines that decided nothing in the latest cycle of this very text."""
    cycles = Cycle.objects.filter(partition__name=policy.partition, state=CycleState.COMPLETED).order_by("-pk")
    for pk, evaluated in cycles.values_list("pk", "text")[:_CYCLES_BACK]:
        if evaluated == text:
            unmatched = CycleRule.objects.filter(cycle_id=pk, num_replicas=0, line__gt=0)
            return set(unmatched.values_list("line", flat=True))
    return set()
