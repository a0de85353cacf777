"""Every policy that CMS ran is accepted, fast, and keeps its meaning when it is formatted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from policies.language.formatter import format_policy
from policies.language.linter import lint_policy
from policies.language.parser import parse_policy
from policies.language.partitions import parse_partitions
from tests.unit.policies.language.meaning import meaning

pytestmark = pytest.mark.shared_data

#: Policy -> the partition that is named beside it, and how many rules it has.
ACCEPTED = {
    "AllDisk": (None, 4),
    "DataOps": (None, 9),
    "Express": (None, 4),
    "Physics": (None, 33),
    "RelVal": (None, 8),
    "Unsubscribed": (None, 2),
    "caf-alca": (None, 1),
    "campaigns/171009_disk": ("Physics", 16),
    "campaigns/171115_disk": ("Physics", 3979),
    "campaigns/171115_disk_withtape": ("Physics", 3980),
    "campaigns/190604_tape": (None, 423),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_real_policy_is_accepted_with_all_its_rules(shared_data: Path, name: str) -> None:
    partition, rules = ACCEPTED[name]
    result = parse_policy((shared_data / "policies" / f"{name}.txt").read_bytes(), partition=partition)
    assert result.diagnostics == ()
    assert result.policy is not None
    assert len(result.policy.rules) + 1 == rules
    assert result.policy.partition


def test_every_file_is_in_the_list(shared_data: Path) -> None:
    folder = shared_data / "policies"
    names = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.txt")}
    assert names == {*ACCEPTED, "campaigns/160829_tape_2", "partitions"}


@pytest.mark.parametrize("partition", [None, "Tape"])
def test_dropped_variable_is_the_one_error_of_its_policy(shared_data: Path, partition: str | None) -> None:
    path = shared_data / "policies" / "campaigns" / "160829_tape_2.txt"
    result = parse_policy(path.read_bytes(), partition=partition)
    assert result.policy is None
    assert [(error.code, error.help) for error in result.errors] == [("P105", "use 'blockreplica.is_locked' instead")]


def test_partition_definitions_are_accepted(shared_data: Path) -> None:
    definitions, diagnostics = parse_partitions((shared_data / "policies" / "partitions.txt").read_bytes())
    assert diagnostics == ()
    parts = {definition.name: definition.parts for definition in definitions}
    assert len(parts) == 14
    assert parts["Physics"] == ("AnalysisOps", "DataOpsDisk", "PhysicsTape")
    assert parts["IB RelVal"] == ()


@pytest.mark.parametrize("name", ACCEPTED)
def test_formatted_real_policy_means_the_same(shared_data: Path, name: str) -> None:
    text = (shared_data / "policies" / f"{name}.txt").read_text()
    formatted = format_policy(text)
    assert format_policy(formatted) == formatted
    before = parse_policy(text, partition=ACCEPTED[name][0]).policy
    after = parse_policy(formatted, partition=ACCEPTED[name][0]).policy
    assert before is not None
    assert after is not None
    assert meaning(before) == meaning(after)


def test_four_thousand_lines_are_checked_at_ten_times_the_cost_of_four_hundred(shared_data: Path) -> None:
    """Only the growth is held here: a figure in seconds would say more of the machine than of the check."""
    lines = (shared_data / "policies" / "campaigns" / "171115_disk_withtape.txt").read_text().splitlines()
    rules = [line for line in lines if line.startswith(("Protect ", "Dismiss ", "Delete "))]
    others = [line for line in lines if line not in set(rules)]
    small, large = (min(check_seconds([*others, *rules[:count]]) for _ in range(3)) for count in (len(rules) // 10, len(rules)))
    assert len(rules) > 3900
    assert large < 30 * small  # ten times is linear, a hundred is quadratic; between lies a busy machine


def check_seconds(lines: list[str]) -> float:
    start = time.process_time()
    policy = parse_policy("\n".join(lines)).policy
    assert policy is not None
    lint_policy(policy, now=1767225600.0)
    return time.process_time() - start
