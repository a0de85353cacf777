"""Lists over tables of millions: the filters of the API, pages by key, counts that stop, a download of what is listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, ORDER_VAR, PAGE_VAR
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import content_disposition_header
from django_filters import FilterSet
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from inventory.choices import ExportFormat
from inventory.exceptions import InvalidInput, TooSlow
from inventory.permissions import ReadOnlyAdminMixin
from inventory.selectors.datasets_overview import name_filter
from inventory.selectors.exports import COLUMNS, list_file
from inventory.selectors.keyset import KeysetPage, keyset_page, quick_count, table_estimate
from inventory.selectors.wording import plural

#: The query parameter that says behind which row a page begins.
MARK = "mark"

#: The query parameter of a download that names its format.
FORMAT = "format"

#: For programs; people give a size with its unit, and an age in days.
_HIDDEN = ("min_size_bytes", "max_size_bytes", "updated_before", "updated_after", "accessed_after")

_NO_FILTERS = frozenset({*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG, MARK, FORMAT, "_changelist_filters"})


class KeysetPaginator(Paginator):  # type: ignore[type-arg] # generic only in the stubs
    """Links to the neighbouring pages; there is no page number and no count."""

    template_name = "dynamo/keyset_pages.html"
    next_url = ""
    previous_url = ""
    first_url = ""


class KeysetChangeList(ChangeList):
    """The rows that fit a filter set, page by page by key. An unknown or bad filter shows no rows and says why."""

    def __init__(self, request: HttpRequest, *arguments: Any, **options: Any) -> None:
        super().__init__(request, *arguments, **options)
        self.search_fields = ()  # the form of the filters has the search box

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> QuerySet[Any]:
        wanted = {name: value for name, value in request.GET.items() if name not in _NO_FILTERS}
        self.filter_specs, self.has_filters, self.has_active_filters = [], False, any(wanted.values())
        self.clear_all_filters_qs = "?"
        filterset_class: type[FilterSet] = self.model_admin.filterset_class
        self.filterset = filterset_class(wanted, queryset=self.root_queryset)
        self.unknown_filters = sorted(set(wanted) - set(filterset_class.base_filters))
        self.is_narrowed = self.has_active_filters or bool(self.query.strip())
        self.is_refused = bool(self.unknown_filters) or not self.filterset.is_valid()
        form = self.filterset.form
        for name in form.fields:
            # What django-filter makes up of field and lookup is for programmers: "Tier wildcard", "[invalid name]".
            form[name].label = filterset_class.base_filters[name]._label or name.replace("_", " ")
        self.main_fields = [form[name] for name in self.model_admin.main_filters]
        self.more_fields = [form[name] for name in form.fields if name not in (*self.model_admin.main_filters, *_HIDDEN)]
        self.more_open = any(wanted.get(field.name) for field in self.more_fields)
        if self.is_refused:
            return self.root_queryset.none()
        rows, _ = self.model_admin.get_search_results(request, self.filterset.qs, self.query)
        return rows if rows.query.select_related else self.apply_select_related(rows)

    def get_results(self, request: HttpRequest) -> None:
        order = str(self.get_ordering(request, self.queryset)[0])
        mark = request.GET.get(MARK, "")
        try:
            page = keyset_page(self.queryset, order=order, mark=mark, size=self.list_per_page)
        except InvalidInput as error:
            messages.error(request, str(error))
            mark, page = "", keyset_page(self.queryset, order=order, size=self.list_per_page)
        except TooSlow as error:
            messages.error(request, f"Nothing is shown: {error}.")
            self.is_refused = True
            page = KeysetPage([], "", "")
        self.result_list, self.result_count = page.rows, len(page.rows)
        is_all = not mark and not page.next
        self.size_text = "" if self.is_refused else self._size_text(len(page.rows) if is_all else None)
        # Equal, so that the head of the page does not give the rows of the page for those of the list.
        self.full_result_count, self.show_full_result_count = self.result_count, False
        self.show_admin_actions = self.can_show_all = self.multi_page = False
        self.paginator = KeysetPaginator([], self.list_per_page)
        self.paginator.next_url = self.get_query_string({MARK: page.next}) if page.next else ""
        self.paginator.previous_url = self.get_query_string({MARK: page.previous}) if page.previous else ""
        self.paginator.first_url = self.get_query_string(remove=[MARK]) if mark else ""
        kept = [(name, value) for name, value in request.GET.items() if name not in (MARK, ORDER_VAR, PAGE_VAR, FORMAT)]
        has_columns = self.model_admin.export_columns is not None or self.model in COLUMNS
        formats = ExportFormat.choices if page.rows and has_columns else []
        self.exports = [(f"export/?{urlencode([*kept, (FORMAT, word)])}", label) for word, label in formats]

    def _size_text(self, known: int | None) -> str:
        """Return how many rows the list has: as many as are known, an estimate of the table, or a count that stops."""
        names = str(self.opts.verbose_name), str(self.opts.verbose_name_plural)
        if known is not None:
            return plural(known, *names)
        estimate = None if self.is_narrowed else table_estimate(self.model)
        if estimate is not None:
            return f"about {estimate:,} {names[1]}"
        counted = quick_count(self.queryset)
        if counted is None:
            return f"more than {self.list_per_page} {names[1]}"
        number, has_more = counted
        return f"more than {number:,} {names[1]}" if has_more else plural(number, *names)


class KeysetAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """A list over a table of any size. ``ordering`` and the orders of its columns are indexed fields that are never null."""

    filterset_class: type[FilterSet]
    #: Columns of a download, of models that ``COLUMNS`` does not name.
    export_columns: Mapping[str, str] | None = None
    #: Filters that stand open; the others are folded until one is used.
    main_filters: tuple[str, ...] = ()
    dataset_field = "name"
    #: What to do first, where the table is empty.
    empty_hint = "Data come in by injecting a document: manage.py inject FILE, or the API."
    list_fullwidth = True
    list_per_page = 50
    list_before_template = "dynamo/list_filters.html"
    sortable_by: list[str] = []
    ordering = ["-pk"]
    search_fields = ["name"]
    search_help_text = "Name or part of it; * and ? are wildcards"

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return KeysetChangeList

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(name_filter(term, self.dataset_field)) if term else queryset), False

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (("export/", f"{self.opts.app_label}_{self.opts.model_name}_export", self.export),)

    def export(self, request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
        """Send what the list would show, as a file."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        listing = self.get_changelist_instance(request)
        if listing.is_refused:
            return self._back(request)
        try:
            file = list_file(listing.queryset, request.GET.get(FORMAT, ""), columns=self.export_columns)
        except InvalidInput as error:
            messages.error(request, f"Nothing was sent: {error}.")
            return self._back(request)
        headers = {"Content-Disposition": content_disposition_header(True, file.name) or ""}
        return StreamingHttpResponse(file.chunks, content_type=file.content_type, headers=headers)

    def _back(self, request: HttpRequest) -> HttpResponse:
        rest = request.GET.copy()
        rest.pop(FORMAT, None)
        return redirect(f"{reverse(f'admin:{self.opts.app_label}_{self.opts.model_name}_changelist')}?{rest.urlencode()}")
