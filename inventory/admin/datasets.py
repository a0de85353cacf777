"""Datasets: what is where."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.admin.lists import KeysetAdmin
from inventory.filtersets import DatasetFilterSet
from inventory.models import Dataset, DatasetReplica
from inventory.selectors.datasets_overview import dataset_copies, dataset_locks
from inventory.selectors.wording import NOTHING, badge_html, count_text, size_html, when_html

#: Chips beyond this many are counted instead of shown.
MAX_CHIPS = 6


@admin.register(Dataset)
class DatasetAdmin(KeysetAdmin):
    """A dataset with its copies, blocks, locks and history."""

    list_display = ["name", "size", "copies", "last_access", "updated", "status_word"]
    filterset_class = DatasetFilterSet
    main_filters = ("tier", "site", "status", "min_size")
    ordering = ["name"]
    sortable_by = ["name", "size", "updated"]
    search_help_text = "Name or part of it; * and ? are wildcards, as in /SingleMuon/*/MINIAOD"
    fields = [
        ("name", "status"),
        ("data_type", "release"),
        ("is_open", "updated"),
        ("size", "num_files", "num_blocks"),
        "attributes",
    ]
    change_form_outer_before_template = "dynamo/dataset_panels.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        copies = DatasetReplica.objects.select_related("site").order_by("site__name")
        return super().get_queryset(request).select_related("facts").prefetch_related(Prefetch("replicas", queryset=copies))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        dataset = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if dataset is not None:
            context = {"copies": dataset_copies(dataset.pk), "locks": dataset_locks(dataset.name)}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @display(description="size", ordering="size_bytes")
    def size(self, dataset: Dataset) -> SafeString:
        return size_html(dataset.size_bytes)

    @display(description="copies")
    def copies(self, dataset: Dataset) -> SafeString | str:
        replicas = list(dataset.replicas.all())
        if not replicas:
            return "none"
        chips = format_html_join(" ", '<span class="dy-chip">{}</span>', ((r.site.name,) for r in replicas[:MAX_CHIPS]))
        more = len(replicas) - MAX_CHIPS
        return format_html("{} and {} more", chips, count_text(more)) if more > 0 else chips

    @display(description="last access")
    def last_access(self, dataset: Dataset) -> SafeString | str:
        facts = getattr(dataset, "facts", None)
        return when_html(facts.last_access_at) if facts is not None and facts.last_access_at is not None else NOTHING

    @display(description="last update", ordering="last_update")
    def updated(self, dataset: Dataset) -> SafeString:
        return when_html(dataset.last_update)

    @display(description="status")
    def status_word(self, dataset: Dataset) -> SafeString:
        return badge_html("fine" if dataset.status in ("VALID", "PRODUCTION") else "warning", dataset.get_status_display())
