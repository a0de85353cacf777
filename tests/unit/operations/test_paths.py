"""Logical names become paths below the root, or are refused with a reason."""

from __future__ import annotations

import time

import pytest

from inventory.selectors.sites import LfnRule
from operations.storage.paths import BadRules, checked_rules, place

CMS = LfnRule(r"/store/(.*)", r"cms/$1")


def path_of(lfn: str, *rules: LfnRule) -> str:
    (placement,) = place([lfn], checked_rules(rules))
    assert not placement.problem, placement.problem
    return "/".join(placement.parts)


def problem_of(lfn: str, *rules: LfnRule) -> str:
    (placement,) = place([lfn], checked_rules(rules))
    assert placement.parts == ()
    return placement.problem


def test_without_rules_the_logical_name_is_the_path_below_the_root():
    assert path_of("/store/mc/a.root") == "store/mc/a.root"


def test_first_rule_that_fits_the_whole_name_decides():
    rules = (LfnRule("/store/temp/.*", "scratch/x"), CMS, LfnRule(".*", "never"))
    assert path_of("/store/temp/a", *rules) == "scratch/x"
    assert path_of("/store/a/b", *rules) == "cms/a/b"


def test_chain_fits_only_if_each_of_its_steps_fits_what_the_one_before_made():
    chain = LfnRule("/store/(.*)", "/cms/$1", (LfnRule("/cms/(mc/.*)", "/pool/$1"), LfnRule("/pool/(.*)", "end/$1")))
    assert path_of("/store/mc/a", chain, CMS) == "end/mc/a"
    assert path_of("/store/data/a", chain, CMS) == "cms/data/a"
    assert problem_of("/store/data/a", chain) == "no LFN rule of the site fits the logical name"
    bad = LfnRule("/store/(.*)", "$1", (LfnRule("(", ""),))
    with pytest.raises(BadRules, match="LFN rule 2: '\\(' is not a regular expression"):
        checked_rules((CMS, bad))


def test_rule_must_fit_the_whole_name_not_a_part_of_it():
    assert problem_of("/x/store/a", CMS) == "no LFN rule of the site fits the logical name"
    assert problem_of("/store/a", LfnRule("/store", "cms")) == "no LFN rule of the site fits the logical name"


def test_line_break_at_the_end_does_not_slip_past_a_rule():
    assert problem_of("/store/a\n", LfnRule("/store/a", "a")) == "the logical name has a control or invisible character"


def test_path_that_the_rules_make_is_checked_like_the_name():
    assert "the path that the LFN rules make has a component of dots" in problem_of("/store/a", LfnRule("/store/(.*)", "../$1"))
    assert "is empty" in problem_of("/store/a", LfnRule("/store/a", ""))
    assert "empty component" in problem_of("/store/a", LfnRule("/store/(.*)", "//$1"))


def test_two_names_that_lead_to_one_path_are_both_refused_and_others_are_not():
    rules = (LfnRule(r"/store/(\w)\w*/f", "$1/f"),)
    first, second, third = place(["/store/ab/f", "/store/ac/f", "/store/b/f"], rules)
    assert first.problem == second.problem == "the LFN rules lead from several files to this path"
    assert third.parts == ("b", "f")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([LfnRule("(", "x")], "LFN rule 1: '(' is not a regular expression"),
        ([CMS, LfnRule("", "x")], "LFN rule 2: the pattern is empty"),
        ([LfnRule("a" * 1025, "x")], "longer than 1024 characters"),
        ([CMS] * 101, "there are 101 LFN rules, at most 100 are taken"),
        ([LfnRule(3, "x")], "pattern and replacement must be text"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(rules: list[LfnRule], message: str):
    with pytest.raises(BadRules, match=message.replace("(", r"\(")):
        checked_rules(rules)


def test_nested_repetition_takes_linear_time():
    rule = LfnRule(r"/([a-z]+_?)+/X", "x")
    started = time.monotonic()
    problems = [problem_of("/" + "a" * 250 + "!", rule) for _ in range(20)]
    assert time.monotonic() - started < 2
    assert set(problems) == {"no LFN rule of the site fits the logical name"}
