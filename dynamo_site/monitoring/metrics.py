"""``/metrics``: what Prometheus reads. Requests are counted by django-prometheus, all else is asked of the database when read.

Every process gives the same answer for what comes from the database: scrape one, or take the maximum.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import prometheus_client
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inventory.selectors.feeds import feed_ages
from inventory.selectors.snapshot import inventory_updated_at
from inventory.services.audit import audit_head
from operations.selectors.heartbeat import pulse
from operations.selectors.pausing import pause_state
from operations.selectors.progress import SiteProgress, deletions_under_way
from operations.selectors.scans import SiteScanned, sites_scanned
from policies.selectors.cycles_overview import CycleRow, latest_cycles, open_plan_counts

#: The right that a person needs who looks at the page in a browser.
VIEW = "operations.view_deletion"


@dataclass(frozen=True, slots=True)
class _SiteGauge:
    name: str
    help: str
    value: Callable[[SiteProgress, datetime], float]


_SITE_GAUGES = (
    _SiteGauge("deletions_queued", "Block replicas that wait to be deleted.", lambda s, now: s.num_queued),
    _SiteGauge("deletions_queued_bytes", "Bytes that wait to be deleted.", lambda s, now: s.bytes_queued),
    _SiteGauge("deletions_acting", "Block replicas that a worker holds.", lambda s, now: s.num_acting),
    _SiteGauge("deletions_failed", "Block replicas for which a person must act.", lambda s, now: s.num_failed),
    _SiteGauge("deletions_done_last_hour", "Block replicas deleted in the last hour.", lambda s, now: s.num_done_last_hour),
    _SiteGauge("deletion_files_last_hour", "Files gone in the last hour.", lambda s, now: s.files_last_hour),
    _SiteGauge("deletion_bytes_last_hour", "Bytes freed in the last hour.", lambda s, now: s.bytes_last_hour),
    _SiteGauge("deletion_oldest_queued_age_seconds", "Age of what waits longest.", lambda s, now: _age(s.oldest_queued_at, now)),
    _SiteGauge("site_paused", "1 if deletions are paused, by a person or the error brake.", lambda s, now: s.is_paused),
    _SiteGauge("site_backing_off", "1 if the site is left alone after failures.", lambda s, now: s.back_off_until is not None),
    _SiteGauge("site_failures_in_row", "Failures since the last success; 100 trip the brake.", lambda s, now: s.failures_in_row),
)


@dataclass(frozen=True, slots=True)
class _CycleGauge:
    name: str
    help: str
    value: Callable[[CycleRow, datetime], float]


_CYCLE_GAUGES = (
    _CycleGauge("cycle_age_seconds", "Since the latest cycle began.", lambda c, now: _age(c.started_at, now)),
    _CycleGauge("cycle_duration_seconds", "What the latest cycle took.", lambda c, now: _seconds(c.duration)),
    _CycleGauge("cycle_failed", "1 if the latest cycle failed.", lambda c, now: c.state == "FAILED"),
    _CycleGauge("cycle_planned_bytes", "Bytes that the latest cycle would delete.", lambda c, now: c.deleted_bytes),
)


@dataclass(frozen=True, slots=True)
class _ScanGauge:
    name: str
    help: str
    value: Callable[[SiteScanned, datetime], float]


_SCAN_GAUGES = (
    _ScanGauge(
        "scan_age_seconds",
        "Since the last scan that counts ended; -1: never.",
        lambda s, now: _age(s.last and s.last.finished_at, now),
    ),
    _ScanGauge(
        "scan_missing_files", "Files that the last scan found missing.", lambda s, now: s.last.files_missing if s.last else 0
    ),
    _ScanGauge("scan_dark_bytes", "Bytes that the last scan found dark.", lambda s, now: s.last.bytes_dark if s.last else 0),
    _ScanGauge(
        "scan_needs_person",
        "1 if a scan is held by a limit, or failed after the last that counts.",
        lambda s, now: s.current is not None and s.current.state in {"HELD", "FAILED"},
    ),
)


class DynamoCollector(Collector):
    """Gauges of queue, sites, cycles, plans and feeds, read when they are asked for; a handful of queries, whatever the size."""

    def __init__(self, clock: Callable[[], datetime] = timezone.now) -> None:
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = self._clock()
        yield _single("paused", "1 if all deletions are paused.", pause_state().is_paused)
        yield _single(
            "inventory_age_seconds", "Since the last completed injection; -1: never.", _age(inventory_updated_at(), now)
        )
        signs = pulse()
        yield _single("periodic_work_age_seconds", "Since a worker last did periodic work; -1: never.", _age(signs.at, now))
        yield _single("plans_not_queued", "Released plans that no worker has put into the queue.", signs.num_plans_outside)
        yield _single("audit_events", "Events in the audit trail: if it falls, some were removed.", audit_head()[0])
        yield from _labelled("site", _SITE_GAUGES, [(site.site_name, site) for site in deletions_under_way(now=now)], now)
        yield from _labelled("site", _SCAN_GAUGES, [(row.site_name, row) for row in sites_scanned()], now)
        yield from _labelled("partition", _CYCLE_GAUGES, [(cycle.partition_name, cycle) for cycle in latest_cycles()], now)
        plans = GaugeMetricFamily("dynamo_plans", "Plans that may still delete something.", labels=["state"])
        for state, count in open_plan_counts().items():
            plans.add_metric([state.lower()], count)
        yield plans
        age = GaugeMetricFamily("dynamo_feed_age_seconds", "Since the feed was measured; -1: never came.", labels=["feed"])
        stale = GaugeMetricFamily("dynamo_feed_stale", "1 if its facts count as unknown.", labels=["feed"])
        for feed in feed_ages():
            age.add_metric([feed.name], _age(feed.measured_at, now))
            stale.add_metric([feed.name], float(feed.is_stale(now)))
        yield age
        yield stale


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus's text format, for the bearer of ``DYNAMO_METRICS_TOKEN`` or a person who may see deletions.

    Raises ``PermissionDenied`` for anybody else.
    """
    if not (_has_token(request) or request.user.has_perm(VIEW)):
        raise PermissionDenied("Metrics need the token of DYNAMO_METRICS_TOKEN (Authorization: Bearer ...) or the right " + VIEW)
    return HttpResponse(prometheus_client.generate_latest(_registry()), content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    expected = f"Bearer {settings.DYNAMO_METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode(errors="replace")
    return bool(settings.DYNAMO_METRICS_TOKEN) and hmac.compare_digest(given, expected)


class _OfThisProcess(Collector):
    """What was counted in this process alone."""

    def collect(self) -> Iterable[Any]:
        return prometheus_client.REGISTRY.collect()


def _registry() -> prometheus_client.CollectorRegistry:
    registry = prometheus_client.CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # registers itself
    else:
        registry.register(_OfThisProcess())
    registry.register(DynamoCollector())
    return registry


def _single(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"dynamo_{name}", text, value=float(value))


def _labelled(label: str, gauges: Iterable[Any], rows: Iterable[tuple[str, Any]], now: datetime) -> Iterator[GaugeMetricFamily]:
    named = list(rows)
    for gauge in gauges:
        family = GaugeMetricFamily(f"dynamo_{gauge.name}", gauge.help, labels=[label])
        for name, row in named:
            family.add_metric([name], float(gauge.value(row, now)))
        yield family


def _age(moment: datetime | None, now: datetime) -> float:
    return -1.0 if moment is None else (now - moment).total_seconds()


def _seconds(duration: timedelta | None) -> float:
    return -1.0 if duration is None else duration.total_seconds()
