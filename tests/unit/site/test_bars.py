"""Bars of sites: what operations have done is a part of what was to be deleted, and the trash of earlier plans stands behind."""

from __future__ import annotations

import pytest

from dynamo_site.bars import SiteDone, bar_scale, occupancy_bar
from policies.selectors.occupancy import SiteBar
from policies.selectors.watermarks import NO_MARKS

BAR = SiteBar("S", 100, 80, 60, 50, 10, 20, 0, True, True, False)


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (SiteDone(), {"protected": 50, "kept": 10, "delete": 20}),
        # Five of the twenty have left the site, ten of them lie in its trash, beside two of an earlier plan.
        (SiteDone(5, 10, 12), {"protected": 50, "kept": 10, "delete": 5, "deleted": 5, "trash": 12}),
        # What lies there of earlier plans hides nothing of what is still to be deleted.
        (SiteDone(0, 0, 30), {"protected": 50, "kept": 10, "delete": 20, "trash": 30}),
    ],
)
def test_segments_of_a_bar(done: SiteDone, expected: dict[str, int]) -> None:
    bar = occupancy_bar(BAR, NO_MARKS, done=done)
    assert {segment.kind: segment.size_bytes for segment in bar.segments} == expected
    assert ("in the trash" in bar.summary) == ("trash" in expected)


def test_the_scale_has_room_for_the_trash_behind_what_the_cycle_found() -> None:
    assert bar_scale([BAR]) == 1.0
    assert bar_scale([BAR], {"S": SiteDone(0, 10, 50)}) == 1.2
