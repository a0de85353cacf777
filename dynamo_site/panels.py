"""Partitions as panels of bars: what policies decided, with what operations have done of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynamo_site.bars import bar_scale
from operations.selectors.overview import deleted_bytes_of_plans
from policies.selectors.occupancy import PartitionOccupancy, SiteBar

#: Sites under the mark beyond this many are folded.
SITES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class PartitionPanel:
    """A partition with its bars, the common scale of them, and what is deleted already of each site's plan."""

    occupancy: PartitionOccupancy
    scale: float
    done_bytes: dict[str, int]

    @property
    def shown(self) -> tuple[SiteBar, ...]:
        """The sites that stand open: every one over the mark."""
        return self.occupancy.bars[: max(SITES_SHOWN, self.occupancy.num_over)]

    @property
    def folded(self) -> tuple[SiteBar, ...]:
        """The rest."""
        return self.occupancy.bars[len(self.shown) :]


def partition_panels(occupancies: Sequence[PartitionOccupancy]) -> list[PartitionPanel]:
    """Return the panels of *occupancies*, in their order, with what operations have deleted of their plans."""
    done = deleted_bytes_of_plans([o.plan_id for o in occupancies if o.plan_id is not None])
    return [PartitionPanel(o, bar_scale(o.bars), done.get(o.plan_id or 0, {})) for o in occupancies]
