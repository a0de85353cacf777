"""What nobody may do in the admin, whatever rights the account has."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth import get_user_model
from django.db import models
from django.http import HttpRequest


def may(user: Any, permission: str, obj: models.Model | None = None, *, afresh: bool = False) -> bool:
    """Tell whether *user* has *permission* in general or on *obj*.

    *afresh*: as the database has it at this moment, not as it was when the account was loaded: a page may be older than a
    revocation. Services that are asked for what cannot be undone ask so.

    Django's own back end answers no to every question about an object and guardian to every question without one,
    so that both have to be asked.
    """
    if afresh:
        user = get_user_model().objects.filter(pk=user.pk, is_active=True).first()
        if user is None:
            return False
    if user.has_perm(permission):
        return True
    # A right of one application is never given on an object of another.
    return obj is not None and permission.partition(".")[0] == obj._meta.app_label and user.has_perm(permission, obj)


class UndeletableAdminMixin:
    """Refuses deletion in the admin: what is stored is history, or goes by a service that says why."""

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyAdminMixin(UndeletableAdminMixin):
    """Shows rows and refuses every change: only services write here."""

    show_full_result_count = False
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        """Return all fields of the page, so that they may be display methods, with units, beside fields of the model."""
        return flatten_fieldsets(self.get_fieldsets(request, obj))  # type: ignore[attr-defined] # a mixin of ModelAdmin

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
