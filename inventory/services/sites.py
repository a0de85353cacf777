"""Pausing and resuming deletions at a site."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from inventory.exceptions import InvalidTransition, NotFound
from inventory.models import Site
from inventory.services.audit import Actor, audit_record
from inventory.services.rights import require
from inventory.signals import site_resumed

PAUSE_SITE = "inventory.pause_site"
RESUME_SITE = "inventory.resume_site"


def site_pause(*, site_name: str, actor: Actor, reason: str) -> Site:
    """Stop new deletions at the site until somebody resumes them.

    Raises ``NotFound`` for an unknown site, ``InvalidTransition`` if it is paused already (the first reason stays),
    ``PermissionDenied`` without ``inventory.pause_site``.
    """
    with transaction.atomic():
        site = site_locked(site_name)
        require(actor, PAUSE_SITE, site)
        if site.is_paused:
            raise InvalidTransition(
                f"deletions at {site_name} are paused already, since {site.deletion_paused_at}: {site.deletion_paused_reason}"
            )
        site.deletion_paused_at = timezone.now()
        site.deletion_paused_by_id = actor.user.pk if actor.user is not None else None
        site.deletion_paused_reason = reason[: Site._meta.get_field("deletion_paused_reason").max_length]
        site.save(update_fields=["deletion_paused_at", "deletion_paused_by", "deletion_paused_reason"])
        audit_record(actor=actor, action="inventory.site_pause", subject=f"site {site_name}", reason=reason)
    return site


def site_resume(*, site_name: str, actor: Actor, reason: str) -> Site:
    """Let deletions at the site go on, and say so by ``site_resumed``.

    Raises ``NotFound`` for an unknown site, ``InvalidTransition`` if it is not paused, ``PermissionDenied`` without
    ``inventory.resume_site``.
    """
    with transaction.atomic():
        site = site_locked(site_name)
        require(actor, RESUME_SITE, site)
        if not site.is_paused:
            raise InvalidTransition(f"deletions at {site_name} are not paused: there is nothing to resume")
        details = {"paused_at": str(site.deletion_paused_at), "paused_reason": site.deletion_paused_reason}
        site.deletion_paused_at = None
        site.deletion_paused_by = None
        site.deletion_paused_reason = ""
        site.save(update_fields=["deletion_paused_at", "deletion_paused_by", "deletion_paused_reason"])
        audit_record(actor=actor, action="inventory.site_resume", subject=f"site {site_name}", reason=reason, details=details)
        transaction.on_commit(lambda: site_resumed.send(sender=Site, site_name=site_name))
    return site


def site_locked(name: str) -> Site:
    """Return the site, locked until the caller's transaction ends. Raises ``NotFound``."""
    site = Site.objects.select_for_update().filter(name=name).first()
    if site is None:
        raise NotFound(f"no site is called {name!r}: inject it first, or name one that exists")
    return site
