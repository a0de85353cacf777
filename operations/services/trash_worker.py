"""The loops of a worker on trash: what people asked back first, then what has been kept long enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from inventory.selectors.clock import DatabaseClock
from operations.choices import TrashState
from operations.services.limits import QueueLimits, limits_from_settings
from operations.services.purging import purge_act, purge_record
from operations.services.restoring import restore_act, restore_record
from operations.services.trash_lease import TrashLease, trash_lease
from operations.services.watch import Clock
from operations.services.worker import GatewayFactory, real_gateway
from operations.storage import Gateway


@dataclass(frozen=True, slots=True)
class TrashSummary:
    """``files``: outcomes of files asked back; ``purged``: trash by state; ``is_time_over``: there may be more to do now."""

    files: Counter[str] = field(default_factory=Counter)
    purged: Counter[str] = field(default_factory=Counter)
    is_time_over: bool = False


def _way(gateway: GatewayFactory, lease: TrashLease) -> Gateway:
    """Return the way to the storage of a lease; what nobody knew is named by its path."""
    way = gateway(lease.site)
    return way.by_path() if lease.is_of_paths else way


def restore_work(
    *,
    worker: str,
    only: Collection[int] | None = None,
    budget: timedelta | None = None,
    clock: Clock | None = None,
    gateway: GatewayFactory = real_gateway,
    limits: QueueLimits | None = None,
    rng: Random | None = None,
) -> TrashSummary:
    """Bring back what was asked for until nothing can be done now, or *budget* is used up. Can be killed at any instant."""
    clock = clock or DatabaseClock()
    limits, rng = limits or limits_from_settings(), rng or Random()  # noqa: S311 - spreads load, keeps no secret
    until = clock() + budget if budget is not None else None
    files: Counter[str] = Counter()
    while until is None or clock() < until:
        lease = trash_lease(TrashState.RESTORING, worker=worker, now=clock(), limits=limits, only=only)
        if lease is None:
            return TrashSummary(files=files)
        acted = restore_act(lease, gateway=_way(gateway, lease), clock=clock, limits=limits)
        files += restore_record(acted, now=clock(), limits=limits, rng=rng)
        if acted.stopped:
            return TrashSummary(files=files)
    return TrashSummary(files=files, is_time_over=True)


def purge_work(
    *,
    worker: str,
    budget: timedelta | None = None,
    clock: Clock | None = None,
    gateway: GatewayFactory = real_gateway,
    limits: QueueLimits | None = None,
    rng: Random | None = None,
) -> TrashSummary:
    """Purge what has been kept long enough until nothing can be done now, or *budget* is used up; can be killed at any time."""
    clock = clock or DatabaseClock()
    limits, rng = limits or limits_from_settings(), rng or Random()  # noqa: S311 - spreads load, keeps no secret
    until = clock() + budget if budget is not None else None
    purged: Counter[str] = Counter()
    while until is None or clock() < until:
        lease = trash_lease(TrashState.PURGING, worker=worker, now=clock(), limits=limits)
        if lease is None:
            return TrashSummary(purged=purged)
        acted = purge_act(lease, gateway=_way(gateway, lease), clock=clock, limits=limits)
        purged += purge_record(acted, now=clock(), limits=limits, rng=rng)
        if acted.stopped:
            return TrashSummary(purged=purged)
    return TrashSummary(purged=purged, is_time_over=True)
