"""What the admin classes of this app share."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_permission_codename
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin

from inventory.permissions import ReadOnlyAdminMixin, UndeletableAdminMixin, may
from inventory.services.edits import definition_save


class ReadOnlyAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """A list and a page without a form."""

    list_per_page = 50


class EditableAdmin(UndeletableAdminMixin, ModelAdmin):
    """A row that people edit: every change is validated and audited; rights may be given on single rows."""

    list_per_page = 50
    actions = None
    warn_unsaved_form = True

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return may(request.user, f"{self.opts.app_label}.{get_permission_codename('change', self.opts)}", obj)

    def save_model(self, request: HttpRequest, obj: models.Model, form: ModelForm[Any], change: bool) -> None:
        definition_save(user=request.user, instance=obj, changed_fields=form.changed_data)


class DefinitionAdmin(SimpleHistoryAdmin, EditableAdmin):
    """An editable row that keeps each of its earlier states."""
