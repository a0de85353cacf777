"""Clients of the API as the tests need them."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import Permission, User
from django.test import Client

from dynamo_site.api.scopes import SCOPES
from dynamo_site.models import ApiToken

#: Headers of an edit that any version will do for.
ANY_VERSION = {"If-Match": "*"}


def token_of(user: User, *scopes: str, days: int = 1) -> str:
    """Return the text of a token of *user* for *scopes*; without any, for all of them."""
    _, text = ApiToken.objects.create(
        user, expiry=timedelta(days=days), name="test", scopes=list(scopes or SCOPES), issued_by="test"
    )
    return str(text)


def client_of(user: User, *scopes: str) -> Client:
    """Return a client that sends such a token."""
    return Client(headers={"Authorization": f"Token {token_of(user, *scopes)}"})


def client_with(*permissions: str, name: str = "") -> Client:
    """Return a client of a new user with rights by their codenames (``view_site``)."""
    user = User.objects.create_user(name or f"user-{User.objects.count()}")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return client_of(user)
