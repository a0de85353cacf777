"""What the lists and pages of deletions and of the trash have in common: a row of something at a site, with a state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from inventory.permissions import ReadOnlyAdminMixin
from inventory.selectors.datasets_overview import name_filter
from inventory.selectors.wording import badge_html, size_html, when_html


class QueueRowAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """Rows with ``what``, ``state``, ``size_bytes`` and ``finished_at``, found by the name of their dataset."""

    #: Word of the colour vocabulary for each state.
    state_kinds: ClassVar[Mapping[str, str]] = {}

    list_filter = ["state", "site_name"]
    search_fields = ["dataset_name"]
    search_help_text = "Dataset name; * and ? are wildcards"
    paginator = InfinitePaginator
    sortable_by: list[str] = []
    list_fullwidth = True
    list_per_page = 50

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(name_filter(term, "dataset_name")) if term else queryset), False

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.inlines if obj is not None else []

    @display(description="what")
    def what(self, row: Any) -> str:
        return row.what

    @display(description="state", ordering="state")
    def state_badge(self, row: Any) -> SafeString:
        return badge_html(self.state_kinds.get(row.state, "kept"), row.get_state_display())

    @display(description="size")
    def size(self, row: Any) -> SafeString:
        return size_html(row.size_bytes)

    @display(description="finished")
    def finished(self, row: Any) -> SafeString | str:
        return when_html(row.finished_at) if row.finished_at else "not yet"
