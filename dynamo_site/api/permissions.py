"""Who may read: the model's view permission. Who may act is asked by the service itself, on the object, under lock."""

from __future__ import annotations

from rest_framework.permissions import DjangoModelPermissions


class ViewPermissions(DjangoModelPermissions):
    """Every method needs the model permission of its kind, reading included (DRF's default lets anybody read)."""

    perms_map = dict(DjangoModelPermissions.perms_map) | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }
