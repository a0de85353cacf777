"""Edits of definitions by people: saved and recorded in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth import get_permission_codename
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction

from inventory.services.audit import Actor, audit_record
from inventory.services.rights import require


@transaction.atomic
def definition_save(*, user: AbstractBaseUser, instance: models.Model, changed_fields: Sequence[str]) -> models.Model:
    """Validate and save *instance* as *user* edited it, and append one audit event that names the fields that changed.

    Raises ``django.core.exceptions.ValidationError`` when the row contradicts its model, ``PermissionDenied`` without the right
    to add or change such rows (or this one); nothing is saved then.
    """
    created = instance.pk is None
    if not created:
        type(instance)._default_manager.select_for_update().filter(pk=instance.pk).first()
    codename = get_permission_codename("add" if created else "change", instance._meta)
    require(Actor.of(user), f"{instance._meta.app_label}.{codename}", instance)
    instance.full_clean()
    instance.save()
    audit_record(
        actor=Actor.of(user),
        action=f"{instance._meta.app_label}.{instance._meta.model_name}.{'add' if created else 'change'}",
        subject=str(instance),
        details={name: _plain(getattr(instance, name)) for name in changed_fields if hasattr(instance, name)},
    )
    return instance


def _plain(value: object) -> object:
    """Return *value* as JSON holds it."""
    if isinstance(value, bool | int | float | str | list | dict) or value is None:
        return value
    if hasattr(value, "all"):  # a relation to many: named after it was saved
        return "changed"
    return str(value)
