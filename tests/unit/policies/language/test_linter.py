"""The linter warns of what is certain, and of nothing that CMS's own policies do on purpose."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from policies.language.diagnostics import Diagnostic
from policies.language.linter import SiteFacts, lint_policy
from policies.language.parser import parse_policy

NOW = 1767225600.0
SITES = (SiteFacts("T1_US_FNAL_MSS", "READY", "MSS"), SiteFacts("T2_US_MIT", "READY", "DISK"))
HEAD = "Partition P\nOn site.name == *\nWhen always\nUntil never\nOrder none\nDismiss\n"


def lint(*rules: str, head: str = HEAD, sites: tuple[SiteFacts, ...] | None = None) -> list[tuple[int, str]]:
    """Return (line from 1 among the rules, code) of the warnings."""
    result = parse_policy(head + "\n".join(rules))
    assert result.policy is not None, result.diagnostics
    first = head.count("\n")
    return [(d.span.line - first, d.code) for d in lint_policy(result.policy, now=NOW, sites=sites)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("Protect dataset.name == /A*", "Dismiss dataset.name == /AB/*"),
        ("Protect dataset.name == /A*", "Dismiss dataset.name in [/AB /AC*]"),
        ("Protect dataset.name in [/A /B /C]", "Dismiss dataset.name == /B"),
        ("Protect dataset.name =~ /A.*", "Dismiss dataset.name == /AB"),
        ("Protect dataset.name != /A", "Dismiss dataset.name == /B*"),
        ("Protect replica.size > 1 TB", "Dismiss replica.size >= 2 TB"),
        ("Protect replica.size > 1 TB", "Dismiss replica.size > 1 TB and dataset.name == /A"),
        ("Dismiss dataset.last_update older_than 90 days ago", "Delete dataset.last_update older_than 6 months ago"),
        ("Dismiss dataset.last_update < 2026-01-01", "Delete dataset.last_update older_than 2025-06-01"),
        ("Protect dataset.status != VALID", "Dismiss dataset.status in [DELETED INVALID]"),
        ("Protect dataset.status in [VALID PRODUCTION] or replica.incomplete", "Dismiss dataset.status == VALID"),
        ("Protect dataset.name == /A*", "Dismiss dataset.name == /AB or dataset.name == /AC*"),
        ("Protect blockreplica.is_locked", "DismissBlock blockreplica.is_locked and dataset.name == /A"),
        ("ProtectBlock blockreplica.is_locked", "Delete blockreplica.is_locked"),
        ("Protect dataset.usage_rank > 100", "Delete dataset.usage_rank > 200"),
        ("Protect not replica.incomplete", "Delete not replica.incomplete"),
        ("Protect dataset.attr.x == 3", "Delete dataset.attr.x == 3 and dataset.attr.y == 4"),
        (
            "ProtectBlock blockreplica.is_locked and blockreplica.owner == A",
            "DeleteBlock blockreplica.owner == A and blockreplica.is_locked",
        ),
    ],
)
def test_rule_that_can_never_match_is_found(earlier: str, later: str) -> None:
    assert (2, "P701") in lint(earlier, later)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("Protect dataset.name == /AB/*", "Dismiss dataset.name == /A*"),
        ("Protect dataset.name == /A* and replica.incomplete", "Dismiss dataset.name == /AB"),
        ("Protect dataset.name == /A* until 2026-12-31", "Dismiss dataset.name == /AB"),
        ("Protect @l(expires=2030-01-01) dataset.name == /A*", "Dismiss dataset.name == /AB"),
        ("Dismiss dataset.usage_rank > 100", "Protect dataset.usage_rank > 200"),
        ("Dismiss dataset.release == 10_*", "Protect dataset.release == 10_6_0"),
        (
            "ProtectBlock blockreplica.is_locked and blockreplica.owner == A",
            "Delete blockreplica.is_locked and blockreplica.owner == A",
        ),
        ("ProtectBlock replica.size > 1 TB and blockreplica.is_locked", "Delete replica.size > 2 TB and blockreplica.is_locked"),
        ("Dismiss dataset.last_update older_than 31 days ago", "Delete dataset.last_update older_than 1 month ago"),
        ("Dismiss dataset.last_update older_than 90 days ago", "Delete dataset.last_update older_than 2020-01-01"),
        ("Protect replica.size > 2 TB", "Dismiss replica.size > 1 TB"),
        ("Protect dataset.name == /A", "Dismiss dataset.name in [/A /B]"),
        ("Protect dataset.attr.x == 3", "Delete dataset.attr.x == 3text"),
        ("Protect dataset.attr.x == 3", "Delete dataset.attr.y == 3"),
    ],
)
def test_rule_that_may_match_is_not_reported(earlier: str, later: str) -> None:
    assert (2, "P701") not in lint(earlier, later)


def test_block_rule_between_can_change_what_a_later_rule_sees() -> None:
    rules = ["Protect replica.size > 1 TB", "ProtectBlock blockreplica.is_locked", "Dismiss replica.size > 2 TB"]
    assert lint(*rules) == []
    assert lint(rules[0], rules[2]) == [(2, "P701")]


@pytest.mark.parametrize(
    "rule",
    [
        "Protect dataset.status == VALID and dataset.status == INVALID",
        "Protect dataset.name == /A* and dataset.name == /B*",
        "Protect dataset.name == /A* and dataset.name != /*",
        "Protect replica.size > 2 and replica.size < 2",
        "Protect replica.incomplete and not replica.incomplete",
        "Protect dataset.name in []",
        "Protect dataset.status notin [UNKNOWN DELETED DEPRECATED INVALID PRODUCTION VALID IGNORED]",
        "ProtectBlock blockreplica.owner == A and blockreplica.owner == B",
        "Protect dataset.last_update older_than 90 days ago and dataset.last_update newer_than 60 days ago",
    ],
)
def test_contradiction_is_found(rule: str) -> None:
    assert [code for _, code in lint(rule)] == ["P702"]


@pytest.mark.parametrize("action", ["Protect", "Ignore", "ProtectBlock"])
def test_contradiction_on_a_fact_that_may_be_unknown_is_none_where_unknown_counts_as_true(action: str) -> None:
    condition = "dataset.usage_rank > 4 and dataset.usage_rank < 3"
    assert lint(f"{action} {condition}") == []
    assert lint(f"Dismiss {condition}", f"Delete {condition}") == [(1, "P702"), (2, "P702")]


def test_different_blocks_may_meet_two_predicates_of_a_dataset_level_rule() -> None:
    assert lint("Protect blockreplica.owner == A and blockreplica.owner == B") == []


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ("Dismiss not blockreplica.is_locked", ["P703"]),
        ("Dismiss blockreplica.owner != A", ["P703"]),
        ("Dismiss not (blockreplica.is_locked)", ["P703"]),
        ("DismissBlock not blockreplica.is_locked", []),
        ("Dismiss not (blockreplica.owner != A)", []),
        ("Dismiss blockreplica.is_locked", []),
    ],
)
def test_negated_block_variable_in_a_dataset_level_rule_is_explained(rule: str, codes: list[str]) -> None:
    assert [code for _, code in lint(rule)] == codes


@pytest.mark.parametrize(
    ("whens", "until", "codes"),
    [
        (["site.status == MORGUE"], "site.status == READY", ["P704"]),
        (["site.status == MORGUE", "site.occupancy > 0.9"], "site.status != MORGUE and site.occupancy < 0.85", []),
        (["site.occupancy > 0.9"], "site.occupancy < 0.85", []),
        (["site.occupancy < 0.5"], "site.occupancy > 0.9", ["P704"]),
        (["always"], "site.occupancy < 0.85", ["P705"]),
        (["always"], "never", []),
    ],
)
def test_until_is_compared_with_every_when(whens: list[str], until: str, codes: list[str]) -> None:
    lines = ["Partition P", "On site.name == *", *(f"When {when}" for when in whens), f"Until {until}", "Dismiss", ""]
    assert [code for _, code in lint(head="\n".join(lines))] == codes


def test_condition_on_tape_needs_a_tape_site_under_on() -> None:
    rule = "Protect dataset.on_tape != FULL"
    assert lint(rule, sites=SITES) == []
    for target in ("site.name == T2_*", "site.storage_type == DISK", "site.name == T* and site.status == MORGUE"):
        assert lint(rule, head=HEAD.replace("site.name == *", target), sites=SITES) == [(1, "P707")]
    assert lint(rule, head=HEAD.replace("site.name == *", "site.name == T2_*")) == []


@pytest.mark.parametrize(
    ("expires", "codes"), [("2026-01-14", ["P708"]), ("2026-01-15", []), ("2026-01-01", ["P708"]), ("2025-12-31", ["P709"])]
)
def test_label_is_reported_from_fourteen_days_before_its_end(expires: str, codes: list[str]) -> None:
    assert [code for _, code in lint(f"Protect @a(expires={expires}) dataset.name == /A")] == codes


def test_names_are_asked_for_once_and_all_together() -> None:
    policy = parse_policy(
        HEAD + "Protect dataset.name in [/A /B* /C]\nDismiss dataset.name == /D\nDismiss dataset.name != /E"
    ).policy
    assert policy is not None
    asked: list[frozenset[str]] = []

    def existing(names: frozenset[str]) -> set[str]:
        asked.append(names)
        return {"/A"}

    found: tuple[Diagnostic, ...] = lint_policy(policy, dataset_names=existing)
    assert asked == [frozenset({"/A", "/C", "/D"})]
    assert [(d.code, d.span.line) for d in found] == [("P710", 7), ("P710", 8)]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["AllDisk", "DataOps", "Express", "Physics", "RelVal", "Unsubscribed", "caf-alca"])
def test_policies_in_production_have_no_finding(shared_data: Path, name: str) -> None:
    policy = parse_policy((shared_data / "policies" / f"{name}.txt").read_bytes()).policy
    assert policy is not None
    assert lint_policy(policy, now=NOW, sites=SITES) == ()


@pytest.mark.parametrize(
    "line", ["Dismiss dataset.name == /*/A{i}?[a-c]*/*", "Dismiss dataset.name == /*/A?*/* and replica.size > {i}"]
)
def test_time_stays_near_linear_for_thousands_of_rules(line: str) -> None:
    policy = parse_policy(HEAD + "\n".join(line.format(i=i) for i in range(4000, 0, -1))).policy
    assert policy is not None
    start = time.process_time()
    lint_policy(policy, now=NOW)
    assert time.process_time() - start < 5
