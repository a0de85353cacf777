"""How fresh the facts measured outside the inventory are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from inventory.models import FactFeed


@dataclass(frozen=True, slots=True)
class StaleFeed:
    """A feed that came once and has grown too old: its facts count as unknown."""

    pk: int
    name: str
    measured_at: datetime
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class FeedAge:
    """When a feed was measured (None: it never came), and how old it may be."""

    name: str
    measured_at: datetime | None
    max_age: timedelta

    def is_stale(self, now: datetime) -> bool:
        """Tell whether its facts count as unknown: never came, too old, or as far in the future."""
        return self.measured_at is None or abs(now - self.measured_at) > self.max_age


def feed_ages() -> list[FeedAge]:
    """Return every feed by name."""
    return [FeedAge(*row) for row in FactFeed.objects.order_by("name").values_list("name", "measured_at", "max_age")]


def stale_feeds(now: datetime) -> list[StaleFeed]:
    """Return the feeds whose last measurement is older than they allow, or as far in the future; what never came is not shown."""
    feeds = FactFeed.objects.filter(measured_at__isnull=False).order_by("name")
    return [
        StaleFeed(feed.pk, feed.get_name_display(), feed.measured_at, feed.max_age)
        for feed in feeds
        if feed.measured_at is not None and abs(now - feed.measured_at) > feed.max_age
    ]
