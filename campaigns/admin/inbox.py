"""What waits for me: the oldest deadline first."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from campaigns.selectors.campaigns import inbox
from campaigns.services.notices import notices_read

SHOWN = 200


@require_http_methods(["GET", "POST"])
def inbox_view(request: HttpRequest) -> HttpResponse:
    """Show what the account was told of campaigns; POST marks the named notices as read."""
    if request.method == "POST":
        keys = [int(text) for text in request.POST.getlist("notice") if text.isdecimal() and len(text) < 18]
        notices_read(user_id=request.user.pk or 0, notice_ids=keys, now=timezone.now())
        return HttpResponseRedirect(reverse("admin:campaigns_inbox"))
    notices = list(inbox(request.user.pk or 0)[:SHOWN])
    context = {
        **admin.site.each_context(request),
        "title": "Inbox",
        "unread": [notice for notice in notices if notice.read_at is None],
        "read": [notice for notice in notices if notice.read_at is not None],
        "now": timezone.now(),
    }
    return TemplateResponse(request, "dynamo/campaigns/inbox.html", context)
