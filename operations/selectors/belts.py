"""Every belt with its limit and what it reads now: of plans, of inventory and feeds, of sites, of everything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q

from inventory.selectors.feeds import feed_ages
from inventory.selectors.sites import SiteStorage, site_storage
from inventory.selectors.wording import count_text, duration_text, exact_share_text, share_text, size_text, when_text
from operations.choices import DeletionState, HealthSign
from operations.constants import BRAKE_FAILURES_IN_ROW, BRAKE_FRACTION, BRAKE_MIN_OUTCOMES
from operations.models import Deletion, QueuedPlan, SiteHealth, SitePace
from operations.selectors.pace import Pace, paces, why_paced
from operations.selectors.pausing import pause_state
from policies.selectors.belts import (
    EVERY_PARTITION,
    GuardrailBelt,
    PlanBelt,
    guardrail_belts,
    inventory_age,
    newest_plans,
    plan_belts,
    plan_belts_at,
)
from policies.services.standing import plans_that_wait

#: Rights to look at belts: they tell of deletions and of plans.
BELT_RIGHTS = ("operations.view_deletion", "policies.view_plan")

#: Names of belts that other pages tell of.
AGE_OF_INVENTORY, GROUNDS_OF_A_PLAN = "age of the inventory", "grounds of a plan"
AGE_OF_A_FEED, ERROR_BRAKE, PAUSE = "age of a feed", "error brake", "pause"
FILES_A_SECOND, BYTES_A_DAY = "files a second", "bytes a day"

_DAY = timedelta(hours=24)

#: What to do about a tripped belt, by its name; those that are not named hold a plan.
_ADVICE = {
    PAUSE: "Whoever may let deletions go on does so (resume_all); a pause file is removed on its host.",
    GROUNDS_OF_A_PLAN: "It goes on by itself when a newer document or feed is injected; or discard the plan.",
    AGE_OF_INVENTORY: "Inject a newer document. Until then plans are held, and what is in the queue waits.",
    AGE_OF_A_FEED: "Inject the feed anew. Until then what it says is unknown, which protects.",
    ERROR_BRAKE: "Mend the cause, then resume the site on its page. Its queue waits meanwhile.",
    FILES_A_SECOND: "Nothing: it goes on by itself.",
    BYTES_A_DAY: "Nothing: it goes on by itself at midnight UTC.",
}
_ADVICE_FOR_A_PLAN = "The plan is held: look at its list under Plans, then release or discard it."


@dataclass(frozen=True, slots=True)
class Belt:
    """One belt. ``scope``: what it is of; ``limit`` and ``reading`` as people read them; ``setting``: where the limit comes from.

    ``part``: how much of the limit is used, 0 to 1 and more, None where that means nothing.
    """

    name: str
    scope: str
    limit: str
    reading: str
    setting: str
    is_tripped: bool
    part: float | None = None

    @property
    def advice(self) -> str:
        """Return what to do about it, empty while it is not tripped."""
        return _ADVICE.get(self.name, _ADVICE_FOR_A_PLAN) if self.is_tripped else ""


def belts(*, now: datetime) -> list[Belt]:
    """Return all belts in an order that people expect: all together, plans, sources, sites."""
    return [*_general(now), *_sites(now)]


def belts_in_brief(*, now: datetime) -> list[Belt]:
    """Return the belts without what paces single sites: the same number of queries however many sites there are."""
    sites, health = site_storage(), SiteHealth.objects.in_bulk()
    return [*_general(now), *(_brake(sites[name], health.get(name)) for name in sorted(sites))]


def belts_of_partition(name: str, *, now: datetime) -> list[Belt]:
    """Return the belts that plans of the partition are held against, and those of its plans that wait."""
    newest = newest_plans()
    rails = [_of_guardrail(rail) for rail in guardrail_belts(newest) if rail.partition in (name, EVERY_PARTITION)]
    return [*_waiting(now, partition=name), *(_of_plan(found) for found in plan_belts(newest) if found.partition == name), *rails]


def belts_of_site(name: str, *, now: datetime) -> list[Belt]:
    """Return the belts of the site: its brake, what paces it, and the part of its quotas that the newest plans would delete."""
    return [*(_of_plan(found) for found in plan_belts_at(name)), *_sites(now, [name])]


def _general(now: datetime) -> list[Belt]:
    newest = newest_plans()
    plans, rails = map(_of_plan, plan_belts(newest)), map(_of_guardrail, guardrail_belts(newest))
    return [_pause(), _last_copies(now), *_waiting(now), *plans, *rails, *_sources(now)]


def _pause() -> Belt:
    state = pause_state()
    reading = f"paused by {state.changed_by}: {state.reason or 'no reason given'}" if state.is_switched else "may run"
    if state.is_file_present:
        reading = "stopped on this host by the pause file"
    return Belt(PAUSE, "everything", "the switch, or a file on a host", reading, "pause_all", state.is_paused)


def _last_copies(now: datetime) -> Belt:
    kept = Deletion.objects.filter(
        state=DeletionState.DROPPED, finished_at__gt=now - _DAY, finished_at__lte=now, reason__startswith="last copy anywhere"
    ).count()
    return Belt(
        "last copy",
        "everything",
        "never, unless a rule, campaign or person says so by name",
        f"{count_text(kept)} kept in the last 24 hours",
        "always on",
        is_tripped=False,
    )


def _waiting(now: datetime, *, partition: str = "") -> Iterable[Belt]:
    """Yield the plans in the queue, or those of one partition, that wait because what they rest on has become too old."""
    under_way = QueuedPlan.objects.filter(over_at__isnull=True).order_by("plan_id")
    if partition:
        under_way = under_way.filter(plan__partition__name=partition)
    for plan_id, reason in plans_that_wait(list(under_way.values_list("plan_id", flat=True)), now=now).items():
        limit = "what it rests on must be fresh when its turn comes"
        yield Belt(GROUNDS_OF_A_PLAN, f"plan {plan_id}", limit, reason, "the limits below", is_tripped=True)


def _of_plan(found: PlanBelt) -> Belt:
    if found.value is None:
        reading, part = found.text or "no plan yet", None
    else:
        at = f" at {found.subject}" if found.subject else ""
        reading = f"{exact_share_text(found.value)}{at}, in the newest plan ({when_text(found.frozen_at)})"
        part = found.value / found.bound if found.bound else None
    return Belt(
        found.name, found.partition, f"at most {exact_share_text(found.bound)}", reading, found.setting, found.is_tripped, part
    )


def _of_guardrail(rail: GuardrailBelt) -> Belt:
    limit = f"none with {rail.condition}"
    return Belt(f"guardrail {rail.name}", rail.partition, limit, rail.reading, "guardrails", rail.is_tripped)


def _sources(now: datetime) -> Iterable[Belt]:
    age = inventory_age(now)
    part = age.value / age.bound if age.value is not None and age.bound else None
    limit = "no limit" if age.bound is None else f"at most {duration_text(timedelta(hours=age.bound))} old"
    yield Belt(AGE_OF_INVENTORY, "inventory", limit, age.text, "DYNAMO_MAX_INVENTORY_AGE_HOURS", age.is_tripped, part)
    for feed in feed_ages():
        reading = "never measured" if feed.measured_at is None else f"measured {when_text(feed.measured_at)}"
        limit = f"at most {duration_text(feed.max_age)} old"
        part = None if feed.measured_at is None else abs(now - feed.measured_at) / feed.max_age
        yield Belt(AGE_OF_A_FEED, feed.name, limit, reading, "fact feeds", feed.is_stale(now), part)


def _sites(now: datetime, wanted: list[str] | None = None) -> Iterable[Belt]:
    sites = site_storage(wanted)
    names = sorted(sites)
    health = SiteHealth.objects.in_bulk(names)
    known = SitePace.objects.in_bulk(names)
    limits = paces(list(sites.values()), batches_per_site=settings.DYNAMO_DELETION_BATCHES_PER_SITE)
    acting = dict(
        Deletion.objects.filter(state=DeletionState.ACTING, site_name__in=names)
        .order_by()
        .values("site_name")
        .annotate(batches=Count("lease_token", distinct=True))
        .values_list("site_name", "batches")
    )
    waits = set(_with_queue(names))
    for name in names:
        yield from _of_site(sites[name], health.get(name), limits[name], known.get(name), acting.get(name, 0), now, name in waits)


def _with_queue(names: list[str]) -> Iterable[str]:
    """Return the sites where something waits: one look into the index each."""
    return [name for name in names if Deletion.objects.filter(Q(state=DeletionState.QUEUED), site_name=name).exists()]


def _of_site(  # noqa: PLR0917 - what is known of one site
    site: SiteStorage,
    health: SiteHealth | None,
    pace: Pace,
    known: SitePace | None,
    batches: int,
    now: datetime,
    has_queue: bool,
) -> Iterable[Belt]:
    yield _brake(site, health)
    if not (batches or has_queue or (known is not None and (pace.files_per_second or pace.bytes_per_day))):
        return
    yield Belt(
        "batches at a time", site.name, f"at most {pace.batches}", str(batches), "limits of sites", False, batches / pace.batches
    )
    if pace.files_per_second:
        held = why_paced(pace, known, now=now)
        yield Belt(
            FILES_A_SECOND, site.name, f"at most {pace.files_per_second:g}", held or "may begin", "limits of sites", bool(held)
        )
    if pace.bytes_per_day:
        used = known.bytes_of_day if known is not None and known.day == now.date() else 0
        part = used / pace.bytes_per_day
        limit = f"at most {size_text(pace.bytes_per_day)}"
        yield Belt(BYTES_A_DAY, site.name, limit, f"{size_text(used)} begun today", "limits of sites", part >= 1, part)


def _brake(site: SiteStorage, health: SiteHealth | None) -> Belt:
    recent = health.recent_outcomes if health is not None else ""
    in_row = health.failures_in_row if health is not None else 0
    is_known = len(recent) >= BRAKE_MIN_OUTCOMES
    failed = recent.count(HealthSign.FAILED) / len(recent) if is_known else None
    absent = recent.count(HealthSign.ABSENT) / len(recent) if is_known else None
    reading = f"{in_row} in a row" + ("" if failed is None else f", {share_text(failed)} of the last {len(recent)}")
    reading += f", {share_text(absent)} not there" if absent else ""
    if site.is_paused:
        reading = f"paused: {site.paused_reason}; the count stands at {reading}"
    return Belt(
        ERROR_BRAKE,
        site.name,
        f"{BRAKE_FAILURES_IN_ROW} failures in a row, or {share_text(BRAKE_FRACTION)} of {BRAKE_MIN_OUTCOMES} and more failed, "
        "or not there",
        reading,
        "always on",
        site.is_paused,
        max(in_row / BRAKE_FAILURES_IN_ROW, (failed or 0.0) / BRAKE_FRACTION, (absent or 0.0) / BRAKE_FRACTION),
    )
