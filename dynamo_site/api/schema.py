"""The OpenAPI document: every operation says which errors it answers, in the one error shape."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

ERROR_SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": "Stable word for the kind of error."},
        "message": {"type": "string", "description": "What was found, and what to do."},
        "details": {"type": "object", "additionalProperties": {}, "description": "Per field, where that applies."},
    },
    "required": ["code", "message", "details"],
}
_ERRORS = {
    "400": "The request is not valid.",
    "401": "No valid token or session.",
    "403": "Not allowed for this user.",
    "404": "There is no such object.",
    "405": "The method is not known here.",
    "406": "Only application/json is produced.",
    "429": "Too many requests; see Retry-After.",
}


class DynamoSchema(AutoSchema):
    """Adds the error answers that the error handler gives to what the views declare themselves."""

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        self.registry.register_on_missing(_error_component())
        reference = {"$ref": "#/components/schemas/Error"}
        for code, description in _ERRORS.items():
            bodies.setdefault(code, {"description": description, "content": {"application/json": {"schema": reference}}})
        return bodies


def _error_component() -> ResolvedComponent:
    return ResolvedComponent(name="Error", type=ResolvedComponent.SCHEMA, schema=ERROR_SCHEMA, object="Error")


class TokenScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI document describes tokens."""

    target_class = "dynamo_site.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The word `Token`, a blank and the text of the token.",
        }
