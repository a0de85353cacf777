"""Filters that refuse what they do not know: a mistyped parameter must not return everything."""

from __future__ import annotations

import difflib
from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from dynamo_site.api.pagination import ORDERING
from dynamo_site.api.permissions import ViewPermissions, viewable

PAGE_PARAMETERS = frozenset({"cursor", "page_size"})


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, but an unknown or repeated query parameter is an error that lists the allowed ones."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filterset_class = self.get_filterset_class(view, queryset)
        allowed = set(filterset_class.get_filters()) if filterset_class is not None else set()
        if getattr(view, "ordering_fields", ()):
            allowed.add(ORDERING)
        if getattr(view, "action", "list") == "list":  # acts on one object have parameters of their own
            refuse_unknown_parameters(request, allowed | PAGE_PARAMETERS)
        return super().filter_queryset(request, queryset, view)


class ObjectRightsFilter(BaseFilterBackend):
    """Restricts lists to what the user may view, where the view asks for the right to; any other chooses its rows itself."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        asks = any(isinstance(kind, type) and issubclass(kind, ViewPermissions) for kind in view.permission_classes)
        return viewable(request.user, queryset) if asks else queryset


def refuse_unknown_parameters(request: Request, allowed: set[str]) -> None:
    """Raise ``ValidationError`` for each query parameter that is not in *allowed*, or stands twice."""
    problems: dict[str, str] = {}
    for name, values in request.query_params.lists():
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"allowed: {', '.join(sorted(allowed)) or 'none'}"
            problems[name] = f"Unknown query parameter; {hint}"
        elif len(values) > 1:
            problems[name] = "Given more than once; give it once."
    if problems:
        raise ValidationError(problems)
