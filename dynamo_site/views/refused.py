"""What is answered where nothing is found or something broke: the API's error shape below ``/api/``, a page elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    if request.path.startswith("/api/"):
        return _api_error("not_found", f"There is nothing at {request.path}: see /api/docs/.", 404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500; Django has logged the cause, which is not told."""
    if request.path.startswith("/api/"):
        return _api_error("server_error", "The server could not answer; its log says why.", 500)
    return defaults.server_error(request)


def _api_error(code: str, message: str, status: int) -> JsonResponse:
    return JsonResponse({"code": code, "message": message, "details": {}}, status=status)
