"""The summary of the demo says what went, what stayed and by which rule."""

from __future__ import annotations

from dynamo_site.demo.summary import Gone, SiteChange, Stayed, Summary, occupancy_bar, rule_text, summary_text

SUMMARY = Summary(
    title="Cycle 3 of MyCache",
    marks=(0.85, 0.9),
    sites=(SiteChange("T2_US_MIT", 1000, 720, 720), SiteChange("T3_US_MIT", 1000, 950, 840), SiteChange("T1", -1, 5, 5)),
    gone=(Gone("T3_US_MIT", "/A/B/C", 110_000, 2, 7, "default: Dismiss"),),
    stayed=(Stayed("T3_US_MIT", "/X/Y/Z", 50_000, "guardrail last-copies"),),
    storage_text="Storage and inventory agree: 12 files.",
)


def test_summary_names_each_site_before_and_after() -> None:
    lines = summary_text(SUMMARY).splitlines()
    assert [line.split()[:4] for line in lines if "T3_US_MIT" in line][:2] == [
        ["T3_US_MIT", "before", "95.0", "%"],
        ["T3_US_MIT", "after", "84.0", "%"],
    ]
    assert any("T1" in line and "no limit" in line for line in lines)


def test_summary_names_each_deleted_dataset_with_site_size_and_rule() -> None:
    lines = summary_text(SUMMARY).splitlines()
    assert "Deleted: 1 dataset, 2 blocks, 7 files, 110 kB" in lines
    assert any(line.split() == ["T3_US_MIT", "/A/B/C", "110", "kB", "default:", "Dismiss"] for line in lines)
    assert any(line.split() == ["T3_US_MIT", "/X/Y/Z", "50.0", "kB", "guardrail", "last-copies"] for line in lines)
    assert lines[-1] == "Storage and inventory agree: 12 files."


def test_summary_of_a_cycle_with_nothing_to_do_says_so() -> None:
    quiet = Summary("Cycle 4 of MyCache", (), SUMMARY.sites, (), (), "Storage and inventory agree: 12 files.")
    text = summary_text(quiet)
    assert "Deleted: nothing." in text
    assert "ticks" not in text


def test_bar_is_filled_to_the_fraction_and_shows_the_marks() -> None:
    assert occupancy_bar(0.5, ()) == "█" * 20 + "·" * 20
    assert occupancy_bar(1.7, ()) == "█" * 40
    assert occupancy_bar(0.0, (0.5, 1.0)) == "·" * 20 + "┃" + "·" * 19


def test_rule_says_where_it_stands() -> None:
    assert rule_text(5, "Protect x") == "line 5: Protect x"
    assert rule_text(0, "Dismiss") == "default: Dismiss"
    assert rule_text(-1, "guardrail last-copies") == "guardrail last-copies"
    assert rule_text(None, "handed over") == "handed over"
