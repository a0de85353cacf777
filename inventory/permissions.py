"""What nobody may do in the admin, whatever rights the account has."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest


def may(user: Any, permission: str, obj: models.Model | None = None) -> bool:
    """Tell whether *user* has *permission* in general or on *obj*.

    Django's own back end answers no to every question about an object and guardian to every question without one,
    so that both have to be asked.
    """
    return user.has_perm(permission) or (obj is not None and user.has_perm(permission, obj))


class UndeletableAdminMixin:
    """Refuses deletion in the admin: what is stored is history, or goes by a service that says why."""

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyAdminMixin(UndeletableAdminMixin):
    """Shows rows and refuses every change: only services write here."""

    show_full_result_count = False
    actions = None

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
