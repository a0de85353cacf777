"""The belts: every safety limit with what it reads now, on a page of their own and in brief elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from operations.selectors.belts import AGE_OF_A_FEED, BELT_RIGHTS, ERROR_BRAKE, PAUSE, Belt, belts, belts_in_brief

#: Belts of the front page that are near to what they allow, beside those that are tripped.
NEAREST_SHOWN = 3
#: Those have a notice of their own at the top of the page when they are tripped, which is enough.
_NOTICED = (AGE_OF_A_FEED, ERROR_BRAKE, PAUSE)


@dataclass(frozen=True, slots=True)
class BeltsBrief:
    """The tripped belts that nothing else on the front page tells of, then those that are nearest to what they allow."""

    shown: tuple[Belt, ...]
    num_tripped: int
    num_all: int

    @property
    def only_near(self) -> bool:
        """Tell whether all that are tripped are told of elsewhere."""
        return not any(belt.is_tripped for belt in self.shown)

    @property
    def num_more(self) -> int:
        return self.num_all - len(self.shown)


@require_safe
def belts_view(request: HttpRequest) -> HttpResponse:
    """Show the belts, those that are tripped first."""
    for permission in BELT_RIGHTS:
        if not request.user.has_perm(permission):
            raise PermissionDenied(f"{permission} is needed.")
    rows = belts(now=timezone.now())
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Safety limits",
        "groups": (("Tripped", [row for row in rows if row.is_tripped]), ("Fine", [row for row in rows if not row.is_tripped])),
    }
    return TemplateResponse(request, "dynamo/belts.html", context)


def belts_brief(user: Any) -> BeltsBrief | None:
    """Return the belts as the front page has them, None for a user who may not see them."""
    return _brief(belts_in_brief(now=timezone.now())) if user.has_perms(BELT_RIGHTS) else None


def _brief(rows: Sequence[Belt]) -> BeltsBrief:
    tripped = [row for row in rows if row.is_tripped]
    near = [row for row in rows if not row.is_tripped and row.part is not None]
    nearest = sorted(near, key=lambda row: -(row.part or 0.0))[:NEAREST_SHOWN]
    return BeltsBrief((*(row for row in tripped if row.name not in _NOTICED), *nearest), len(tripped), len(rows))
