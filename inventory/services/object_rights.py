"""Rights on single objects, given and taken by people: written with a row in the audit trail that says which."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import Group
from django.db import models, transaction
from guardian.shortcuts import assign_perm, get_group_perms, get_user_perms, remove_perm

from inventory.services.audit import Actor, audit_record


@transaction.atomic
def object_rights_set(
    *, subject: models.Model, holder: Any, codenames: Collection[str], among: Collection[str], actor: Actor
) -> bool:
    """Give *holder* (an account or a group of accounts) of the rights *among* exactly these on *subject*.

    Return whether that changed anything. Other rights, and what an account has by its groups, are not touched. The caller
    asks which rights the actor may give.
    """
    type(subject)._default_manager.select_for_update(of=("self",)).get(pk=subject.pk)
    before = rights_on(subject, holder) & set(among)
    wanted = set(codenames) & set(among)
    if before == wanted:
        return False
    for codename in sorted(wanted - before):
        assign_perm(codename, holder, subject)
    for codename in sorted(before - wanted):
        remove_perm(codename, holder, subject)
    kind = "group" if isinstance(holder, Group) else "account"
    audit_record(
        actor=actor,
        action=f"{subject._meta.app_label}.{subject._meta.model_name}.rights",
        subject=str(subject),
        details={kind: str(holder), "given": sorted(wanted - before), "taken": sorted(before - wanted)},
    )
    return True


def rights_on(subject: models.Model, holder: Any) -> set[str]:
    """Return the rights (code names) that were given to *holder* itself on *subject*."""
    return set((get_group_perms if isinstance(holder, Group) else get_user_perms)(holder, subject))
