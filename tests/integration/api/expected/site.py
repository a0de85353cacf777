"""Who may use what belongs to no app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from dynamo_site.models import ApiToken
from tests.factories.screens import Screens
from tests.integration.api.expected import Expected

TOKENS = "/api/v1/tokens/"


def of_token(_: Screens) -> Mapping[str, Any]:
    owner, _is_new = User.objects.get_or_create(username="owner")
    token = ApiToken.objects.filter(user=owner).first() or ApiToken.objects.create(owner, name="x", scopes=["read"])[0]
    return {"uid": token.uid}


EXPECTED = (
    Expected("GET", "/api/v1/", None),
    Expected("GET", "/api/v1/inventory/", None),
    Expected("GET", "/api/v1/policies/", None),
    Expected("GET", "/api/v1/operations/", None),
    # Everybody has tokens of one's own; whose one sees and ends is in test_tokens.py.
    Expected("GET", TOKENS, None),
    Expected("GET", TOKENS + "<uuid:uid>/", "dynamo_site.view_apitoken", kwargs=of_token, hidden=True),
    Expected("POST", TOKENS, None, 201, body=lambda _: {"name": "x", "scopes": ["read"]}),
    Expected(
        "DELETE", TOKENS + "<uuid:uid>/", "dynamo_site.revoke_apitoken", 204, kwargs=of_token, also=("dynamo_site.view_apitoken",)
    ),
)
