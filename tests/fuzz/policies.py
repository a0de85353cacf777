"""Mutates lines of real policies and holds every reader of the language to its promises about any text.

``python -m tests.fuzz.policies --lines 1000000 [--seed 7]`` (``make fuzz``). For each text of ``LINES_OF_A_TEXT`` mutated lines:

- no reader raises, and every finding can be shown;
- without the lines that have errors the rest is a policy (a wrong line neither hides another error nor makes one), it can be
  linted, and formatting keeps its meaning;
- the same for one line alone, as a condition, as a partition definition and as an expectation.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from policies.language.diagnostics import Diagnostic, render
from policies.language.expectations import parse_expectations
from policies.language.formatter import format_policy
from policies.language.linter import SiteFacts, lint_policy
from policies.language.parser import parse_condition, parse_policy
from policies.language.partitions import parse_partitions
from policies.language.scanner import OPERATORS
from policies.language.statements import STATEMENTS
from policies.language.variables import VARIABLES
from tests.unit.policies.language.meaning import meaning

ROOT = Path(__file__).resolve().parents[2]
SHARED_POLICIES = ROOT.parent / "shared" / "data" / "policies"
GOLDEN = ROOT / "tests" / "golden" / "diagnostics"

HEAD = "Partition P\nOn site.name == *\nWhen always\nUntil never\nOrder none\nDismiss\n"
HEAD_LINES = HEAD.count("\n")
NOW = 1767225600.0
SITES = (SiteFacts("T1_US_FNAL_MSS", "READY", "MSS"), SiteFacts("T2_US_MIT", "READY", "DISK"))
LINES_OF_A_TEXT = 50
#: Every so many texts the last line of one is tried alone with each reader.
TEXTS_PER_SINGLE_LINE = 4
SECONDS_BETWEEN_REPORTS = 2.0

WORDS = (
    *STATEMENTS, *OPERATORS, *(v.name for v in VARIABLES),
    "and", "or", "not", "(", ")", "[", "]", "[A B]", "until", "from", "#", "@x", "in", "at",
    "90 days ago", "2026-01-01", "10 TB", "90 %", "1e5", "1e309", "-0", "/A/*/RAW", "/A/B/C", "[!a]*", "VALID", "always", "never",
    "increasing", "decreasing", "none", "site", "name", "dataset.attr.x", "dataset attr y", "Static", "3", "next tuesday",
    "@a(owner=b, expires=2026-12-31)", "AND", "&&", ",", '"x"', "\t", "  ", "é", "漢", "e\u0301", "\u200b", "\ufeff", "\x00",
    "\r", "\x0b", "\u2028", "\u202e", "\udcff", "\U0001f600", "(a|b)$", "(?=a)", "a{3}", "[^]]", "\\d", "\\", "\n", "\r\n",
)  # fmt: skip


def real_lines() -> list[str]:
    """Return the lines that are mutated: of the policies beside the project, or of the tests' own texts."""
    paths = sorted(SHARED_POLICIES.rglob("*.txt")) or sorted(GOLDEN.glob("*.policy"))
    found: list[str] = []
    for path in paths:
        lines = [line for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if line.strip()]
        # A campaign of thousands of lines of one kind must not hide the policies with a line of each.
        found += lines if len(lines) <= 100 else random.Random(0).sample(lines, 100)
    return found


def mutate(line: str, source: random.Random) -> str:
    """Change *line* at one to three places: leave out, double or put in characters and words; at times swap its words."""
    if source.random() < 0.1:
        words = line.split(" ")
        source.shuffle(words)
        line = " ".join(words)
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(line) + 1)
        end = min(len(line), at + source.randint(1, 4))
        word = source.choice(WORDS)
        piece = source.choice(["", line[at:end] * 2, word, f" {word} ", chr(source.randrange(1, 0x2FF))])
        line = line[:at] + piece + line[end:]
    return line


def check_text(text: str) -> None:
    """Hold a whole policy to the promises of the module's docstring."""
    result = parse_policy(text, now=NOW)
    if (result.policy is None) != bool(result.errors):
        raise AssertionError("a policy and errors, or neither")
    _check_findings(result.diagnostics)
    wrong = {diagnostic.span.line for diagnostic in result.errors}
    lines = text.removeprefix("\ufeff").split("\n")
    sound = "\n".join(line for number, line in enumerate(lines, start=1) if number not in wrong)
    again = parse_policy(sound, now=NOW)
    if again.policy is None:
        raise AssertionError(f"without its wrong lines the text has errors: {render(again.errors)}")
    _check_findings(lint_policy(again.policy, now=NOW, sites=SITES, dataset_names=(), unmatched_lines={HEAD_LINES + 1}))
    formatted = format_policy(sound)
    if format_policy(formatted) != formatted:
        raise AssertionError("formatting twice changes more than formatting once")
    after = parse_policy(formatted, now=NOW).policy
    if after is None or meaning(after) != meaning(again.policy):
        raise AssertionError("formatting changes the meaning")
    # Whatever is wrong stays as it is, so formatting a wrong text must not fail or mend it.
    if [d.code for d in parse_policy(format_policy(text), now=NOW).errors] != [d.code for d in result.errors]:
        raise AssertionError("formatting changes the errors")


def check_line(line: str) -> None:
    """Run every reader on one line, and the undecodable bytes of it."""
    check_text(f"{HEAD}{line}\n")
    _check_findings(parse_condition(line, now=NOW)[1])
    _check_findings(parse_condition(line, kind="site")[1])
    _check_findings(parse_partitions(f"A: {line}\n{line}", now=NOW)[1])
    _check_findings(parse_expectations(f"expect protect {line}\nexpect {line}", now=NOW)[1])
    _check_findings(parse_policy(line.encode("utf-8", errors="surrogateescape")[:-1]).diagnostics)


def _check_findings(found: tuple[Diagnostic, ...]) -> None:
    places = [(d.span.line, d.span.column) for d in found]
    if places != sorted(places):
        raise AssertionError("the findings are not sorted by place")
    shown = render(found)
    shown.encode()
    if shown.count("\n") < 3 * len(found):
        raise AssertionError("a finding does not show its line")


def fuzz(count: int, seed: int, report: Callable[[int], None] = lambda done: None) -> str | None:
    """Check *count* mutated lines; return the first text that breaks a promise, made as short as one line if one does."""
    source = random.Random(seed)
    real = real_lines()
    for number, size in enumerate(_sizes(count)):
        lines = [mutate(source.choice(real), source) for _ in range(size)]
        text = HEAD + "\n".join(lines) + "\n"
        if not _holds(check_text, text):
            return next((f"{HEAD}{line}\n" for line in lines if not _holds(check_text, f"{HEAD}{line}\n")), text)
        if number % TEXTS_PER_SINGLE_LINE == 0 and not _holds(check_line, lines[-1]):
            return lines[-1]
        report(number * LINES_OF_A_TEXT + size)
    return None


def _sizes(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, LINES_OF_A_TEXT)
        count -= LINES_OF_A_TEXT


def _holds(check: Callable[[str], None], text: str) -> bool:
    try:
        check(text)
    except Exception:  # noqa: BLE001 - whatever is raised is the finding that a fuzzer looks for; it is raised again below
        return False
    return True


class _Progress:
    """Shows on stderr how many lines are done, every two seconds."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.start = self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_REPORTS or done == self.count:
            self.last = now
            rate = done / max(now - self.start, 0.001)
            left = (self.count - done) / rate
            sys.stderr.write(f"\r{done:,} of {self.count:,} lines, {rate:,.0f} lines/s, {left:,.0f} s left   ")
            sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; 0 if every promise holds, 1 with the text and the traceback if one does not."""
    parser = argparse.ArgumentParser(description="Mutate lines of real policies and check every reader of the language.")
    parser.add_argument("--lines", type=int, default=1_000_000, help="how many lines (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run; without it each run is another one")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    sys.stderr.write(f"seed {seed}\n")
    broken = fuzz(options.lines, seed, _Progress(options.lines))
    sys.stderr.write("\n")
    if broken is None:
        sys.stdout.write(f"{options.lines:,} mutated lines: every one read, none broke a promise (seed {seed})\n")
        return 0
    sys.stdout.write(f"seed {seed}: this text breaks a promise:\n{broken!r}\n")
    check_text(broken)
    check_line(broken)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
