"""The OpenAPI document: every operation with its scope, its headers and every status that it answers, errors in the one shape."""

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
    "example": {
        "code": "invalid",
        "message": "The request is not valid: see details.",
        "details": {"nmae": [{"message": "Unknown query parameter; did you mean name?", "code": "invalid"}]},
    },
}
_ERRORS = {
    "400": "The request is not valid.",
    "401": "No valid token or session.",
    "403": "Not allowed for this user, or not opened by this token.",
    "404": "There is no such object, or no such page.",
    "406": "Only application/json is produced.",
    "429": "Too many requests.",
    "500": "The server could not answer; its log says why.",
    "503": "Database or workers cannot be reached; nothing was done.",
}
_ERRORS_OF_WRITES = {
    "409": "The state does not allow it, or a request with the same Idempotency-Key is under way.",
    "411": "The body does not say how long it is.",
    "412": "The object has changed since it was read.",
    "413": "The body is too large.",
    "415": "The body is not of a media type that is read here.",
    "422": "The Idempotency-Key was sent with another request.",
}
_VERSION_REQUIRED = {"428": "The edit does not say which version it changes."}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before asking again."}}
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": "Version of the object, for If-Match and If-None-Match."}}
_READS = ("GET", "HEAD", "OPTIONS")
_EDITS = ("PUT", "PATCH", "DELETE")


class DynamoSchema(AutoSchema):
    """Adds to what the views declare what holds for every endpoint (``dynamo_site/api/guarding.py``)."""

    def get_operation(self, *arguments: Any, **named: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments, **named)
        if operation is None or not hasattr(self.view, "write_scope"):
            return operation
        scope = self._scope()
        operation["x-scope"] = scope
        operation["description"] = f"{operation.get('description', '')}\n\nScope of a token: `{scope}`.".strip()
        if headers := self._headers():
            operation["parameters"] = [*operation.get("parameters", []), *headers]
        return operation

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        self.registry.register_on_missing(_error_component())
        reference = {"$ref": "#/components/schemas/Error"}
        errors = dict(_ERRORS)
        if self.method not in _READS:
            errors |= _ERRORS_OF_WRITES
        if self._needs_version():
            errors |= _VERSION_REQUIRED
        for code, description in errors.items():
            bodies.setdefault(code, {"description": description, "content": {"application/json": {"schema": reference}}})
        for code in ("429", "503"):
            bodies[code].setdefault("headers", {}).update(_RETRY_AFTER)
        if self.method == "GET" and self._shows_object() and "200" in bodies:
            bodies["200"].setdefault("headers", {}).update(_ETAG)
            bodies["304"] = {"description": "Not changed since the version of If-None-Match.", "headers": _ETAG}
        return bodies

    def _scope(self) -> str:
        declared = self.view.token_scopes
        handler = getattr(self.view, "action", None) or self.method.lower()
        return str(declared.get(handler, declared.get(self.method, "read" if self.method in _READS else self.view.write_scope)))

    def _shows_object(self) -> bool:
        handler = getattr(self.view, "action", None)
        return handler == "retrieve" or (handler is None and hasattr(self.view, "get"))

    def _has_version(self) -> bool:
        """Tell whether GET at this address shows the object that is edited."""
        actions = getattr(self.view, "action_map", None)
        return hasattr(self.view, "get") if actions is None else actions.get("get") == "retrieve"

    def _needs_version(self) -> bool:
        return self.method in _EDITS and self._has_version() and getattr(self.view, "if_match_required", True)

    def _headers(self) -> list[dict[str, Any]]:
        if self.method in _READS:
            return [_header("If-None-Match", "Versions that the client has already.")] if self._shows_object() else []
        made = [_header("Idempotency-Key", "Made up for this act; the same request is then carried out once.", maxLength=255)]
        if self._has_version() or "{" in self.path:
            made.append(_header("If-Match", "ETag of the version that is changed.", is_required=self._needs_version()))
        return made


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


def only_version_1(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Keep what lies below ``/api/v1/``; the rest only leads there."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]


def _header(name: str, description: str, *, is_required: bool = False, **schema: Any) -> dict[str, Any]:
    header = {"in": "header", "name": name, "schema": {"type": "string", **schema}, "description": description}
    return header | ({"required": True} if is_required else {})


def _error_component() -> ResolvedComponent:
    return ResolvedComponent(name="Error", type=ResolvedComponent.SCHEMA, schema=ERROR_SCHEMA, object="Error")
