"""Readers of the shared golden data, and the comparison that every implementation of a cycle must pass.

An implementation is a function ``rows(policy, membership, snapshot, *, now, deletion_per_iteration)`` that returns the
decisions as rows of the data page. The data live beside the project, at ``../shared`` from the repository root; where
they are absent the tests that need them are skipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from policies.evaluation.columns import Snapshot
from policies.language.ast import Condition, Policy
from policies.language.parser import parse_condition, parse_policy
from policies.language.partitions import parse_partitions
from tests.factories.snapshots import (
    NOW,
    Inventory,
    leaf_partitions,
    load_inventory,
    membership_of,
    read_documents,
    snapshot_from_documents,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
DATA = SHARED / "data"

requires_shared_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared data are not beside the project, at {DATA}")

Row = Mapping[str, Any]


class DecideRows(Protocol):
    """An implementation of a cycle, as rows of the data page."""

    def __call__(
        self,
        policy: Policy,
        membership: Sequence[Condition],
        snapshot: Snapshot,
        *,
        now: float,
        deletion_per_iteration: float,
    ) -> Sequence[Row]: ...


class RefusedError(Exception):
    """The text of a policy, its partition or a quota is an error; the message says what was found."""


@dataclass(frozen=True, slots=True)
class EdgeCase:
    """One fact of the language: what the original engine decided, and what ours must (data page, differences).

    ``expected`` holds our rows as JSON texts in order, None where the case must be refused.
    """

    number: int
    title: str
    partitions: str
    policy: str
    inventory: Mapping[str, Any]
    deletion_per_iteration: float
    expected: tuple[str, ...] | None
    triggered: tuple[str, ...] | None
    occupancy: Mapping[str, float] | None


def _row(decision: str, line: int, size: int) -> dict[str, Any]:
    return {"blocks": "ALL", "bytes": size, "dataset": "/A/B/C", "decision": decision, "line": line, "site": "S1"}


#: Where ours differs on purpose (data page): None = refused, else our rows.
DIFFERENT_ON_PURPOSE: dict[int, list[dict[str, Any]] | None] = {
    29: None,  # commas in a list
    65: None,  # an unknown Algo
    86: None,  # a default with a block action
    87: None,
    92: None,  # two defaults
    95: [_row("protect", 7, 2 * 10**12)],  # a comment after white space
}


def row_texts(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return *rows* as the lines of a decisions file: compact, keys sorted, sorted as text."""
    return tuple(sorted(json.dumps(row, sort_keys=True, separators=(",", ":")) for row in rows))


def _edge_case(path: Path) -> EdgeCase:
    case = json.loads(path.read_text())
    number, result = case["n"], case["result"]
    rows = DIFFERENT_ON_PURPOSE.get(number, result["rows"] if "error" not in result else None)
    same_run = number not in DIFFERENT_ON_PURPOSE and rows is not None
    return EdgeCase(
        number=number,
        title=case["title"],
        partitions=case["partitions"],
        policy=case["policy"],
        inventory=case["inventory"],
        deletion_per_iteration=case["deletion_per_iteration"],
        expected=None if rows is None else row_texts(rows),
        triggered=tuple(sorted(result["triggered"])) if same_run else None,
        occupancy={site: float(value) for site, value in result["occupancy"].items()} if same_run else None,
    )


EDGE_CASES: tuple[EdgeCase, ...] = tuple(
    sorted((_edge_case(path) for path in (DATA / "golden" / "edge").glob("*.json")), key=lambda case: case.number)
)

POLICY_GOLDENS: tuple[str, ...] = tuple(
    sorted(path.name.removesuffix(".jsonl.xz") for path in (DATA / "golden" / "policies").glob("*.jsonl.xz"))
)


def parsed_policy(text: str, *, partition: str | None = None) -> Policy:
    """Return the policy of *text*. Raises ``RefusedError`` with its errors."""
    result = parse_policy(text, file_name="case.policy", partition=partition)
    if result.policy is None:
        raise RefusedError("; ".join(str(diagnostic) for diagnostic in result.diagnostics))
    return result.policy


@dataclass(frozen=True, slots=True)
class ProtectingGuardrail:
    """A guardrail as a cycle reads it: a Protect rule on top of the stack."""

    name: str
    condition: Condition


def parsed_guardrails(texts: Iterable[str]) -> tuple[ProtectingGuardrail, ...]:
    """Return protecting guardrails with these replica conditions. Raises ``RefusedError`` with the errors of a text."""
    found = []
    for number, text in enumerate(texts, start=1):
        condition, diagnostics = parse_condition(text, kind="replica")
        if condition is None:
            raise RefusedError("; ".join(str(diagnostic) for diagnostic in diagnostics))
        found.append(ProtectingGuardrail(f"guardrail {number}", condition))
    return tuple(found)


@cache
def partition_of(partitions: str, name: str | None) -> tuple[tuple[Condition, ...], tuple[str, ...]]:
    """Return the membership of partition *name* and the names of its leaves. Raises ``RefusedError`` if it is not defined."""
    definitions, diagnostics = parse_partitions(partitions, file_name="partitions.txt")
    if not definitions:
        raise RefusedError("; ".join(str(diagnostic) for diagnostic in diagnostics))
    if name is None or name not in {definition.name for definition in definitions}:
        raise RefusedError(f"partition {name!r} is not defined")
    return membership_of(definitions, name), leaf_partitions(definitions, name)


def cycle_inputs(partitions: str, policy: str, document: Mapping[str, Any]) -> tuple[Policy, tuple[Condition, ...], Snapshot]:
    """Return what a cycle reads. Raises ``RefusedError`` on errors in the policy, an unknown partition or a forbidden quota."""
    parsed = parsed_policy(policy)
    membership, leaves = partition_of(partitions, parsed.partition)
    try:
        snapshot = snapshot_from_documents(document, partition_names=leaves)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    return parsed, membership, snapshot


def assert_edge_case(case: EdgeCase, decide_rows: DecideRows) -> None:
    """Fail unless *decide_rows* gives exactly the rows of *case*, or the case is refused where it must be."""
    if case.expected is None:
        with pytest.raises(RefusedError):
            cycle_inputs(case.partitions, case.policy, case.inventory)
        return
    policy, membership, snapshot = cycle_inputs(case.partitions, case.policy, case.inventory)
    rows = decide_rows(policy, membership, snapshot, now=NOW, deletion_per_iteration=case.deletion_per_iteration)
    assert row_texts(rows) == case.expected


@cache
def cms2000() -> Inventory:
    """Return the invented inventory of 2,000 datasets, read once."""
    return load_inventory(read_documents(DATA / "inventory" / "cms2000.jsonl.xz"))


def golden_inputs(name: str) -> tuple[Policy, tuple[Condition, ...], Snapshot]:
    """Return what the cycle of the golden policy *name* on cms2000 reads; a text without ``Partition`` ran with Physics."""
    folder = DATA / "policies"
    path = next(found for found in (folder / f"{name}.txt", folder / "campaigns" / f"{name}.txt") if found.exists())
    text = path.read_text()
    partition = None if any(line.startswith("Partition") for line in text.splitlines()) else "Physics"
    policy = parsed_policy(text, partition=partition)
    membership, leaves = partition_of((folder / "partitions.txt").read_text(), policy.partition)
    return policy, membership, cms2000().snapshot(leaves)


def assert_same_decisions(name: str, rows: Iterable[Row], folder: Path) -> None:
    """Fail unless the tool beside the data finds *rows* equal to the golden *name*; *folder* takes a scratch file."""
    ours = folder / f"{name}.jsonl"
    ours.write_text("".join(f"{line}\n" for line in row_texts(rows)))
    golden = DATA / "golden" / "policies" / f"{name}.jsonl.xz"
    tool = SHARED / "tools" / "compare_decisions.py"
    done = subprocess.run([sys.executable, str(tool), str(golden), str(ours)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith(" 0 differ")
