"""Every error of the API has one shape: ``{"code": ..., "message": ..., "details": ...}``."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

logger = logging.getLogger(__name__)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of a view into the one error shape; anything unexpected stays an exception (500, logged by Django)."""
    if isinstance(error, Http404):
        error = exceptions.NotFound(*error.args)
    elif isinstance(error, DjangoPermissionDenied):
        error = exceptions.PermissionDenied(*error.args)
    if not isinstance(error, exceptions.APIException):
        return None
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) + 1)
    set_rollback()
    return Response(error_body(error), status=error.status_code, headers=headers)


def error_body(error: exceptions.APIException) -> dict[str, Any]:
    """Return the body for *error*; field errors go to ``details`` as ``{field: [{code, message}]}``."""
    full = error.get_full_details()
    if isinstance(error, exceptions.ValidationError):
        return {"code": "invalid", "message": "The request is not valid: see details.", "details": full}
    if isinstance(full, dict) and set(full) == {"message", "code"}:
        return {"code": full["code"], "message": full["message"], "details": {}}
    return {"code": error.default_code, "message": str(error.default_detail), "details": full}


class Conflict(exceptions.APIException):
    """The state of the object does not allow the action now."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    default_detail = "The state of the object does not allow this now."
