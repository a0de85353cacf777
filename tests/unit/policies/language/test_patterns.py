"""Patterns mean the same in Python and in the linear-time engine, and what the original meant."""

from __future__ import annotations

import fnmatch
import re
import warnings

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.language.ast import PatternLiteral, TextLiteral
from policies.language.globs import are_disjoint, includes, longest_literal, witness
from policies.language.patterns import glob_regex, text_literal
from policies.language.regular import RegexError, regex_literal

ALPHABET = "ab/-]^!.\n"
names = st.text(alphabet=ALPHABET, max_size=8)
globs = st.text(alphabet="ab/*?[]!-^.\\", max_size=9)
regex_pieces = st.sampled_from(
    [
        "a",
        "b",
        "/",
        ".",
        "[ab]",
        "[^/]",
        "[^/]+",
        "a*",
        "b+?",
        "(a|b)",
        "(?:ab|)",
        "a{2}",
        "a{1,2}",
        "\\.",
        "\\d",
        "\\w+",
        "\\s",
        "$",
        "^",
        "|",
        "(",
        ")",
        "[",
        "]",
        "[]a]",
        "[^]-]",
        "\\n",
        "\\Z",
        "\\A",
        "x{,3}",
        "{",
        "}",
        "[a-b]",
        "[\\w-]",
        "(?P<n>a)",
        "\\x61",
        "é",
        "\\-",
        "&&",
        "[a&&b]",
    ]
)
regexes = st.lists(regex_pieces, max_size=6).map("".join)


def python_pattern(text: str) -> re.Pattern[str]:
    """Compile the text as Python reads it; that a later Python may read a set otherwise does not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(text, re.ASCII)


def rust(regex: str, values: list[str]) -> list[bool]:
    return pl.Series("names", values, dtype=pl.String).str.contains(regex, strict=True).to_list()


@pytest.mark.parametrize(
    ("glob", "name", "is_met"),
    [
        ("/*/*/RAW", "/A/B/RAW", True),
        ("/*/*/RAW", "/A/B/RAW-RECO", False),
        ("/*RAW", "/A/B/RAW", True),
        ("/A?B", "/A/B", True),
        ("/A*[12]", "/A/1", True),
        ("/A*[!12]", "/A/1", False),
        ("[*", "[abc", True),
        ("*", "a\n", True),
        ("a*b", "ab\n", False),
        ("*.txt", "axtxt", False),
        ("*(a|b)$", "x(a|b)$", True),
    ],
)
def test_shell_pattern_matches_the_whole_text(glob: str, name: str, is_met: bool) -> None:
    literal = text_literal(glob)
    assert isinstance(literal, PatternLiteral)
    assert literal.matches(name) is is_met
    assert rust(literal.regex, [name]) == [is_met]


def test_brackets_without_star_or_question_mark_are_exact() -> None:
    assert text_literal("/A/B[12]") == TextLiteral("/A/B[12]", "/A/B[12]")


@given(globs, names)
def test_shell_patterns_mean_what_the_original_meant_in_both_engines(glob: str, name: str) -> None:
    expected = fnmatch.fnmatchcase(name, glob)
    literal = PatternLiteral(glob_regex(glob), glob, glob)
    assert literal.matches(name) is expected
    assert rust(literal.regex, [name]) == [expected]


@settings(max_examples=300)
@given(regexes, names)
def test_regular_expressions_mean_the_same_in_both_engines_as_in_python(text: str, name: str) -> None:
    try:
        literal = regex_literal(text)
    except RegexError:
        return
    expected = python_pattern(text).match(name) is not None
    assert literal.matches(name) is expected
    assert rust(literal.regex, [name]) == [expected]


@given(regexes)
def test_what_python_refuses_is_refused(text: str) -> None:
    try:
        python_pattern(text)
    except re.error:
        with pytest.raises(RegexError):
            regex_literal(text)


def test_dollar_also_matches_before_a_final_newline() -> None:
    literal = regex_literal("/A/GEN-SIM(?:-RECO|)$")
    values = ["/A/GEN-SIM", "/A/GEN-SIM-RECO\n", "/A/GEN-SIM\n\n", "/A/GEN-SIM-RAW"]
    assert [literal.matches(value) for value in values] == [True, True, False, False]
    assert rust(literal.regex, values) == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(?=a)", "P502"),
        ("(?!a)", "P502"),
        ("(?<=a)b", "P502"),
        ("(?<!a)b", "P502"),
        ("(a)\\1", "P502"),
        ("(?P<n>a)(?P=n)", "P502"),
        ("(?(1)a|b)", "P502"),
        ("(?>a)", "P503"),
        ("a++", "P503"),
        ("(?i)a", "P503"),
        ("\\bA", "P503"),
        ("a$b", "P503"),
        ("(a$)+", "P503"),
        ("[[:alpha:]]", "P503"),
        ("a**", "P501"),
        ("(?P<n>a)(?P<n>b)", "P501"),
        ("[b-a]", "P501"),
        ("a{3,2}", "P501"),
        ("\\", "P501"),
        ("a)", "P501"),
        ("(" * 60 + ")" * 60, "P504"),
        ("a{1001}", "P504"),
        ("(a{99}){99}", "P504"),
    ],
)
def test_refused_regular_expression_has_a_code_and_a_place(text: str, code: str) -> None:
    with pytest.raises(RegexError) as caught:
        regex_literal(text)
    assert caught.value.code == code
    assert 0 <= caught.value.at <= len(text)


def test_largest_regular_expression_is_compiled_by_the_linear_engine() -> None:
    assert rust(regex_literal("[^/é]{900}[^/é]{900}$").regex, ["x" * 1800, "x" * 1799]) == [True, False]


# --- reasoning on patterns

small_globs = st.text(alphabet="ab*?", max_size=5) | st.sampled_from(["*[ab]", "[!a]*", "?[a-b]*", "[!a-b]?", "*[]a]"])
ALL_NAMES = [
    "",
    *"abcz]",
    *(x + y for x in "abcz]" for y in "abcz]"),
    *(x + y + z for x in "abcz]" for y in "abcz]" for z in "abcz]"),
]
ALL_NAMES += ["aaaa", "abab", "baba", "bbbb", "zzzz", "aazz", "zaab", "abzba", "bazab", "aaaaa"]


def taken(glob: str) -> set[str]:
    return {name for name in ALL_NAMES if fnmatch.fnmatchcase(name, glob)} if set("*?") & set(glob) else {glob}


@given(small_globs, small_globs)
def test_decisions_about_two_patterns_agree_with_trying_texts(first: str, second: str) -> None:
    if includes(first, second):
        assert taken(second) <= taken(first)
    elif set("*?") & set(second):
        assert not includes(first, second)
    if are_disjoint(first, second):
        assert not taken(first) & taken(second)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("/*/*/RAW", "/A*/*b/RAW", True),
        ("/A*", "/*", False),
        ("a?c*", "a[bd]c", False),
        ("a?c*", "a[bd]c?", True),
        ("*", "?", True),
        ("?*", "*", False),
        ("*?", "?*", True),
        ("[!a]*", "[b-d]x*", True),
        ("/*/Run2016?-*18Apr2017*/*", "/*/Run2016B-18Apr2017_v1*/AOD", True),
    ],
)
def test_inclusion_of_patterns_is_decided(wide: str, narrow: str, expected: bool) -> None:
    assert includes(wide, narrow) is expected


@given(globs.filter(lambda glob: "*" in glob or "?" in glob))
def test_witness_meets_its_pattern_and_holds_its_literal(glob: str) -> None:
    sample = witness(glob)
    if sample:
        assert PatternLiteral(glob_regex(glob), glob, glob).matches(sample)
        assert longest_literal(glob) in sample
