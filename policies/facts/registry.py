"""The providers of facts, and the one way to load what a policy names, with unknown where a feed is stale."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from inventory.selectors.snapshot import FeedState, InventoryColumns, read_feeds
from inventory.selectors.wording import duration_text
from policies.evaluation.columns import OPTIONAL_COLUMNS
from policies.exceptions import ProviderFailedError
from policies.facts import (
    attributes,
    enforcer,
    global_catalogues,
    locks,
    popularity,
    production_releases,
    protected_sites,
    tape_requests,
    unhandled_copies,
)
from policies.facts.request import FactRequest, Facts, Provider
from policies.language.variables import ATTRIBUTES, BY_NAME

logger = logging.getLogger(__name__)

PROVIDERS: Mapping[str, Provider] = {
    module.PROVIDER.feed: module.PROVIDER
    for module in (
        popularity,
        tape_requests,
        production_releases,
        protected_sites,
        global_catalogues,
        unhandled_copies,
        enforcer,
        locks,
    )
}


@dataclass(frozen=True, slots=True)
class UnknownFeed:
    """A feed whose facts count as unknown in this cycle, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoadedFacts:
    """Values by variable; null throughout where the feed is in ``unknown``."""

    values: Facts
    unknown: tuple[UnknownFeed, ...]


def load_facts(request: FactRequest, providers: Mapping[str, Provider] = PROVIDERS) -> LoadedFacts:
    """Load the facts behind ``request.variables``; a feed that is stale at the cycle's clock, or never came, is unknown.

    Raises `ProviderFailedError`, with the name of the feed, when one cannot be loaded: a cycle must not go on without.
    """
    by_feed: dict[str, set[str]] = {}
    for name in sorted(request.variables):
        feed = BY_NAME[name].fact
        if feed is not None:
            by_feed.setdefault(feed, set()).add(name)
    feeds = read_feeds(request.reader) if measured_feeds(request.variables, providers) else {}
    values: dict[str, pl.Series] = {}
    unknown: list[UnknownFeed] = []
    if attributes.ATTRIBUTES_VARIABLE in request.variables and ATTRIBUTES in feeds:
        reason = _why_unknown(feeds[ATTRIBUTES], request)
        values[attributes.ATTRIBUTES_VARIABLE] = attributes.with_measured(request, is_fresh=reason is None)
        unknown += [] if reason is None else [_unknown(ATTRIBUTES, reason)]
    for feed, variables in sorted(by_feed.items()):
        provider = providers[feed]
        reason = _why_unknown(feeds.get(feed), request) if provider.is_measured else None
        if reason is None:
            values.update(_load(provider, request, frozenset(variables)))
        else:
            unknown.append(_unknown(feed, reason))
            values.update({name: _nulls(name, request.inventory) for name in variables})
    return LoadedFacts(values, tuple(unknown))


def measured_feeds(variables: Collection[str], providers: Mapping[str, Provider] = PROVIDERS) -> set[str]:
    """Return the feeds from outside that *variables* are read from; that of attributes also where it never came."""
    named = {BY_NAME[name].fact for name in variables}
    measured = {name for name in named if name is not None and providers[name].is_measured}
    return measured | ({ATTRIBUTES} if attributes.ATTRIBUTES_VARIABLE in variables else set())


def _unknown(feed: str, reason: str) -> UnknownFeed:
    logger.warning("the feed %s counts as unknown: %s", feed, reason, extra={"feed": feed})
    return UnknownFeed(feed, reason)


def _load(provider: Provider, request: FactRequest, variables: frozenset[str]) -> Facts:
    narrowed = FactRequest(request.reader, request.inventory, variables, request.now)
    try:
        found = provider.load(narrowed)
    except Exception as error:
        raise ProviderFailedError(provider.feed, error) from error
    missing = variables - found.keys()
    if missing:
        raise ProviderFailedError(provider.feed, LookupError(f"gave no values for {', '.join(sorted(missing))}"))
    return {name: _checked(provider, name, found[name], request.inventory) for name in variables}


def _checked(provider: Provider, name: str, values: pl.Series, inventory: InventoryColumns) -> pl.Series:
    """Return *values* if there is one for every row: a short or gappy column must not pass for a fact."""
    frame, _, dtype = OPTIONAL_COLUMNS[name]
    expected = _height(frame, inventory)
    if len(values) != expected or values.dtype != dtype or values.null_count():
        found = f"{len(values)} values of type {values.dtype}, {values.null_count()} of them empty"
        raise ProviderFailedError(provider.feed, ValueError(f"{name}: expected {expected} values of type {dtype}, found {found}"))
    # Not a number is no measurement; compared or sorted as one it would say something of the dataset.
    return values.fill_nan(None) if dtype == pl.Float64 else values


def _why_unknown(state: FeedState | None, request: FactRequest) -> str | None:
    if state is None or state.measured_at is None:
        return "it was never loaded"
    read_at = datetime.fromtimestamp(request.inventory.taken_at, tz=UTC)
    if state.is_fresh(request.now, read_at=read_at):
        return None
    limit = duration_text(timedelta(seconds=state.max_age_seconds))
    measured, now = f"{state.measured_at:%Y-%m-%dT%H:%M:%SZ}", f"{request.now:%Y-%m-%dT%H:%M:%SZ}"
    if state.measured_at > request.now:
        return f"it says that it was measured at {measured}, more than {limit} from now: is a clock wrong?"
    return f"it was measured at {measured}, more than {limit} before {now}"


def _nulls(name: str, inventory: InventoryColumns) -> pl.Series:
    frame, column, dtype = OPTIONAL_COLUMNS[name]
    return pl.Series(column, [None], dtype=dtype).new_from_index(0, _height(frame, inventory))


def _height(frame: str, inventory: InventoryColumns) -> int:
    heights = {
        "datasets": inventory.datasets.height,
        "replicas": inventory.replicas.height,
        "block_replicas": inventory.block_replicas.height,
    }
    return heights[frame]
