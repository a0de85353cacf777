"""``export.csv`` and ``export.parquet`` beside a list: all rows that fit its filters, as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from inventory.choices import ExportFormat
from inventory.selectors.exports import list_file

_SAID = "All rows that fit the filters, in the order of their keys; more than a million are refused (400): narrow the list."


class _WhateverIsAccepted(DefaultContentNegotiation):
    """The address says which format comes; errors stay JSON."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ListFileMixin:
    """The rows of a list as a file, streamed. ``export_columns``: as of ``list_file``."""

    ordering_fields: tuple[str, ...] = ()
    export_columns: Mapping[str, str] | None = None

    @extend_schema(description=_SAID, responses={(200, "text/csv"): OpenApiTypes.STR}, filters=True)
    @action(
        detail=False,
        url_path=r"export\.csv",
        url_name="export-csv",
        pagination_class=None,
        ordering_fields=(),
        content_negotiation_class=_WhateverIsAccepted,
    )
    def export_csv(self, request: Request) -> StreamingHttpResponse:
        return self._export(ExportFormat.CSV)

    @extend_schema(description=_SAID, responses={(200, "application/vnd.apache.parquet"): OpenApiTypes.BINARY}, filters=True)
    @action(
        detail=False,
        url_path=r"export\.parquet",
        url_name="export-parquet",
        pagination_class=None,
        ordering_fields=(),
        content_negotiation_class=_WhateverIsAccepted,
    )
    def export_parquet(self, request: Request) -> StreamingHttpResponse:
        return self._export(ExportFormat.PARQUET)

    def _export(self, file_format: ExportFormat) -> StreamingHttpResponse:
        rows = self.filter_queryset(self.get_queryset())  # type: ignore[attr-defined] # of a view set
        file = list_file(rows, file_format, columns=self.export_columns)
        disposition = content_disposition_header(True, file.name) or ""
        return StreamingHttpResponse(file.chunks, content_type=file.content_type, headers={"Content-Disposition": disposition})
