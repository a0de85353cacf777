"""The page where an act is confirmed, with a reason, and done."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from dynamo_site.acts import ACTS, Act, Caution, Key
from dynamo_site.exceptions import SiteError
from inventory.exceptions import InventoryError
from inventory.services.audit import Actor
from operations.exceptions import OperationsError
from policies.exceptions import PolicyError

#: What services refuse with; anything else is a fault and stays one.
REFUSALS = (InventoryError, PolicyError, OperationsError, SiteError)


@require_http_methods(["GET", "POST"])
def act_view(request: HttpRequest, name: str, key: str = "") -> HttpResponse:
    """Show what the act would do (GET) or do it through its service (POST) and go back.

    404 for an unknown act or object, 403 without the right, in general or on the object.
    """
    act = ACTS.get(name)
    if act is None or (act.model is None) != (key == ""):
        raise Http404("There is no such act.")
    subject = _subject(act, key)
    if not act.is_open_to(request.user, key):
        raise PermissionDenied(f"{act.permission} is needed.")
    back = _back(request)
    reason, problem = "", ""
    if request.method == "POST":
        reason = request.POST.get("reason", "").strip()
        if act.reason_required and not reason:
            problem = "Say why: the reason is shown to the others and kept in the audit trail."
        else:
            try:
                said = act.perform(subject, Actor.of(request.user), reason)
            except REFUSALS as refusal:
                problem = str(refusal)
            else:
                messages.add_message(request, messages.WARNING if isinstance(said, Caution) else messages.SUCCESS, said)
                return HttpResponseRedirect(back)
    hindrance = act.hindrance(subject)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": act.question(subject),
        "act": act,
        "question": act.question(subject),
        "verb": act.verb(subject),
        "hindrance": hindrance,
        "consequence": "" if hindrance else act.consequence(subject),
        "reason": reason,
        "problem": problem,
        "back": back,
    }
    return TemplateResponse(request, "dynamo/act.html", context, status=409 if problem and reason else 200)


def _subject(act: Act, key: Key) -> Any:
    try:
        return act.subject(key)
    except (ObjectDoesNotExist, ValueError) as missing:
        raise Http404("It does not exist.") from missing


def _back(request: HttpRequest) -> str:
    """Return where the user came from, if that is a page of this site, else the front page."""
    wanted = request.POST.get("back") or request.headers.get("referer", "")
    own = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return wanted if own and "/act/" not in wanted else reverse("admin:index")
