"""The drawing of a campaign's life in the documentation is the table of the code."""

from __future__ import annotations

from pathlib import Path

from campaigns.lifecycle import diagram

PAGE = Path(__file__).resolve().parents[3] / "docs" / "campaigns.md"


def test_the_states_of_a_campaign_are_drawn_from_the_table() -> None:
    drawn = PAGE.read_text().split("## States\n\n```\n")[1].split("\n```")[0]
    assert drawn == diagram(), "docs/campaigns.md: paste what campaigns.lifecycle.diagram() returns"
