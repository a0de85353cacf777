"""The front page: is anything wrong, and what happens next?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from campaigns.selectors.campaigns import campaigns_under_way
from dynamo_site.panels import partition_panels
from dynamo_site.views.activity import activity_picture
from dynamo_site.views.belts import belts_brief
from dynamo_site.views.notices import notices
from operations.selectors.activity import ActivitySpan
from operations.selectors.progress import deletions_under_way
from operations.selectors.scans import sites_scanned
from operations.selectors.trash import SiteTrash, trash_by_site
from policies.selectors.cycles_overview import recent_cycles
from policies.selectors.occupancy import partition_occupancies


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return *context* with what the front page shows to this user; what the user may not see is left out, not hidden."""
    user = request.user
    sees_cycles = user.has_perm("policies.view_cycle")
    sees_deletions = user.has_perm("operations.view_deletion")
    occupancies = partition_occupancies() if sees_cycles else []
    panels = partition_panels([o for o in occupancies if o.cycle_id is not None])
    cycles = recent_cycles(14) if sees_cycles else []
    brief = belts_brief(user)
    scans = sites_scanned() if user.has_perm("operations.view_storagescan") else []
    under_way = deletions_under_way(now=timezone.now()) if sees_deletions else []
    return context | {
        "title": "Today",
        "panels": panels,
        "never_evaluated": [o for o in occupancies if o.cycle_id is None],
        "notices": notices(user, panels=panels, brief=brief, under_way=under_way, scans=scans),
        "cycles": cycles,
        "cycle_peak": max([cycle.deleted_bytes for cycle in cycles], default=0),
        "brief": brief,
        "trash": trash_bars() if user.has_perm("operations.view_trash") else [],
        "activity": activity_picture(ActivitySpan.DAY) if sees_deletions else None,
        "scans": scans,
        "under_way": under_way,
        "campaigns": campaigns_under_way(user, now=timezone.now()),
        "sees_cycles": sees_cycles,
        "sees_deletions": sees_deletions,
    }


@dataclass(frozen=True, slots=True)
class TrashBar:
    """The trash of a site beside that of the others; ``width`` in per cent of the fullest."""

    site: SiteTrash
    width: float


def trash_bars() -> list[TrashBar]:
    """Return the trash of each site, with the width of its bar."""
    sites = trash_by_site()
    most = max([site.size_bytes for site in sites], default=0) or 1
    return [TrashBar(site, round(100 * site.size_bytes / most, 2)) for site in sites]
