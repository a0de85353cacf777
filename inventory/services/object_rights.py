"""Rights on single objects, given and taken by people: written with a row in the audit trail that says which.

The pages of the admin (``inventory.rights_pages``) and the API (``inventory.rights_api``) both ask here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from guardian.models import GroupObjectPermission, UserObjectPermission
from guardian.shortcuts import (
    assign_perm,
    get_group_perms,
    get_perms_for_model,
    get_user_perms,
    remove_perm,
)

from inventory.permissions import may
from inventory.services.audit import Actor, audit_record


def rights_of_kind(model: type[models.Model]) -> list[str]:
    """Return the rights (code names) that mean something on one object: it is there already, and is never deleted."""
    means_nothing = {f"{verb}_{model._meta.model_name}" for verb in ("add", "delete")}
    return [name for name in get_perms_for_model(model).values_list("codename", flat=True) if name not in means_nothing]


def rights_offered(model: type[models.Model], user: Any) -> frozenset[str]:
    """Return the rights that *user* may give and take on every object of a kind at this moment.

    Who may change them all gives what they have themselves in general, and nothing beyond.
    """
    app = model._meta.app_label
    if not may(user, f"{app}.change_{model._meta.model_name}", afresh=True):
        return frozenset()
    return frozenset(name for name in rights_of_kind(model) if may(user, f"{app}.{name}", afresh=True))


def holders_of(subject: models.Model) -> list[tuple[str, str, list[str]]]:
    """Return who was given rights on *subject*: ``"account"`` or ``"group"``, its name, the code names in order."""
    found: dict[tuple[str, str], list[str]] = {}
    on_it = {"content_type": ContentType.objects.get_for_model(subject), "object_pk": str(subject.pk)}
    of_accounts = UserObjectPermission.objects.filter(**on_it).values_list("user__username", "permission__codename")
    of_groups = GroupObjectPermission.objects.filter(**on_it).values_list("group__name", "permission__codename")
    for kind, rows in (("account", of_accounts), ("group", of_groups)):
        for name, codename in rows:
            found.setdefault((kind, name), []).append(codename)
    return [(kind, name, sorted(names)) for (kind, name), names in sorted(found.items())]


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
