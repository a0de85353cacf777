"""How old the facts of a feed may be before they count as unknown: set by people, or by who measures them if they may."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from inventory.choices import FactFeedName
from inventory.exceptions import InvalidInput, NotFound
from inventory.models import FactFeed
from inventory.services.audit import Actor, audit_record
from inventory.services.rights import require

CHANGE_FEED = "inventory.change_factfeed"

#: A feed that may be older than this might as well never grow stale.
LONGEST_MAX_AGE = timedelta(days=366)


def demand_feed(name: str) -> None:
    """Raise ``NotFound`` for a feed that there is none of."""
    if name not in FactFeedName.values:
        raise NotFound(f"there is no feed {name!r}: the feeds are {', '.join(FactFeedName.values)}")


def demand_limit(name: str, max_age: timedelta, actor: Actor) -> None:
    """Raise what `feed_limit_set` raises, and change nothing."""
    demand_feed(name)
    if not timedelta(seconds=1) <= max_age <= LONGEST_MAX_AGE:
        raise InvalidInput(f"max_age: found {max_age}, expected from a second to {LONGEST_MAX_AGE.days} days")
    feed = FactFeed.objects.filter(name=name).first() or FactFeed(name=name)
    if feed.pk is None or feed.max_age != max_age:
        require(actor, CHANGE_FEED, feed)


@transaction.atomic
def feed_limit_set(*, name: str, max_age: timedelta, actor: Actor, reason: str = "") -> FactFeed:
    """Let the facts of the feed *name* count for *max_age* from their measurement on; also of one that has not come yet.

    The same limit again changes nothing and takes no right. Raises ``NotFound`` for a feed that there is none of,
    ``InvalidInput`` for a limit beyond `LONGEST_MAX_AGE` or below a second, and ``PermissionDenied`` without the right
    ``inventory.change_factfeed``, in general or on the feed.
    """
    demand_limit(name, max_age, actor)
    FactFeed.objects.get_or_create(name=name)
    feed = FactFeed.objects.select_for_update().get(name=name)
    if feed.max_age == max_age:
        return feed
    require(actor, CHANGE_FEED, feed)
    before, feed.max_age = feed.max_age, max_age
    feed.save(update_fields=["max_age"])
    audit_record(
        actor=actor,
        action="inventory.feed_limit",
        subject=f"feed {name}",
        reason=reason,
        details={"before_hours": before.total_seconds() / 3600, "after_hours": max_age.total_seconds() / 3600},
    )
    return feed
