"""Safety limits ("belts"): what a plan reads against them. They judge a plan before it is carried out, never what it decides.

Fractions, not per cent. A value that equals its limit is within it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from inventory.selectors.snapshot import FeedState, InventoryStanding
from inventory.selectors.wording import duration_text, size_text
from policies.models import Partition
from policies.planning.outcome import SiteOutcome


@dataclass(frozen=True, slots=True)
class Reading:
    """What one limit read: ``value`` against ``bound`` (same unit), on ``subject``; ``text`` says it to a person."""

    limit: str
    subject: str
    value: float | None
    bound: float | None
    is_tripped: bool
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return the reading as the plan keeps it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SiteLoad:
    """What a plan deletes at a site, in bytes, beside the quota and what the partition has there."""

    site_name: str
    quota_bytes: int
    bytes_before: int
    deleted_bytes: int


def site_loads(names: Sequence[str], sites: Sequence[SiteOutcome], deleted: dict[int, int]) -> list[SiteLoad]:
    """Return the load of every target site; *deleted*: bytes by row of the site, *names*: of all sites, by row."""
    return [SiteLoad(names[s.site], s.quota_bytes, s.bytes_before, deleted.get(s.site, 0)) for s in sites]


def judge_sites(partition: Partition, loads: Sequence[SiteLoad]) -> list[Reading]:
    """Judge what a plan deletes at each site against the part of the quota that one cycle may delete.

    Without a limit to the quota (negative) the bytes of the partition at the site take its place; without a quota (0)
    every deletion is too much, because a forgotten quota makes a site look infinitely full.
    """
    bound = partition.max_site_fraction
    if bound is None:
        bound = settings.DYNAMO_MAX_SITE_FRACTION
    return [_judge_site(load, bound) for load in loads if load.deleted_bytes > 0]


def judge_partition(partition: Partition, *, deleted_bytes: int, partition_bytes: int) -> Reading:
    """Judge what a plan deletes in all against the part of the partition's bytes that one cycle may delete."""
    bound = partition.max_partition_fraction
    if bound is None:
        bound = settings.DYNAMO_MAX_PARTITION_FRACTION
    value = deleted_bytes / partition_bytes if partition_bytes else float(deleted_bytes > 0)
    return Reading(
        "partition_fraction",
        partition.name,
        value,
        bound,
        value > bound,
        f"{value:.2%} of the bytes of the partition {partition.name} would be deleted; at most {bound:.2%} may",
    )


def judge_inventory_age(standing: InventoryStanding, now: datetime) -> Reading:
    """Judge how long ago the inventory was last brought up to date; never is too long. A limit of 0 hours is none.

    While a document is there by half, that is not to be relied on, whatever the limit: its facts and locks come last.
    """
    bound = float(settings.DYNAMO_MAX_INVENTORY_AGE_HOURS)
    updated_at = standing.updated_at
    if standing.half_loaded:
        return Reading("inventory_age", "inventory", None, bound, is_tripped=True, text=standing.half_loaded)
    if bound == 0:
        return Reading("inventory_age", "inventory", None, None, is_tripped=False, text="the age of the inventory is not limited")
    if updated_at is None:
        text = "no document was ever injected, so nobody knows how old the inventory is; inject one"
        return Reading("inventory_age", "inventory", None, bound, is_tripped=True, text=text)
    age = now - updated_at
    hours = age.total_seconds() / 3600
    limit = duration_text(timedelta(hours=bound))
    text = f"the inventory was brought up to date {duration_text(age)} ago; at most {limit} are allowed"
    return Reading("inventory_age", "inventory", hours, bound, hours > bound, text)


def judge_feeds(names: Collection[str], feeds: Mapping[str, FeedState], now: datetime) -> list[Reading]:
    """Judge the age of the feeds of facts that a text rests on; *now*: the cycle's clock. What is too old is unknown there, and
    decides nothing (but see `judge_missed_order`).

    Kept with the plan, so that it waits when one of them becomes too old before its turn comes.
    """
    return [_judge_feed(name, feeds[name], now) for name in sorted(names) if name in feeds]


def judge_missed_order(missed: Mapping[str, str], feeds: Mapping[str, FeedState], now: datetime) -> list[Reading]:
    """Judge that ``Order`` names facts which were unknown (*missed*: why): what is unknown sorts last, so all are equal by them.

    Rules on such facts protect, an order cannot: what would go is not what was asked for, so a person decides.
    """
    return [
        replace(
            _judge_feed(name, feeds.get(name, FeedState(None, 0.0)), now),
            is_tripped=True,
            text=f"Order rests on the facts of {name}, which were unknown ({reason}): not what it asks for would go first; "
            "load them and let the next cycle decide",
        )
        for name, reason in sorted(missed.items())
    ]


def _judge_feed(name: str, state: FeedState, now: datetime) -> Reading:
    bound = state.max_age_seconds / 3600
    age = None if state.measured_at is None else now - state.measured_at
    hours = None if age is None else age.total_seconds() / 3600
    said = "never measured" if age is None else f"measured {duration_text(max(age, timedelta()))} before the cycle's clock"
    text = f"the facts of {name} were {said}; valid for {duration_text(timedelta(hours=bound))}"
    return Reading("fact_feed", name, hours, bound, is_tripped=False, text=text)


def _judge_site(load: SiteLoad, bound: float) -> Reading:
    base, of_what = load.quota_bytes, "quota"
    if load.quota_bytes < 0:
        base, of_what = load.bytes_before, "bytes in the partition (its quota is unlimited)"
    if base == 0:
        text = (
            f"{size_text(load.deleted_bytes)} would be deleted at {load.site_name}, which has no quota in this partition; set one"
        )
        return Reading("site_fraction", load.site_name, None, bound, is_tripped=True, text=text)
    value = load.deleted_bytes / base
    text = f"{value:.2%} of the {of_what} of {load.site_name} would be deleted; at most {bound:.2%} may"
    return Reading("site_fraction", load.site_name, value, bound, value > bound, text)
