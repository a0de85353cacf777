"""What the admin classes of this app share."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin

from inventory.permissions import ReadOnlyAdminMixin, UndeletableAdminMixin, may
from policies.exceptions import PolicyError, PolicyInvalidError
from policies.language.parser import parse_condition, parse_policy


class ReadOnlyAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """A list and a page without a form."""

    list_per_page = 50


class ServiceAdmin(UndeletableAdminMixin, ModelAdmin):
    """A form whose content a service saves; what the service refuses is shown and nothing is saved.

    ``save_model`` of a subclass calls the service and lets the form go on with the row that it returned.
    """

    list_per_page = 50
    actions = None
    warn_unsaved_form = True

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return may(request.user, f"{self.opts.app_label}.{get_permission_codename('change', self.opts)}", obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (PolicyError, ValidationError) as refusal:
            # The forms check what they can before; here is what only the service can know, such as a change meanwhile.
            messages.error(request, refusal_text(refusal))
            return HttpResponseRedirect(request.get_full_path())


class DefinitionAdmin(SimpleHistoryAdmin, ServiceAdmin):
    """An edited row that keeps each of its earlier states."""


def refusal_text(refusal: PolicyError | ValidationError) -> str:
    """Return what a service refused, with the findings in the text where there are any."""
    if isinstance(refusal, PolicyInvalidError):
        return "\n\n".join([f"{refusal}:", *(finding.render() for finding in refusal.diagnostics)])
    if isinstance(refusal, ValidationError):
        return " ".join(refusal.messages)
    return str(refusal)


def whole_number(text: str) -> int | None:
    """Return *text* as a number, None where it is not one of up to nine digits."""
    text = text.strip()
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None


def clean_condition(text: str, kind: Any) -> str:
    """Return *text* if it is a condition of this *kind*. Raises ``ValidationError`` with every finding."""
    condition, findings = parse_condition(text, kind=kind)
    if condition is None:
        raise forms.ValidationError("\n".join(finding.render() for finding in findings if finding.is_error))
    return text


def clean_policy(text: str, partition_name: str) -> str:
    """Return *text* if it is a policy of the partition. Raises ``ValidationError`` with every finding."""
    result = parse_policy(text, partition=partition_name)
    if result.policy is None:
        raise forms.ValidationError("\n".join(finding.render() for finding in result.errors))
    return text
