"""How long the check of a policy of 4,000 lines takes as one types: the compiler alone, and through the address of the editor."""

from __future__ import annotations

import ast
import time

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dynamo_site.wsgi import make_ready
from policies.language.diagnostics import render
from policies.language.linter import lint_policy
from policies.language.parser import parse_policy
from tests.benchmarks.test_engine_speed import campaign, say, seconds
from tests.factories.policies import define
from tests.golden.harness import DATA

pytestmark = pytest.mark.django_db

LARGEST = DATA / "policies" / "campaigns" / "171115_disk_withtape.txt"


def largest_text() -> str:
    """Return the largest policy that CMS ran, or one of the same shape where the shared data are absent."""
    return LARGEST.read_text(encoding="utf-8") if LARGEST.exists() else campaign(3_900)


def check(text: str) -> int:
    result = parse_policy(text, partition="P")
    assert result.policy is not None, result.errors[:3]
    findings = (*result.diagnostics, *lint_policy(result.policy))
    render(findings)
    return len(result.policy.rules)


def test_check_of_four_thousand_lines(is_full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    text = largest_text().replace("Partition Physics", "Partition P")
    num_rules = check(text)
    # The machine's floor: Python's own compiler, written in C, on as many comparisons with the same texts.
    python = "\n".join(f"protect(dataset.name == {line!r})" for line in text.splitlines())
    floor_s = seconds(lambda: ast.parse(python))
    alone_s = seconds(lambda: check(text))
    make_ready()  # as a process of the web server does before it answers
    define("P", "site.name == *")
    client = Client()
    client.force_login(User.objects.create_superuser("bench"))

    def by_web() -> None:
        answer = client.post("/api/v1/policies/check/", {"text": text, "partition": "P"}, content_type="application/json")
        assert answer.status_code == 200, answer.content
        assert answer.json()["is_valid"] is True, answer.json()

    start = time.process_time()
    by_web()
    first_s = time.process_time() - start
    web_s = seconds(by_web)
    say(
        capsys,
        f"check of {text.count(chr(10)):,} lines, {num_rules:,} rules: compiler and linter {alone_s:.2f} s, through the web"
        f" {web_s:.2f} s (the first {first_s:.2f} s); goal 0.5 s\n"
        f"  floor: Python's compiler on as many comparisons {floor_s:.3f} s;"
        f" {alone_s / floor_s:.1f} and {web_s / floor_s:.1f} times that",
    )
    assert web_s < 20 * floor_s or not is_full
