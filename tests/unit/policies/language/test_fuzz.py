"""Any bytes whatsoever give diagnostics, never a traceback; formatting keeps the meaning of whatever is a policy."""

from __future__ import annotations

import gc
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.language.diagnostics import LEAST_ALLOWANCE, render
from policies.language.formatter import format_policy
from policies.language.linter import lint_policy
from policies.language.parser import parse_condition, parse_policy
from policies.language.partitions import parse_partitions
from policies.language.scanner import OPERATORS
from policies.language.statements import STATEMENTS
from policies.language.variables import VARIABLES
from tests.unit.policies.language.meaning import meaning

HEAD = "Partition P\nOn site.name == *\nWhen always\nUntil never\nDismiss\n"
WORDS = [
    *STATEMENTS,
    *OPERATORS,
    *(v.name for v in VARIABLES),
    "and",
    "or",
    "not",
    "(",
    ")",
    "[",
    "]",
    "[A B]",
    "until",
    "from",
    "#",
    "@x",
]
WORDS += [
    "90 days ago",
    "2026-01-01",
    "10 TB",
    "90 %",
    "1e5",
    "/A/*/RAW",
    "/A/B/C",
    "VALID",
    "always",
    "never",
    "increasing",
    "none",
    "site",
    "name",
]
WORDS += [
    "@a(owner=b, expires=2026-12-31)",
    "AND",
    "&&",
    ",",
    '"x"',
    "\t",
    "  ",
    "é",
    "漢",
    "\u200b",
    "(a|b)$",
    "(?=a)",
    "dataset.attr.x",
    "Static",
    "3",
]

lines = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
texts = st.lists(lines, max_size=8).map("\n".join)


def check_all(text: str | bytes) -> None:
    """Run every reader on the text; what they find must be showable and consistent."""
    result = parse_policy(text, now=1767225600.0)
    assert (result.policy is None) == bool(result.errors)
    places = [(d.span.line, d.span.column) for d in result.diagnostics]
    assert places == sorted(places)
    assert render(result.diagnostics).count("\n") >= 3 * len(result.diagnostics)
    render(result.diagnostics).encode()
    if result.policy is not None:
        render(lint_policy(result.policy, now=1767225600.0))
    parse_partitions(text)
    parse_condition(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(text: bytes) -> None:
    check_all(text)
    check_all(HEAD.encode() + b"Protect " + text)


@given(st.text(max_size=100))
def test_any_text_is_taken(text: str) -> None:
    check_all(text)
    check_all(f"{HEAD}Protect dataset.name == {text}\n")


@settings(max_examples=300)
@given(texts)
def test_any_words_of_the_language_are_taken(text: str) -> None:
    check_all(HEAD + text)


@settings(max_examples=300)
@given(texts)
def test_formatting_is_idempotent_and_keeps_the_meaning(text: str) -> None:
    formatted = format_policy(HEAD + text)
    assert format_policy(formatted) == formatted
    before, after = parse_policy(HEAD + text), parse_policy(formatted)
    assert [d.code for d in before.errors] == [d.code for d in after.errors]
    if before.policy is not None:
        assert after.policy is not None
        assert meaning(before.policy) == meaning(after.policy)


conditions = st.recursive(
    st.sampled_from(
        [
            "replica.incomplete",
            "not  replica.incomplete",
            "dataset name == /A/*",
            "dataset.name in [ A  B ]",
            "replica.size  > 10 TB",
            "dataset.last_update older_than 90 days ago",
            "dataset.name =~ /(a|b)$",
            "blockreplica.owner == IB RelVal",
            "dataset.attr.x >= 3",
        ]
    ),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"( {t[0]}  {t[1]} {t[2]})")
        | inner.map(lambda c: f"not ({c} )")
    ),
    max_leaves=6,
)


@given(
    conditions,
    st.sampled_from(["", " until 2026-12-31", " from 2026-01-01 until 2026-02-01"]),
    st.sampled_from(["", "@l ", "@l(owner=x)  "]),
)
def test_formatted_rule_means_the_same(condition: str, clause: str, label: str) -> None:
    text = f"{HEAD}Protect {label}{condition}{clause}  # why\n\n\n# end\n"
    before, formatted = parse_policy(text).policy, format_policy(text)
    assert before is not None
    after = parse_policy(formatted).policy
    assert after is not None
    assert meaning(before) == meaning(after)
    assert "# why\n\n# end\n" in formatted
    assert format_policy(formatted) == formatted


@pytest.mark.parametrize("value", ["== [AB]*/RAW", "=~ [AB]/x", "!=~ [^/]+ [a b]", "== [a b]*", "== [x", "in [ A  B[12]* ]"])
def test_formatter_leaves_brackets_of_patterns_alone(value: str) -> None:
    text = f"{HEAD}Protect  dataset.name {value}\n"
    before, after = parse_policy(text).policy, parse_policy(format_policy(text)).policy
    assert before is not None
    assert after is not None
    assert meaning(before) == meaning(after)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("dataset.name == " + "*a" * 30 + "*b", "dataset.name == " + "a" * 300),
        ("dataset.name =~ (a+)+b", "dataset.name == " + "a" * 300),
        ("dataset.name =~ (a|a)*b", "dataset.name in [" + " ".join("a" * n for n in range(200, 300)) + "]"),
        ("dataset.name == " + "*a?" * 30 + "b*", "dataset.name == " + "*aa" * 60),
    ],
)
def test_patterns_on_which_a_backtracking_engine_would_stall_are_compared(earlier: str, later: str) -> None:
    policy = parse_policy(f"{HEAD}Protect {earlier}\nDismiss {later}\n").policy
    assert policy is not None
    assert [d.code for d in lint_policy(policy) if d.code == "P701"] == []


@pytest.mark.shared_data
def test_mutated_lines_of_real_policies_are_taken(shared_data: Path) -> None:
    source = random.Random(20261122)
    real = [line for path in (shared_data / "policies").glob("*.txt") for line in path.read_text().splitlines() if line.strip()]
    mutated = [mutate(source.choice(real), source) for _ in range(3000)]
    result = parse_policy("\n".join(mutated))
    assert result.policy is None
    assert len(render(result.diagnostics)) > 10_000
    for line in mutated[:500]:
        check_all(f"{HEAD}{line}\n")


def mutate(line: str, source: random.Random) -> str:
    """Change the line at one to three places: leave out, double, swap or put in characters and words."""
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(line) + 1)
        end = min(len(line), at + source.randint(1, 4))
        piece = source.choice(
            ["", line[at:end] * 2, source.choice(WORDS), f" {source.choice(WORDS)} ", chr(source.randrange(1, 0x2FF))]
        )
        line = line[:at] + piece + line[end:]
    return line


@pytest.mark.parametrize(
    "line",
    [
        "Protect dataset.name == /*/A{i}x*y?[a-c]*/*",
        "Protect dataset.name =~ /[^/]+/A{i}.*(a|b){{3}}$",
        "Dismiss dataset.last_update older_than {i} days ago",
        "Protect dataset.nme == {i} and replica.sise > 3 and (",
        "Protct dataset.name == {i}",
        "Protect dataset.last_update older_than {i} dayz ago until x",
        "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((({i}",
        "Protect (replica.incomplete or replica.size > {i}) and dataset.name == /A*",
        "Protect dataset.name == *a?{i}?b*",
        "Protect dataset.name == *a*a*a*a*a*a*a*a*a*a*a*a*b{i}",
        "Protect dataset.name == [[[[[[[[[[[[[[[[[[[[{i}*",
        "Protect dataset.name == *[a-z]*[!b-y]*[0-9]?*{i}",
        "Dismiss replica.size > {i} TB and replica.size < 1{i} TB",
        "Dismiss blockreplica.owner != A{i}",
        "Protect datset.nme{i} == x and replica.sze{i} > 3",
        "Protect ))))))))))))))))))))))))))))))))))))))))))))))){i}",
        "Protect dataset.name =~ (((((((((((((((((((({i}))))))))))))))))))))",
    ],
)
def test_heavy_lines_cost_little_more_than_plain_ones_and_ten_times_as_many_ten_times_as_much(line: str) -> None:
    plain = check_seconds("Protect dataset.name == /A{i}/B/C", 1500)
    small, large = check_seconds(line, 150), check_seconds(line, 1500)
    # Times of one run, because machines differ. Ten times is linear, a hundred is quadratic; between lies a busy machine.
    assert large < 30 * small + 0.05
    assert large < 12 * plain


def check_seconds(line: str, count: int) -> float:
    """Return the least processor time of three checks of *count* such lines, linter and rendering included."""
    text = HEAD + "\n".join(line.format(i=i) for i in range(count))
    return min(processor_seconds(text) for _ in range(3))


def processor_seconds(text: str) -> float:
    """Return the processor time of one check of *text*, linter and rendering included, without the garbage of other tests."""
    gc.disable()
    try:
        start = time.process_time()
        result = parse_policy(text, now=1767225600.0)
        render(result.diagnostics)
        if result.policy is not None:
            render(lint_policy(result.policy, now=1767225600.0))
        return time.process_time() - start
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "line",
    [
        "Protect " + "(" * 12 + "replica.incomplete" + " or replica.size > {i}) and replica.incomplete" * 6 + ")" * 6,
        "Protect " + "not (" * 20 + "replica.incomplete" + ")" * 20 + " and (" * 20 + "replica.size > {i}" + ")" * 20,
        "Protect " + "replica.size > {i} or " * 12 + "replica.incomplete",
        "Protect dataset.name in [" + "/A*{i}*/RAW " * 20 + "]",
        "Protect dataset.name == " + "*a?[bc]{i}" * 30,
        "Protect dataset.name =~ " + "(a|b){i}[^/]+" * 20,
        "Protect " + "a ) not and or ( " * 18 + "{i}",
        "On (site.quota > {i} or " + "(always and never) or " * 10 + "never)",
        "Order" + " increasing replica.size decreasing dataset.size" * 8,
        "Protect dataset.last_update older_than " + "1 day {i} weeks " * 15,
    ],
)
def test_whatever_the_lines_hold_a_check_ends_after_as_much_work_as_plain_lines_may_ask_for(line: str) -> None:
    most = "\n".join(f"Protect dataset.name == /A{i}/B/C" for i in range(LEAST_ALLOWANCE - 10))
    hostile = "\n".join(line.replace("{i}", str(i)) for i in range(10_000))
    assert parse_policy(HEAD + most).policy is not None
    assert processor_seconds(HEAD + hostile) < 2 * processor_seconds(HEAD + most)


def test_a_text_that_is_too_large_is_read_as_far_as_the_allowance_goes() -> None:
    text = HEAD + "\n".join(["Protect always"] * 20 + ["Protect " + "replica.incomplete or " * 3 + "replica.incomplete"] * 20_000)
    errors = parse_policy(text).errors
    assert [error.code for error in errors] == ["P118"] * 20 + ["P003"]
    assert 10_000 < errors[-1].span.line < 20_000
    assert parse_policy(text).errors == errors


@pytest.mark.parametrize(
    "start",
    [
        "",
        "Protect ",
        "Protect dataset.name == ",
        "Protect dataset.name =~ ",
        "Protect dataset.last_update older_than ",
        "Protect @x(",
    ],
)
@pytest.mark.parametrize(
    "piece",
    [
        "(",
        ")",
        "not (",
        "a and ",
        "[",
        "until 1 ",
        "((a) or ",
        "\t ",
        "*",
        "dataset.name == [a*",
        "@a(",
        "\u200b",
        "9",
        "a|",
        "a*",
    ],
)
def test_one_long_line_is_taken_in_linear_time_with_few_findings(start: str, piece: str) -> None:
    texts = [HEAD + start + piece * count for count in (1_000, 20_000)]
    small, large = (min(processor_seconds(text) for _ in range(2)) for text in texts)
    assert large < 100 * small + 0.1  # in linear time 20, in quadratic 400; what else runs on the machine makes a few of it
    assert len(render(parse_policy(texts[1]).diagnostics)) < 20_000
