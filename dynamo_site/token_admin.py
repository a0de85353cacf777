"""API tokens for people: whose there are and when they were used last, a form that issues one, a button that revokes one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from dynamo_site.acts import act_url
from dynamo_site.api.scopes import READ, SCOPES
from dynamo_site.exceptions import TokenRefused
from dynamo_site.models import ApiToken
from dynamo_site.services.tokens import ISSUE_FOR_OTHERS, MAX_DAYS, SERVICES, token_issue
from inventory.permissions import UndeletableAdminMixin
from inventory.services.audit import Actor


class TokenForm(forms.ModelForm):
    """What a new token is for, what it opens and how long. The service decides whether it may be issued."""

    name = forms.CharField(max_length=100, label="What it is for", widget=UnfoldAdminTextInputWidget())
    user = forms.ModelChoiceField(
        get_user_model().objects.none(),
        widget=UnfoldAdminSelectWidget(),
        help_text=f"Yourself, or a service (role {SERVICES}). The token opens no more than this account may.",
    )
    opens = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {what}") for name, what in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple(),
        initial=[READ],
        help_text="As little as the program needs.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=MAX_DAYS,
        initial=settings.DYNAMO_TOKEN_DAYS,
        label="Days until it expires",
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    class Meta:
        model = ApiToken
        fields = ["name", "user"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = get_user_model().objects.filter(is_active=True)
        own = accounts.filter(pk=self.asking.pk)
        services = accounts.filter(groups__name=SERVICES) if self.asking.has_perm(ISSUE_FOR_OTHERS) else accounts.none()
        field: Any = self.fields["user"]
        field.queryset = (own | services).distinct()
        field.initial = self.asking.pk

    #: Who has opened the form.
    asking: Any = None


@admin.register(ApiToken)
class ApiTokenAdmin(UndeletableAdminMixin, ModelAdmin):
    """One's own tokens, and all of them with the right to view tokens."""

    list_display = ["name", "user", "scopes_text", "created", "expiry", "last_used_at", "revoke"]
    list_display_links = ["name"]
    list_select_related = ["user"]
    list_filter = ["expiry"]
    search_fields = ["user__username", "name"]
    show_full_result_count = False
    actions = None
    fieldsets = [
        (None, {"fields": ["name", "user", "scopes_text", "uid", "issued_by", "created", "expiry", "last_used_at", "revoke"]})
    ]
    add_fieldsets = [(None, {"fields": ["name", "user", "opens", "days"]})]

    def get_fieldsets(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[str]:
        return [] if obj is None else list(self.fieldsets[0][1]["fields"])

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        return type("TokenFormOfUser", (TokenForm,), {"asking": request.user})

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        rows = super().get_queryset(request)
        return rows if request.user.has_perm("dynamo_site.view_apitoken") else rows.filter(user_id=request.user.pk)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active)

    def has_view_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return bool(request.user.is_active)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # The text is shown on the list, once: there is one way to go on.
        only_save = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, (extra_context or {}) | only_save)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: forms.ModelForm[ApiToken], change: bool) -> None:
        """Issue the token by the service and show its text, this once."""
        wanted = form.cleaned_data
        try:
            token, text = token_issue(
                owner=wanted["user"],
                name=wanted["name"],
                scopes=wanted["opens"],
                days=wanted["days"],
                actor=Actor.of(request.user),
            )
        except (TokenRefused, PermissionDenied) as refused:
            messages.error(request, str(refused))
            return
        messages.warning(
            request, format_html("Token of {}: <code>{}</code> Copy it now: it is shown nowhere again.", token.user, text)
        )

    def log_addition(self, request: HttpRequest, obj: ApiToken, message: Any) -> None:
        """Leave it to the audit trail, where the service has recorded it."""

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:dynamo_site_apitoken_changelist"))

    @admin.display(description="Opens")
    def scopes_text(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description="")
    def revoke(self, token: ApiToken) -> SafeString:
        return format_html('<a class="dy-button dy-danger" href="{}">Revoke…</a>', act_url("token-revoke", token.pk))
