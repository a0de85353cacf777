"""How often one may ask: per user, per token, less often what is expensive, and rarely without a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, SimpleRateThrottle

from dynamo_site.models import ApiToken

if TYPE_CHECKING:  # views import their throttles
    from rest_framework.views import APIView


class TokenRateThrottle(SimpleRateThrottle):
    """All requests with one token."""

    scope = "token"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        if not isinstance(request.auth, ApiToken):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.uid}


class CostThrottle(ScopedRateThrottle):
    """Requests of one user to what has a ``throttle_scope``: what costs a worker or seconds of the database."""


class AnonymousThrottle(AnonRateThrottle):
    """Requests without a login, and logins that fail, of one address."""

    scope = "anonymous"


def throttle_failed_login(request: Request, view: Any) -> None:
    """Count a request that nobody was logged in for. Raises ``Throttled`` when its address has made too many."""
    throttle = AnonymousThrottle()
    if not throttle.allow_request(request, view):
        raise Throttled(throttle.wait())
