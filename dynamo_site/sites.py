"""The admin site: Dynamo's front page is its index, everybody with an account may enter, and no list deletes in bulk."""

from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from unfold.forms import AuthenticationForm as UnfoldAuthenticationForm
from unfold.sites import UnfoldAdminSite


class EntryForm(UnfoldAuthenticationForm):
    """Logs in every active account: what it then sees is a matter of its rights, not of a flag."""

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        AuthenticationForm.confirm_login_allowed(self, user)


class DynamoAdminSite(UnfoldAdminSite):
    """The one admin site; what its front page shows comes from ``dynamo_site.views.front`` (setting UNFOLD)."""

    index_title = "Today"
    index_template = "dynamo/front.html"
    login_form = EntryForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in every active account; each page asks for the rights that it needs."""
        return request.user.is_active
