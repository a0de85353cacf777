"""Sites as storage: where files are and whether they may be deleted there now."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db.models import QuerySet

from inventory.models import Site


@dataclass(frozen=True, slots=True)
class LfnRule:
    """``pattern`` (regular expression) and what a logical name that fits it becomes below the endpoint.

    ``then``: the further steps of a chain, each applied to what the one before made; the rule fits if all of them do.
    """

    pattern: str
    replacement: str
    then: tuple[LfnRule, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteStorage:
    """What a worker must know of a site; ``endpoint_url`` is empty where nothing may ever be deleted."""

    key: int
    name: str
    status: str
    storage_type: str
    endpoint_url: str
    lfn_rules: tuple[LfnRule, ...]
    is_paused: bool
    paused_at: datetime | None
    paused_reason: str


def site_storage(names: Collection[str] | None = None) -> dict[str, SiteStorage]:
    """Return the named sites (all without *names*) by name, read fresh; unknown names are absent from the result."""
    sites = Site.objects.all() if names is None else sites_named(names)
    return {site.name: _storage(site) for site in sites.order_by("name")}


def sites_named(names: Collection[str]) -> QuerySet[Site]:
    """Return the sites with these names."""
    return Site.objects.filter(name__in=list(names))


def site_name_of(key: int) -> str | None:
    """Return the name of the site with that primary key, or None."""
    return Site.objects.filter(pk=key).values_list("name", flat=True).first()


def sites_close_to(name: str) -> list[str]:
    """Return at most three names of sites that somebody who wrote *name* may have meant, closest first; case is no difference."""
    names = {known.casefold(): known for known in Site.objects.order_by("name").values_list("name", flat=True)}
    return [names[close] for close in difflib.get_close_matches(name.casefold(), names, n=3)]


def site_pattern_fits(pattern: str) -> bool:
    """Tell whether some site's whole name fits *pattern*, in which ``*`` is any text and ``?`` any character."""
    return any(
        fnmatchcase(name, pattern.replace("[", "[[]")) for name in Site.objects.order_by("name").values_list("name", flat=True)
    )


def _rules(stored: object) -> tuple[LfnRule, ...]:
    """Return the rules as stored; what is none becomes a rule without a pattern, which makes every deletion there refused."""
    if not isinstance(stored, list):
        return (LfnRule("", ""),)
    return tuple(_rule(rule) for rule in stored)


def _rule(stored: object) -> LfnRule:
    if isinstance(stored, list) and stored:
        first, *others = (_rule(step) if isinstance(step, dict) else LfnRule("", "") for step in stored)
        return LfnRule(first.pattern, first.replacement, tuple(others))
    if isinstance(stored, dict) and isinstance(stored.get("pattern"), str) and isinstance(stored.get("replacement"), str):
        return LfnRule(stored["pattern"], stored["replacement"])
    return LfnRule("", "")


def _storage(site: Site) -> SiteStorage:
    return SiteStorage(
        key=site.pk,
        name=site.name,
        status=site.status,
        storage_type=site.storage_type,
        endpoint_url=site.endpoint_url,
        lfn_rules=_rules(site.lfn_rules),
        is_paused=site.is_paused,
        paused_at=site.deletion_paused_at,
        paused_reason=site.deletion_paused_reason,
    )


def sites_without_right(user: AbstractBaseUser, permission: str, names: Collection[str]) -> list[str]:
    """Return those of the named sites at which *user* has *permission* neither in general nor on the site, by name."""
    if not isinstance(user, PermissionsMixin) or not user.is_active:
        return sorted(names)
    if user.has_perm(permission):
        return []
    sites = {site.name: site for site in Site.objects.filter(name__in=list(names))}
    return [name for name in sorted(names) if name not in sites or not user.has_perm(permission, sites[name])]
