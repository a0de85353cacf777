"""Who asks: a token in the header, or the session of a person in the browser."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

from dynamo_site.models import ApiToken


class TokenAuthentication(KnoxAuthentication):
    """``Authorization: Token ...``; an expired token is refused and stays listed until somebody revokes it."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, ApiToken]:
        """Return the user and the token. Raises ``AuthenticationFailed`` for what is unknown, expired or of nobody active."""
        try:
            digest = hash_token(token.decode("ascii"))
        except UnicodeDecodeError as error:
            raise AuthenticationFailed("Invalid token.") from error
        found = ApiToken.objects.select_related("user").filter(digest=digest).first()
        if found is None:
            if AuthToken.objects.filter(digest=digest).exists():
                raise AuthenticationFailed("This token has no scopes: issue one that has (manage.py api_token).")
            raise AuthenticationFailed("Invalid token.")
        if found.expiry is not None and found.expiry <= timezone.now():
            raise AuthenticationFailed("This token has expired.", code="token_expired")
        user, _token = self.validate_user(found)
        return user, found
