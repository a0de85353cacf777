"""Every code of the registry has a golden text: the rendered findings of a small file that provokes it.

``DYNAMO_UPDATE_GOLDEN=1`` writes the golden texts anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policies.language.codes import CODES, Severity
from policies.language.diagnostics import Diagnostic, render, sort_diagnostics
from policies.language.expectations import parse_expectations
from policies.language.linter import SiteFacts, lint_policy
from policies.language.parser import parse_policy
from policies.language.partitions import parse_partitions

ROOT = Path(__file__).resolve().parents[4]
GOLDEN = ROOT / "tests" / "golden" / "diagnostics"
NOW = 1767225600.0
SITES = (SiteFacts("T1_US_FNAL_MSS", "READY", "MSS"), SiteFacts("T2_US_MIT", "READY", "DISK"))


def findings(code: str) -> tuple[Diagnostic, ...]:
    """Return what parser and linter say about the file of *code*."""
    definitions = GOLDEN / f"{code}.partitions"
    if definitions.exists():
        return parse_partitions(definitions.read_bytes(), file_name=definitions.name, now=NOW)[1]
    expectations = GOLDEN / f"{code}.expect"
    if expectations.exists():
        return parse_expectations(expectations.read_bytes(), file_name=expectations.name, now=NOW)[1]
    path = GOLDEN / f"{code}.policy"
    if code == "P003":  # too large for a file
        text = "Partition P\nOn always\nWhen always\nUntil " + "never or " * 25_000 + "never\nDismiss\n"
        return parse_policy(text, file_name=path.name).diagnostics
    beside = "Physics" if code == "P109" else None
    result = parse_policy(path.read_bytes(), file_name=path.name, partition=beside, now=NOW)
    if result.policy is None or not code.startswith("P7"):
        return result.diagnostics
    names = {"/known/B/C"} if code == "P710" else None
    lines = {5} if code == "P711" else ()
    linted = lint_policy(result.policy, now=NOW, sites=SITES, dataset_names=names, unmatched_lines=lines)
    return sort_diagnostics((*result.diagnostics, *linted))


@pytest.mark.parametrize("code", sorted(CODES))
def test_code_is_shown_as_its_golden_text_says(code: str) -> None:
    found = findings(code)
    path = GOLDEN / f"{code}.txt"
    if os.environ.get("DYNAMO_UPDATE_GOLDEN"):
        path.write_text(render(found), encoding="utf-8")
    assert render(found) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("code", sorted(CODES))
def test_file_of_a_code_provokes_it_with_the_severity_of_the_registry(code: str) -> None:
    severities = {diagnostic.severity for diagnostic in findings(code) if diagnostic.code == code}
    assert severities == {CODES[code].severity}


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_says_what_to_do(code: str) -> None:
    without_help = [d.message for d in findings(code) if d.severity is Severity.ERROR and not d.help]
    assert without_help == []


def test_no_golden_text_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CODES)


def test_documentation_has_the_table_of_the_registry() -> None:
    text = (ROOT / "docs" / "policy-language-diagnostics.md").read_text(encoding="utf-8")
    rows = [f"| {code.name} | {code.severity.value} | {code.meaning} |" for code in CODES.values()]
    assert [row for row in rows if row not in text] == []
