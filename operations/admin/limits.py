"""Limits of single sites: how many batches, files a second and bytes a day."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from inventory.permissions import UndeletableAdminMixin
from inventory.selectors.wording import size_text
from inventory.services.audit import Actor
from operations.models import SiteLimits
from operations.services.pace import site_limits_set

_AS_SET = "as the settings say"


@admin.register(SiteLimits)
class SiteLimitsAdmin(UndeletableAdminMixin, ModelAdmin):
    """What is empty is as the settings say; tape sites have settings of their own."""

    list_display = ["site", "at_a_time", "rate", "a_day", "in_trash"]
    list_select_related = ["site"]
    fields = ["site", "batches", "files_per_second", "bytes_per_day", "trash_days"]
    search_fields = ["site__name"]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        return ["site"] if obj is not None else []

    def save_model(self, request: HttpRequest, obj: SiteLimits, form: forms.ModelForm[SiteLimits], change: bool) -> None:
        saved = site_limits_set(
            site_name=obj.site.name,
            actor=Actor.of(request.user),
            batches=obj.batches,
            files_per_second=obj.files_per_second,
            bytes_per_day=obj.bytes_per_day,
            trash_days=obj.trash_days,
        )
        # The admin goes on with the row that it was given: it is the one that the service saved.
        obj.__dict__.update(saved.__dict__)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("operations.change_sitelimits")

    @display(description="batches at a time")
    def at_a_time(self, row: SiteLimits) -> str:
        return _AS_SET if row.batches is None else str(row.batches)

    @display(description="files a second")
    def rate(self, row: SiteLimits) -> str:
        return _AS_SET if row.files_per_second is None else f"{row.files_per_second:g}" if row.files_per_second else "no limit"

    @display(description="days in the trash")
    def in_trash(self, row: SiteLimits) -> str:
        return _AS_SET if row.trash_days is None else f"{row.trash_days:g}" if row.trash_days else "no trash"

    @display(description="bytes a day")
    def a_day(self, row: SiteLimits) -> str:
        return _AS_SET if row.bytes_per_day is None else size_text(row.bytes_per_day) if row.bytes_per_day else "no limit"
