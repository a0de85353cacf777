"""Every error of the API has one shape: ``{"code": ..., "message": ..., "details": ...}``."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import set_rollback

from campaigns.exceptions import CampaignError
from dynamo_site.exceptions import SiteError
from inventory.exceptions import InventoryError
from operations.exceptions import OperationsError
from policies.exceptions import PolicyError

logger = logging.getLogger(__name__)
#: Seconds after which a client may ask again what the database could not answer.
_RETRY_AFTER = 5

#: Refusals of the services; each carries a stable ``code`` and a text for people.
DOMAIN_ERRORS = (InventoryError, PolicyError, CampaignError, OperationsError, SiteError)
_STATUS_BY_CODE = {
    "not_found": status.HTTP_404_NOT_FOUND,
    "partition_unknown": status.HTTP_404_NOT_FOUND,
    "worker_unreachable": status.HTTP_503_SERVICE_UNAVAILABLE,
    "too_slow": status.HTTP_503_SERVICE_UNAVAILABLE,
    "own_proposal": status.HTTP_403_FORBIDDEN,
}
_INVALID_CODES = frozenset({"invalid_input", "policy_invalid", "partition_invalid", "quota_invalid", "unreadable_document"})


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of a view into the one error shape; anything unexpected stays an exception (500, logged by Django)."""
    if isinstance(error, Http404):
        error = exceptions.NotFound(*error.args)
    elif isinstance(error, DjangoPermissionDenied):
        error = exceptions.PermissionDenied(*error.args)
    elif isinstance(error, DjangoValidationError):
        error = exceptions.ValidationError(as_serializer_error(error))
    elif isinstance(error, DOMAIN_ERRORS):
        error = refusal(error)
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


def refusal(error: InventoryError | PolicyError | CampaignError | OperationsError | SiteError) -> exceptions.APIException:
    """Return the API's exception for a refusal of a service: 400 for bad input, 404 for what is not there, else 409."""
    fallback = status.HTTP_400_BAD_REQUEST if error.code in _INVALID_CODES else status.HTTP_409_CONFLICT
    translated = exceptions.APIException(str(error), code=error.code)
    translated.status_code = _STATUS_BY_CODE.get(error.code, fallback)
    return translated


def unavailable(error: OperationalError, request: HttpRequest) -> JsonResponse:
    """Return 503 for a database that is away, locked for too long or that ended a deadlock; nothing was written."""
    logger.error("the database could not serve %s %s", request.method, request.path, exc_info=error)
    message = "The database could not serve this; nothing was changed. Ask again."
    body = {"code": "database_unavailable", "message": message, "details": {}}
    return JsonResponse(body, status=status.HTTP_503_SERVICE_UNAVAILABLE, headers={"Retry-After": str(_RETRY_AFTER)})
