"""Partitions as panels of bars: what policies decided, with what operations have done of it and what lies in the trash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dynamo_site.bars import SiteDone, bar_scale
from operations.selectors.overview import deleted_bytes_of_plans
from operations.selectors.trash import TrashShare, trash_shares
from policies.selectors.occupancy import PartitionOccupancy, SiteBar

#: Sites under the mark beyond this many are folded.
SITES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class PartitionPanel:
    """A partition with its bars, their common scale, and by site what is done already; sites with nothing are absent."""

    occupancy: PartitionOccupancy
    scale: float
    done: Mapping[str, SiteDone]

    @property
    def shown(self) -> tuple[SiteBar, ...]:
        """The sites that stand open: every one over the mark."""
        return self.occupancy.bars[: max(SITES_SHOWN, self.occupancy.num_over)]

    @property
    def folded(self) -> tuple[SiteBar, ...]:
        """The rest."""
        return self.occupancy.bars[len(self.shown) :]


def partition_panels(occupancies: Sequence[PartitionOccupancy]) -> list[PartitionPanel]:
    """Return the panels of *occupancies*, in their order; two queries, whatever their number."""
    done = deleted_bytes_of_plans([o.plan_id for o in occupancies if o.plan_id is not None])
    trash = trash_shares() if occupancies else []
    return [_panel(occupancy, done.get(occupancy.plan_id or 0, {}), trash) for occupancy in occupancies]


def trash_of_partitions(shares: Iterable[TrashShare]) -> dict[tuple[int | None, str], int]:
    """Return bytes in the trash by (partition, site); under None what came from lists that are not of one partition."""
    found: dict[tuple[int | None, str], int] = {}
    for share in shares:
        key = share.partition_id, share.site_name
        found[key] = found.get(key, 0) + share.size_bytes
    return found


def _panel(occupancy: PartitionOccupancy, deleted: Mapping[str, int], trash: Sequence[TrashShare]) -> PartitionPanel:
    of_plan = {share.site_name: share.size_bytes for share in trash if share.plan_id == occupancy.plan_id}
    lying = {site: size for (key, site), size in trash_of_partitions(trash).items() if key == occupancy.partition_id}
    done = {
        site: SiteDone(
            gone_bytes=max(deleted.get(site, 0) - of_plan.get(site, 0), 0),
            aside_bytes=of_plan.get(site, 0),
            trash_bytes=lying.get(site, 0),
        )
        for site in deleted.keys() | lying.keys()
    }
    return PartitionPanel(occupancy, bar_scale(occupancy.bars, done), done)
