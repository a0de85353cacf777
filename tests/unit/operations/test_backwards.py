"""Rules read backwards: all names that lead to a path, or the reason why that is not certain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.selectors.sites import LfnRule
from operations.storage.backwards import backwards
from operations.storage.paths import place_each

CMS = (LfnRule("/+store/temp/(.*)", "/scratch/$1"), LfnRule(r"/store/(.*)\.root", "/cms/${1}.dat"), LfnRule("(/.*)", "$1"))
CHAIN = (LfnRule("/store/(.*)", "/a/$1", (LfnRule("/a/(?P<rest>.+)", "pool/$rest"),)),)


@pytest.mark.parametrize(
    ("rules", "path", "names"),
    [
        ((), "store/a", {"/store/a", "store/a"}),
        (CMS, "scratch/x/y", {"/store/temp/x/y", "/scratch/x/y"}),
        (CMS, "cms/x.dat", {"/store/x.root", "/cms/x.dat"}),
        # What the first rule takes elsewhere does not lead there by the last.
        (CMS, "store/temp/x", set()),
        (CMS, "store/x.root", set()),
        (CMS, "store/x", {"/store/x"}),
        (CHAIN, "pool/x", {"/store/x"}),
        (CHAIN, "elsewhere/x", set()),
        ((LfnRule("/store/one", "/there/two"),), "there/two", {"/store/one"}),
        ((LfnRule(r"/a\+b/(.*)", "/$$c/$1"),), "$c/x", {"/a+b/x"}),
    ],
)
def test_all_names_that_lead_to_a_path(rules: tuple[LfnRule, ...], path: str, names: set[str]):
    assert set(backwards(rules).names_of([path])[path]) == names


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("/store/.*", "/all"),
        ("/store/(.*)/(.*)", "/$2/$1"),
        ("/store/(.*)", "/$1/$1"),
        ("/store/(.*)", "/one"),
        ("/stores?/(.*)", "/$1"),
        ("/a+/(.*)", "/$1"),
        ("(?i)/store/(.*)", "/$1"),
        ("/store/(.*)|/x/(.*)", "/$1"),
        (r"/store/\d(.*)", "/$1"),
        ("/store/[ab](.*)", "/$1"),
        ("/store/(.*)", "/$1x"),
        ("/store/(.*)?", "/$1"),
    ],
)
def test_rule_that_brings_many_names_to_one_path_is_not_read_backwards(pattern: str, replacement: str):
    assert (
        "LFN rule 2 cannot be read backwards" in backwards((LfnRule("/x/(.*)", "/y/$1"), LfnRule(pattern, replacement))).problem
    )


SEGMENTS = st.text("abr.t/", min_size=1, max_size=12)


@given(lfn=st.one_of(SEGMENTS, SEGMENTS.map("/store/{}".format), SEGMENTS.map("/store/temp/{}".format)))
@pytest.mark.parametrize("rules", [(), CMS, CHAIN])
def test_every_name_is_among_those_that_lead_to_its_path(rules: tuple[LfnRule, ...], lfn: str):
    (placed,) = place_each([lfn], rules)
    if not placed.problem:
        path = "/".join(placed.parts)
        assert lfn in backwards(rules).names_of([path])[path]
