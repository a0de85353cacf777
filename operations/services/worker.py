"""The loop of a worker: claim, act, record, until nothing can be done now or its time is over."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import get_ident

from django.conf import settings

from inventory.selectors.clock import DatabaseClock
from inventory.selectors.sites import SiteStorage, site_storage
from operations.selectors.pausing import pause_file
from operations.services.act import act
from operations.services.claim import Claim, claim, sites_with_queue
from operations.services.dark_recheck import UnchangedGateway
from operations.services.limits import QueueLimits, limits_from_settings
from operations.services.record import record
from operations.services.watch import Clock
from operations.storage import Access, Gateway, RefusingGateway, gateway_for
from operations.storage.roots import local_root, overlapping_site, root_problem

GatewayFactory = Callable[[SiteStorage], Gateway]


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """What a worker got done. ``states``: into which state deletions went; ``is_time_over``: there may be more to do now."""

    num_batches: int = 0
    states: Counter[str] = field(default_factory=Counter)
    num_lost: int = 0
    is_time_over: bool = False


def real_gateway(site: SiteStorage) -> Gateway:
    """Return the way to the real storage of a site; where its folder is not its own alone, one that refuses every file."""
    problem = _why_not_its_own(site)
    if problem:
        return RefusingGateway(problem)
    access = Access(secrets=Path(settings.DYNAMO_STORAGE_SECRETS))
    return gateway_for(site_name=site.name, endpoint_url=site.endpoint_url, lfn_rules=site.lfn_rules, access=access)


def _why_not_its_own(site: SiteStorage) -> str:
    root = local_root(site.endpoint_url)
    if root is not None and (problem := _own_folder_problem(root)):
        return f"the endpoint of {site.name} cannot be a site's storage: {problem}"
    other = overlapping_site(site.name, site.endpoint_url, {s.name: s.endpoint_url for s in site_storage().values()})
    if other:
        return (
            f"the folders of {site.name} and {other} overlap: a deletion at one could take the other's copy; "
            f"give each site a folder that is its own"
        )
    return ""


def _own_folder_problem(root: Path) -> str:
    database = settings.DATABASES["default"]
    own = [settings.BASE_DIR, settings.VAR_DIR, Path(settings.MEDIA_ROOT), pause_file()]
    if database["ENGINE"] == "django.db.backends.sqlite3" and Path(str(database["NAME"])).is_absolute():
        own.append(Path(str(database["NAME"])))
    return root_problem(root, own=own, forbidden=[Path(settings.MEDIA_ROOT), Path(settings.DYNAMO_STORAGE_SECRETS)])


def _way(gateway: GatewayFactory, taken: Claim) -> Gateway:
    """Return the way to the storage of a claim; of what nobody knows only that goes which is as it was seen."""
    way = gateway(taken.site)
    if not taken.is_of_paths:
        return way
    seen = {file.lfn: (file.size_bytes, item.modified_at) for item in taken.items for file in item.files if item.modified_at}
    return UnchangedGateway(way, seen)


def worker_name() -> str:
    """Return a name that tells host, process and thread."""
    return f"{socket.gethostname()[:80]}:{os.getpid()}:{get_ident() & 0xFFFF}"


def work(
    *,
    worker: str,
    budget: timedelta | None = None,
    clock: Clock | None = None,
    gateway: GatewayFactory = real_gateway,
    limits: QueueLimits | None = None,
    rng: Random | None = None,
) -> WorkSummary:
    """Claim, act and record until nothing can be done now, or until *budget* is used up (a batch that was begun is finished).

    Starts at a site of its own choice, so that workers spread. Whatever instant it is killed at, the work can be done again.
    """
    clock = clock or DatabaseClock()
    limits = limits or limits_from_settings()
    rng = rng or Random()  # noqa: S311 - spreads load, keeps no secret
    until = clock() + budget if budget is not None else None
    states: Counter[str] = Counter()
    num_batches = num_lost = 0
    names = sites_with_queue()
    last_site = rng.choice(names) if names else ""
    while until is None or clock() < until:
        taken = claim(worker=worker, now=clock(), limits=limits, after_site=last_site)
        if taken is None:
            return WorkSummary(num_batches, states, num_lost)
        last_site = taken.site.name
        acted = act(taken, gateway=_way(gateway, taken), clock=clock, limits=limits)
        recorded = record(acted, now=clock(), limits=limits, rng=rng)
        num_batches += 1
        states += recorded.states
        num_lost += recorded.num_lost
    return WorkSummary(num_batches, states, num_lost, is_time_over=True)
