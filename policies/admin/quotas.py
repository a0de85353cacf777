"""Quotas: a form for one, a grid of sites and partitions for many, and a look at what they would do before they are set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from guardian.shortcuts import get_objects_for_user
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from inventory.permissions import may
from inventory.selectors.wording import plural, quota_text, size_text
from inventory.services.audit import Actor
from policies.admin.base import DefinitionAdmin
from policies.choices import CycleState
from policies.exceptions import PolicyError, QuotaInvalidError
from policies.models import Partition, Quota, QuotaPreview
from policies.permissions import SET_QUOTA
from policies.selectors.quotas import PartitionNode, QuotaGrid, quota_grid
from policies.selectors.sizes import exact_size_text, size_parse
from policies.selectors.wording import preview_sentences, sites_concerned
from policies.services.quota_preview_runs import changes_of, quota_preview_request
from policies.services.quotas import QuotaChange, SetQuota, quota_set, quotas_set

#: Cells of one page: Django takes at most 1,000 fields of a form.
_CELLS = 800

#: Characters of a size that a cell shows whole.
_SHORT = len("123.45 TB")


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """One quota, its size typed with a unit."""

    size = forms.CharField(
        max_length=64,
        widget=UnfoldAdminTextInputWidget,
        help_text="With a unit: 100 TB, 1.5 PB, 12 TiB; unlimited for no limit.",
    )

    class Meta:
        model = Quota
        fields = ["partition", "site"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "size" in self.fields:
            self.fields["size"].initial = exact_size_text(self.instance.size_bytes)

    def clean_size(self) -> int:
        try:
            return size_parse(self.cleaned_data["size"])
        except QuotaInvalidError as problem:
            raise forms.ValidationError(str(problem)) from problem

    def _post_clean(self) -> None:
        self.instance.size_bytes = self.cleaned_data.get("size", 0)
        super()._post_clean()


@dataclass(frozen=True, slots=True)
class Cell:
    """A quota in the grid: what is typed, what was seen (short, with its unit), what it is exactly, what is wrong with it."""

    name: str
    partition: str
    text: str
    seen: str
    exact: str
    is_editable: bool
    is_sum: bool
    leaves: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """The quotas of a site; ``seen`` is what the form brings back of them, as JSON."""

    site: str
    seen: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """The grid as it is shown: what was typed (nothing on a first look) and what is wrong with it, by the names of fields."""

    grid: QuotaGrid
    editable: frozenset[str]
    typed: Mapping[str, Any]
    problems: Mapping[str, str]


class QuotaGridMixin:
    """Adds the grid and the page of a preview to the quotas; for a ``ModelAdmin`` of unfold."""

    admin_site: Any
    opts: Any

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (
            ("grid/", "policies_quota_grid", self.grid_view),
            ("preview/<int:preview_id>/", "policies_quota_preview", self.preview_view),
        )

    def grid_view(self, request: HttpRequest, model_admin: Any) -> HttpResponse:
        """Show the grid (GET), or have what was typed previewed (POST)."""
        return require_http_methods(["GET", "POST"])(self._grid)(request)

    def preview_view(self, request: HttpRequest, preview_id: int, model_admin: Any) -> HttpResponse:
        """Show what quotas would do (GET), or set them (POST)."""
        return require_http_methods(["GET", "POST"])(self._preview)(request, preview_id)

    def _grid(self, request: HttpRequest) -> HttpResponse:
        _demand(request, "policies.view_quota")
        grid = quota_grid()
        editable = _editable(request, grid)
        problems: dict[str, str] = {}
        status = 200
        if request.method == "POST":
            changes, problems = _typed(request.POST, grid, editable)
            if not problems and changes:
                try:
                    preview = quota_preview_request(changes=changes, actor=Actor.of(request.user), now=timezone.now())
                except PolicyError as refusal:
                    messages.error(request, str(refusal))
                else:
                    return HttpResponseRedirect(reverse("admin:policies_quota_preview", args=[preview.pk]))
            elif not changes and not problems:
                messages.info(request, "No quota was changed.")
            status = 400 if problems else 200
        context = self._grid_context(request, Form(grid, editable, request.POST if request.method == "POST" else {}, problems))
        return TemplateResponse(request, "dynamo/quota_grid.html", context, status=status)

    def _grid_context(self, request: HttpRequest, form: Form) -> dict[str, Any]:
        term = request.GET.get("site", "").strip()
        sites = [site for site in form.grid.sites if term.lower() in site.lower()]
        pages = Paginator(sites, max(5, _CELLS // (len(form.grid.partitions) + 1)))
        page = pages.get_page(request.GET.get("page"))
        return {
            **self.admin_site.each_context(request),
            "title": "Quotas",
            "opts": self.opts,
            "partitions": form.grid.partitions,
            "rows": [_row(site, form) for site in page.object_list],
            "page": page,
            "term": term,
            "query": urlencode({"site": term}) if term else "",
            "may_edit": bool(form.editable),
            "num_problems": len(form.problems),
        }

    def _preview(self, request: HttpRequest, preview_id: int) -> HttpResponse:
        _demand(request, "policies.view_quota")
        _demand(request, "policies.view_cycle")
        preview = get_object_or_404(QuotaPreview, pk=preview_id)
        changes = changes_of(preview)
        rows = [SetQuota(c.partition, c.site, c.expected_bytes, c.size_bytes) for c in changes]
        is_over = preview.state != CycleState.RUNNING
        may_save = is_over or not any(row.is_decrease for row in rows)
        reason, problem = request.POST.get("reason", "").strip(), ""
        if request.method == "POST":
            problem = "" if reason else "Say why: the reason is shown to the others and kept in the audit trail."
            if not may_save:
                problem = "Some quotas become smaller: wait until it is known what that does."
            if not problem:
                try:
                    done = quotas_set(changes=changes, actor=Actor.of(request.user), reason=reason)
                except PolicyError as refusal:
                    problem = str(refusal)
                else:
                    messages.success(request, f"{plural(len(done), 'quota is', 'quotas are')} set.")
                    return HttpResponseRedirect(reverse("admin:policies_quota_grid"))
        names = {change.partition for change in changes}
        context = {
            **self.admin_site.each_context(request),
            "title": "What these quotas would do",
            "opts": self.opts,
            "preview": preview,
            "percent": round(100 * preview.progress),
            "is_running": not is_over,
            "changes": rows,
            "policies": [
                {"preview": found, "sentences": preview_sentences(found), "sites": sites_concerned(found)}
                for found in preview.result.get("policies", [])
            ],
            "may_save": may_save and names <= _allowed(request, Partition.objects.filter(name__in=names)),
            "verb": f"Set {plural(len(rows), 'quota')}",
            "reason": reason,
            "problem": problem,
        }
        return TemplateResponse(request, "dynamo/quota_preview.html", context, status=409 if problem and reason else 200)


@admin.register(Quota)
class QuotaAdmin(QuotaGridMixin, DefinitionAdmin):
    """How many bytes a partition may fill at a site."""

    form = QuotaForm
    list_display = ["partition", "site", "quota"]
    list_filter = ["partition", "site"]
    list_select_related = ["partition", "site"]
    search_fields = ["partition__name", "site__name"]
    fields = ["partition", "site", "size"]
    list_before_template = "dynamo/quota_list_before.html"
    change_form_outer_before_template = "dynamo/quota_panels.html"

    def get_fields(self, request: HttpRequest, obj: Quota | None = None) -> list[str]:
        return ["partition", "site", "size" if self.has_change_permission(request, obj) else "quota"]

    def get_readonly_fields(self, request: HttpRequest, obj: Quota | None = None) -> list[str]:
        readonly = [] if self.has_change_permission(request, obj) else ["quota"]
        return ["partition", "site", *readonly] if obj else readonly

    def has_add_permission(self, request: HttpRequest, obj: Quota | None = None) -> bool:
        return super().has_add_permission(request) and may(request.user, SET_QUOTA)

    def has_change_permission(self, request: HttpRequest, obj: Quota | None = None) -> bool:
        return may(request.user, SET_QUOTA, obj.partition if obj is not None else None)

    def response_change(self, request: HttpRequest, obj: Quota) -> HttpResponse:
        """Go to the preview where a smaller quota waits for it."""
        waiting = getattr(obj, "_preview", None)
        if waiting is None:
            return super().response_change(request, obj)
        return HttpResponseRedirect(reverse("admin:policies_quota_preview", args=[waiting.pk]))

    def save_model(self, request: HttpRequest, obj: Quota, form: forms.ModelForm[Quota], change: bool) -> None:
        actor, size = Actor.of(request.user), form.cleaned_data["size"]
        before = Quota.objects.get(pk=obj.pk).size_bytes if change else None
        if SetQuota(obj.partition.name, obj.site.name, before, size).is_decrease and change:
            wanted = QuotaChange(obj.partition.name, obj.site.name, size)
            obj._preview = quota_preview_request(changes=[wanted], actor=actor, now=timezone.now())  # type: ignore[attr-defined]
            return
        saved = quota_set(partition_name=obj.partition.name, site_name=obj.site.name, size_bytes=size, actor=actor)
        obj.__dict__.update(saved.__dict__)

    @display(description="quota", ordering="size_bytes")
    def quota(self, quota: Quota) -> str:
        return quota_text(quota.size_bytes)


def _typed(typed: Mapping[str, Any], grid: QuotaGrid, editable: frozenset[str]) -> tuple[list[QuotaChange], dict[str, str]]:
    """Return the changes that were typed, and what is wrong by the name of the field; what stands as it was seen is no change."""
    changes: list[QuotaChange] = []
    problems: dict[str, str] = {}
    nodes = {node.key: node.name for node in grid.partitions}
    for site in grid.sites:
        seen = _seen(typed.get(f"seen:{site}"))
        for key, was in seen.items():
            name, field = nodes.get(int(key), ""), f"q:{key}:{site}"
            text = str(typed.get(field, was)).strip()
            if name not in editable or text in (was, _short(was)):
                continue
            try:
                size, before = (size_parse(value) if value else None for value in (text, was))
            except QuotaInvalidError as problem:
                problems[field] = str(problem)
            else:
                if size != before:
                    changes.append(QuotaChange(name, site, size, before, is_expected=True))
    return changes, problems


def _seen(text: str | None) -> dict[str, str]:
    """Return what the page showed by the partition's key; nothing where the field is not what the page sent."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if key.isascii() and key.isdecimal() and isinstance(value, str)}


def _row(site: str, form: Form) -> Row:
    cells = [_cell(site, node, form) for node in form.grid.partitions]
    seen = {str(node.key): cell.exact for node, cell in zip(form.grid.partitions, cells, strict=True) if cell.is_editable}
    return Row(site, json.dumps(seen), tuple(cells))


def _cell(site: str, node: PartitionNode, form: Form) -> Cell:
    size = form.grid.size_bytes.get((site, node.name))
    now = "" if size is None else exact_size_text(size)
    exact = _seen(form.typed.get(f"seen:{site}")).get(str(node.key), now)
    name = f"q:{node.key}:{site}"
    leaves = [other.key for other in form.grid.partitions if node.is_superpartition and other.name in node.leaves]
    return Cell(
        name=name,
        partition=node.name,
        text=str(form.typed.get(name, _short(exact))),
        seen=_short(exact),
        exact=exact,
        is_editable=node.name in form.editable,
        is_sum=node.is_superpartition,
        leaves=" ".join(map(str, leaves)),
        problem=form.problems.get(name, ""),
    )


def _short(exact: str) -> str:
    """Return an exact size as the grid shows it: rounded where so many digits would hide the unit."""
    try:
        return exact if len(exact) <= _SHORT else size_text(size_parse(exact))
    except QuotaInvalidError:
        return exact


def _editable(request: HttpRequest, grid: QuotaGrid) -> frozenset[str]:
    """Return the partitions whose quotas the user may set."""
    parts = {node.name for node in grid.partitions if not node.is_superpartition}
    return _allowed(request, Partition.objects.filter(name__in=parts))


def _allowed(request: HttpRequest, partitions: Any) -> frozenset[str]:
    if may(request.user, SET_QUOTA):
        return frozenset(partitions.values_list("name", flat=True))
    return frozenset(get_objects_for_user(request.user, SET_QUOTA, partitions).values_list("name", flat=True))


def _demand(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied(f"{permission} is needed.")
