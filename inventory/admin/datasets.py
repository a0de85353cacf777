"""Datasets: what is where."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import BooleanField, Prefetch, QuerySet, Value
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.choices import FactFeedName
from inventory.exceptions import InvalidInput
from inventory.filtersets import DatasetFilterSet
from inventory.keyset_lists import KeysetAdmin
from inventory.models import Dataset, DatasetFacts, DatasetReplica
from inventory.selectors.conditions import is_feed_fresh
from inventory.selectors.datasets_overview import dataset_blocks, dataset_copies, dataset_locks
from inventory.selectors.keyset import KeysetPage, keyset_page
from inventory.selectors.wording import NOTHING, badge_html, count_text, plural, size_html, when_html

#: Chips beyond this many are counted instead of shown.
MAX_CHIPS = 6

#: Blocks on one page of a dataset.
BLOCKS_SHOWN = 20


@admin.register(Dataset)
class DatasetAdmin(KeysetAdmin):
    """A dataset with its copies, blocks, locks and history."""

    list_display = ["name", "size", "copies", "last_access", "status_word"]
    filterset_class = DatasetFilterSet
    main_filters = ("tier", "site", "status", "min_size")
    ordering = ["name"]
    sortable_by = ["name", "size"]
    search_help_text = "Name or part of it, or a pattern: /SingleMuon/*/MINIAOD"
    fields = [
        ("name", "status_word"),
        ("tier", "kind"),
        ("software", "open"),
        ("size", "files"),
        ("usage", "updated"),
        "attributes",
        "measured",
    ]
    change_form_outer_before_template = "dynamo/dataset_panels.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        copies = DatasetReplica.objects.select_related("site").order_by("site__name")
        # Once for the page, not for each row: without a fresh feed nobody knows of any last access.
        fresh = Value(is_feed_fresh(FactFeedName.POPULARITY, timezone.now()), output_field=BooleanField())
        datasets = super().get_queryset(request).select_related("facts").annotate(is_popularity_fresh=fresh)
        return datasets.prefetch_related(Prefetch("replicas", queryset=copies))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        dataset = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if dataset is not None:
            context = {
                "copies": dataset_copies(dataset.pk),
                "locks": dataset_locks(dataset.name),
                "blocks": self._blocks(request, dataset),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @staticmethod
    def _blocks(request: HttpRequest, dataset: Dataset) -> KeysetPage:
        """Return the page of blocks that the address asks for; a wrong mark shows the first one."""
        rows = dataset_blocks(dataset.pk)
        try:
            return keyset_page(rows, order="name", mark=request.GET.get("blocks", ""), size=BLOCKS_SHOWN)
        except InvalidInput as error:
            messages.error(request, str(error))
            return keyset_page(rows, order="name", size=BLOCKS_SHOWN)

    @display(description="files")
    def files(self, dataset: Dataset) -> str:
        return f"{plural(dataset.num_files, 'file')} in {plural(dataset.num_blocks, 'block')}"

    @display(description="open for more blocks", boolean=True)
    def open(self, dataset: Dataset) -> bool:
        return dataset.is_open

    @display(description="software release")
    def software(self, dataset: Dataset) -> str:
        return dataset.release or NOTHING

    @display(description="kind of data")
    def kind(self, dataset: Dataset) -> str:
        return dataset.data_type or NOTHING

    @display(description="measured attributes")
    def measured(self, dataset: Dataset) -> SafeString | str:
        facts = getattr(dataset, "facts", None)
        if facts is None or facts.attributes is None:
            return NOTHING
        text = json.dumps(facts.attributes, ensure_ascii=False, sort_keys=True)
        return text if is_feed_fresh(FactFeedName.ATTRIBUTES, timezone.now()) else _was(text)

    @display(description="usage")
    def usage(self, dataset: Dataset) -> SafeString | str:
        facts = getattr(dataset, "facts", None)
        if facts is None:
            return "no feed names it"
        words = self._usage(facts)
        return words if getattr(dataset, "is_popularity_fresh", True) else _was(words)

    @staticmethod
    def _usage(facts: DatasetFacts) -> SafeString | str:
        known = [
            f"{facts.num_accesses:,.0f} accesses" if facts.num_accesses is not None else "",
            f"usage rank {facts.usage_rank:g}" if facts.usage_rank is not None else "",
        ]
        words = ", ".join(word for word in known if word)
        if facts.last_access_at is None:
            return words or "no access known"
        return format_html("{}last access {}", f"{words}, " if words else "", when_html(facts.last_access_at))

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
        if not getattr(dataset, "is_popularity_fresh", True):
            return badge_html("unknown", "unknown")
        facts = getattr(dataset, "facts", None)
        return when_html(None if facts is None else facts.last_access_at)

    @display(description="last update", ordering="last_update")
    def updated(self, dataset: Dataset) -> SafeString:
        return when_html(dataset.last_update)

    @display(description="status")
    def status_word(self, dataset: Dataset) -> SafeString:
        return badge_html("fine" if dataset.status in ("VALID", "PRODUCTION") else "warning", dataset.get_status_display())


def _was(words: SafeString | str) -> SafeString:
    """Return what a feed said once, as what nobody knows any more."""
    return format_html("{} no fresh feed; the last one said: {}", badge_html("unknown", "unknown"), words)
