"""Keyset pages: page 10,000 costs as much as page 1, and no page counts a table of millions."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from inventory.selectors.keyset import KeysetPage, keyset_page

ORDERING = "ordering"


class KeysetPagination(CursorPagination):
    """Follow ``next`` and ``previous``; ``page_size`` up to 1,000.

    Newest first, unless ``ordering`` asks for one of the view's ``ordering_fields``: indexed fields that are never null.
    Unlike DRF's own cursors these hold the key of the row, so that any number of rows may be equal in the field.
    """

    ordering = "-pk"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: APIView | None = None) -> list[Any]:
        self.address = request.build_absolute_uri()
        self.page: KeysetPage = keyset_page(
            queryset,
            order=self._order(request, view),
            mark=request.query_params.get(self.cursor_query_param, ""),
            size=self.get_page_size(request),
        )
        return self.page.rows

    def get_page_size(self, request: Request) -> int:
        """Return the size asked for. Raises ``ValidationError`` for what is no size, where DRF takes its default."""
        text = request.query_params.get(self.page_size_query_param)
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= self.max_page_size):
            raise ValidationError(
                {self.page_size_query_param: f"found {text[:40]!r}, expected a whole number from 1 to {self.max_page_size}"}
            )
        return int(text)

    def get_next_link(self) -> str | None:
        return replace_query_param(self.address, self.cursor_query_param, self.page.next) if self.page.next else None

    def get_previous_link(self) -> str | None:
        return replace_query_param(self.address, self.cursor_query_param, self.page.previous) if self.page.previous else None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        if orders := self._orders(view):
            schema = {"type": "string", "enum": orders}
            parameters.append(
                {
                    "name": ORDERING,
                    "in": "query",
                    "required": False,
                    "description": "Order; newest first if not given.",
                    "schema": schema,
                }
            )
        return parameters

    def _order(self, request: Request, view: APIView | None) -> str:
        wanted = request.query_params.get(ORDERING, self.ordering)
        allowed = self._orders(view)
        if wanted != self.ordering and wanted not in allowed:
            raise ValidationError({ORDERING: f"found {wanted[:40]!r}, expected one of {', '.join(allowed)}"})
        return wanted

    @staticmethod
    def _orders(view: Any) -> list[str]:
        return [sign + name for name in getattr(view, "ordering_fields", ()) for sign in ("", "-")]
