"""How much of a site one step of a scan takes, so that its memory does not grow with what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from operations.choices import ScanState
from operations.services import scan_compare
from operations.services.scan_limits import ScanLimits
from tests.factories.operations import Clock, World, local_gateway
from tests.integration.operations.test_scans import LOOSE, Showing, findings, scan


@pytest.mark.parametrize(("at_most", "looks"), [(20_000, [16]), (6, [6, 6, 4]), (3, [3, 3, 3, 3, 4]), (1, [3, 3, 3, 3, 4])])
def test_files_of_few_block_replicas_are_looked_at_in_one_step(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch, at_most: int, looks: list[int]
) -> None:
    monkeypatch.setattr(scan_compare, "_FILES_PER_STEP", at_most)
    site, lost = world.site(), set()
    for number in range(8):
        block = world.block(name=f"b{number}", num_files=4 if number == 7 else 3)
        world.replica(block, site)
        if number % 2 or number == 0:
            lfn = f"/store/A/B-1/RAW/b{number}/f0000.root"
            world.path("T2_A", lfn).unlink()
            lost.add(lfn.lstrip("/"))
    asked: list[int] = []
    real = scan_compare.certainly_missing

    def counted(lfns: Any, **kwargs: Any) -> Any:
        asked.append(len(lfns))
        return real(lfns, **kwargs)

    monkeypatch.setattr(scan_compare, "certainly_missing", counted)
    limits: ScanLimits = LOOSE
    done = scan(world, clock, limits, gateway=lambda site: Showing(local_gateway(site)))
    assert (done.state, findings(done), done.files_expected) == (ScanState.DONE, {"MISSING": lost}, 25)
    assert [number for number in asked if number] == looks
