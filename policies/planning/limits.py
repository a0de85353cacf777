"""What ends a site's deletions: the step limit and the ``Until`` conditions, with the running sums that they look at.

Sums are Python integers: no rounding, whatever the number of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.matching import Mask
from policies.evaluation.sites import SiteTest, any_of, occupancy
from policies.language.ast import Condition


class SiteLedger:
    """Bytes present and protected at each site of the cycle, which sites are triggered, and when one has had enough."""

    def __init__(
        self, arrays: InventoryArrays, members: Mask, stops: Sequence[Condition], *, now: float, deletion_per_iteration: float
    ) -> None:
        """*members*: the partition's block replicas, also at sites that are no target (their occupancy counts in ``On``)."""
        self.arrays = arrays
        self._until: SiteTest = any_of(stops, arrays, now)
        self._now = now
        self._deletion_per_iteration = deletion_per_iteration
        self.quota: list[int] = arrays.site_quota.tolist()
        self.bytes_before = self._sum_by_site(np.flatnonzero(members))
        self.bytes_now = list(self.bytes_before)
        self.protected = [0] * arrays.num_sites
        self.was_protected: Mask = np.zeros(arrays.num_rows, dtype=np.bool_)
        self.is_triggered = [False] * arrays.num_sites
        self.released_in_step: list[int | None] = [None] * arrays.num_sites
        self.num_deletions = [0] * arrays.num_sites

    def meets(self, conditions: Sequence[Condition]) -> list[bool]:
        """Return for each site whether one of *conditions* holds with the occupancy of this moment."""
        test = any_of(conditions, self.arrays, self._now)
        return [test(site, self.occupancy(site)) for site in range(self.arrays.num_sites)]

    def occupancy(self, site: int) -> float:
        return occupancy(self.bytes_now[site], self.quota[site])

    def protect(self, rows: NDArray[np.integer]) -> None:
        """Add *rows* to the protected bytes of their sites; what was protected once stays in the sum."""
        new = rows[~self.was_protected[rows]]
        if len(new) == 0:
            return
        self.was_protected[new] = True
        site = self.arrays.replica_site[self.arrays.row_replica[new]]
        if site[0] == site[-1] and (site == site[0]).all():
            self.protected[int(site[0])] += int(self.arrays.row_size[new].sum())
            return
        for number, size in enumerate(self._sum_by_site(new)):
            if size:
                self.protected[number] += size

    def leave(self, rows: NDArray[np.integer]) -> None:
        """Subtract *rows*, deleted or handed out of the partition, from the bytes present at their sites."""
        for number, size in enumerate(self._sum_by_site(rows)):
            if size:
                self.bytes_now[number] -= size

    def protected_fraction(self, site: int) -> float:
        """Return protected bytes / quota; a site without a positive quota counts as exactly 1."""
        quota = self.quota[site]
        return 1.0 if quota <= 0 else self.protected[site] / quota

    def is_step_used_up(self, site: int, deleted_bytes: int) -> bool:
        """Tell whether *deleted_bytes*, really deleted at *site* in this step, are strictly more than a step may delete."""
        quota = self.quota[site]
        return quota > 0 and deleted_bytes / quota > self._deletion_per_iteration

    def is_clean(self, site: int) -> bool:
        """Tell whether one of the ``Until`` conditions holds at *site* now."""
        return self._until(site, self.occupancy(site))

    def release(self, site: int, step: int) -> None:
        """Note that *site* is not triggered any more, from *step* on to the end of the cycle."""
        self.is_triggered[site] = False
        self.released_in_step[site] = step

    def _sum_by_site(self, rows: NDArray[np.integer]) -> list[int]:
        """Sum sizes per site exactly: whole TB and the rest apart, so that no float sum exceeds 2**53."""
        site = self.arrays.replica_site[self.arrays.row_replica[rows]]
        size = self.arrays.row_size[rows]
        count = self.arrays.num_sites
        high = np.bincount(site, weights=size >> 30, minlength=count)
        low = np.bincount(site, weights=size & ((1 << 30) - 1), minlength=count)
        return [(int(h) << 30) + int(l_) for h, l_ in zip(high, low, strict=True)]
