"""What people pick is said in the language, and the language takes it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.exceptions import InvalidInput
from campaigns.services.pointing import Pointing, pointed_conditions, pointed_rule, pointed_text, pointing_of, text_with_rule
from policies.language.parser import parse_policy

WORDS = st.text("ABCabc019_*?.", min_size=1, max_size=8).filter(lambda word: word.strip("."))
NAMES = st.lists(WORDS, max_size=3).map(tuple)
POINTINGS = st.builds(
    Pointing,
    tier=NAMES,
    era=NAMES,
    site=NAMES,
    owner=st.lists(st.sampled_from(["higgs", "IB RelVal", "DataOps"]), max_size=2, unique=True).map(tuple),
    status=st.lists(st.sampled_from(["VALID", "DEPRECATED"]), max_size=2, unique=True).map(tuple),
    release=st.lists(st.sampled_from(["10_6_0", "9_4_0_x"]), max_size=2, unique=True).map(tuple),
    without_tier=NAMES,
    without_era=NAMES,
    without_site=NAMES,
    names=st.lists(st.sampled_from(["/A*/*/RAW", "/B/C/D", "*/AOD"]), max_size=2, unique=True).map(tuple),
    storage_type=st.sampled_from(["", "MSS", "DISK"]),
    unused_days=st.none() | st.integers(0, 5000),
    updated_days=st.none() | st.integers(0, 5000),
    max_accesses=st.none() | st.integers(0, 100),
    min_size=st.sampled_from(["", "10 GB", "1.5 TB"]),
    min_disk_copies=st.none() | st.integers(0, 9),
    on_tape=st.sampled_from(["", "FULL", "NONE"]),
    attribute=st.sampled_from(["", "campaign == Winter16", "priority > 3"]),
    conditions=st.sampled_from(["", "not dataset.tape_copy_requested", "replica.incomplete or dataset.status == INVALID"]),
    allow_last_copy=st.booleans(),
)


@given(POINTINGS)
def test_whatever_is_picked_is_a_text_that_the_language_takes(pointing: Pointing) -> None:
    text = pointed_text(pointing, partition_name="Physics", site_patterns="T2_* T1_DE_KIT")
    result = parse_policy(text)
    assert result.policy is not None, [diagnostic.message for diagnostic in result.diagnostics]
    assert len(result.policy.rules) == (not pointing.is_empty)
    assert bool(pointed_rule(pointing)) == (not pointing.is_empty)


def test_values_of_one_property_are_alternatives_and_properties_add_up() -> None:
    pointing = Pointing(tier=("AOD", "RECO"), era=("Run2016G",), without_tier=("RAW",), unused_days=365, allow_last_copy=True)
    assert pointed_conditions(pointing) == [
        "dataset.name in [*/AOD */RECO]",
        "dataset.name == /*/Run2016G-*/*",
        "dataset.name != */RAW",
        "dataset.last_access older_than 365 days ago",
    ]
    assert pointed_rule(pointing).startswith("Delete dataset.name in")
    assert pointed_rule(pointing).endswith("365 days ago allow last copy")


def test_an_owner_selects_its_blocks_alone_also_where_the_name_holds_a_blank() -> None:
    rule = pointed_rule(Pointing(owner=("IB RelVal", "higgs")))
    assert rule == "DeleteBlock (blockreplica.owner == IB RelVal or blockreplica.owner == higgs)"


def test_nothing_picked_selects_nothing() -> None:
    assert pointed_rule(Pointing(allow_last_copy=True)) == ""
    text = pointed_text(Pointing(), partition_name="P", site_patterns="*")
    assert [line for line in text.splitlines() if line.startswith("Delete")] == []


@pytest.mark.parametrize(
    ("picked", "problem"),
    [
        ({"tiers": ["AOD"]}, "nothing can be picked by tiers"),
        ({"tier": "AOD"}, "tier: expected a list of names"),
        ({"tier": ["AOD\nDelete dataset.name == *"]}, "tier: expected a list of names"),
        ({"conditions": "a\nb"}, "conditions: expected a text of one line"),
        ({"unused_days": -1}, "unused_days: expected a whole number from 0 on"),
        ({"unused_days": True}, "unused_days: expected a whole number"),
        ({"allow_last_copy": "yes"}, "allow_last_copy: expected true or false"),
    ],
)
def test_what_cannot_be_picked_is_refused_by_name(picked: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        pointing_of(picked)


def test_what_was_picked_comes_back_as_it_was() -> None:
    picked = {"tier": ["AOD "], "unused_days": 5, "min_size": "1 TB", "allow_last_copy": True}
    assert pointing_of(picked) == Pointing(tier=("AOD",), unused_days=5, min_size="1 TB", allow_last_copy=True)


def test_a_rule_joins_a_text_before_the_default_that_ends_it() -> None:
    text = "On site.name == *\nWhen always\nUntil never\nProtect dataset.name == /A/*/*\nProtect   # all else\n\n"
    assert text_with_rule(text, "Delete dataset.name == */AOD").splitlines() == [
        "On site.name == *", "When always", "Until never", "Protect dataset.name == /A/*/*", "Delete dataset.name == */AOD",
        "Protect   # all else",
    ]  # fmt: skip
    assert text_with_rule("Protect\nOn site.name == *\n", "Delete never").splitlines()[-1] == "Delete never"
