"""Who may read: the model's view right, in general or on single objects. Who may act is asked by the service, under lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet
from guardian.shortcuts import get_objects_for_user
from rest_framework.permissions import SAFE_METHODS, DjangoModelPermissions
from rest_framework.request import Request

from inventory.permissions import may

if TYPE_CHECKING:  # views import their permissions
    from rest_framework.views import APIView


class ViewPermissions(DjangoModelPermissions):
    """Every method needs the model permission of its kind, reading included (DRF's default lets anybody read).

    Whoever may view some objects but not all of a kind gets in, and sees those alone: ``ObjectRightsFilter`` restricts lists,
    and single objects are asked for here.
    """

    perms_map = dict(DjangoModelPermissions.perms_map) | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        if super().has_permission(request, view):
            return True
        if request.method not in SAFE_METHODS or not request.user.is_authenticated:
            return False
        return viewable(request.user, self._queryset(view).model._default_manager.all()).exists()

    def has_object_permission(self, request: Request, view: APIView, obj: Model) -> bool:
        return request.method not in SAFE_METHODS or may(request.user, view_right(type(obj)), obj)


def view_right(model: type[Model]) -> str:
    """Return the full name of the right to view rows of *model*."""
    return f"{model._meta.app_label}.view_{model._meta.model_name}"


def viewable(user: Any, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return all *rows* for a user with the right in general, else those on which it was given."""
    right = view_right(rows.model)
    if user.has_perm(right):
        return rows
    return get_objects_for_user(user, right, klass=rows, accept_global_perms=False)
