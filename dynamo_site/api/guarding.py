"""What holds for every endpoint, put around the views of the apps where the site composes its addresses.

A view stays plain Django REST framework and cannot forget any of it. It may say by class attributes:

``token_scopes``       ``{action or method: scope}`` where a scope other than ``read`` and the app's writing one is meant
``if_match_required``  False where an edit must be possible without having read the object before, as an emergency stop
``versioned``          ``"app.Model"``, whose row is locked, where the view has no ``queryset``
``answer_is_secret``   True where the answer must not be kept for repetition
``throttle_scope``     ``expensive`` where a request costs a worker or seconds of the database
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, include
from django.utils import timezone
from rest_framework import exceptions, status
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dynamo_site.api.errors import DOMAIN_ERRORS, unavailable
from dynamo_site.api.filters import refuse_unknown_parameters
from dynamo_site.api.operations import (
    UNDECLARED,
    declared_schema,
    filter_names,
    handler_name,
    query_names,
    request_serializer,
    unknown_fields,
)
from dynamo_site.api.parsers import too_large
from dynamo_site.api.scopes import READ
from dynamo_site.api.throttling import throttle_failed_login
from dynamo_site.api.versions import demand_version, etag_of, is_known_version, object_handler
from dynamo_site.models import AnsweredRequest, ApiToken
from dynamo_site.services.answers import Asked, StillAnswering, answer_begin, answer_forget, answer_keep
from dynamo_site.services.tokens import token_used

KEY_HEADER = "Idempotency-Key"
#: Headers of an answer that belong to what was done, and are repeated with it.
_KEPT_HEADERS = ("Location", "ETag")
#: What stands for a body of any size that is not read twice, beside method and address.
_DIGESTED_HEADERS = ("Content-Type", "Content-Length", "Content-Digest")


class KeyUsedOtherwise(exceptions.APIException):
    """An idempotency key that belongs to another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key was sent with another request before: make up a new one for each act."
    default_code = "idempotency_key_reused"


class Conflict(exceptions.APIException):
    """Something else is in the way."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class ScopeMissing(exceptions.PermissionDenied):
    """A token that was not issued for this."""

    default_code = "scope_missing"


class _Repeated(Exception):
    """The request was answered before."""

    def __init__(self, record: AnsweredRequest) -> None:
        self.record = record


class GuardedView(APIView):
    """Scopes, strict input, versions and idempotency around a view."""

    write_scope = ""
    token_scopes: dict[str, str] = {}
    answer_is_secret = False
    _record: AnsweredRequest | None = None
    _token: ApiToken | None = None
    #: Serializer of the body; None: there is none; ``UNDECLARED``: something else than JSON, which the view reads itself.
    _body: Any = UNDECLARED
    _digest: str = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; where the request has a key or a version, in one transaction with both."""
        is_write = request.method not in SAFE_METHODS
        try:
            if is_write and (KEY_HEADER in request.headers or "If-Match" in request.headers):
                answer = self._dispatch_in_transaction(request, *args, **kwargs)
            else:
                answer = super().dispatch(request, *args, **kwargs)
        except OperationalError as error:
            return unavailable(error, request)
        if self._token is not None:
            token_used(self._token, now=timezone.now())
        return answer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the request in, or refuse it before the view sees it."""
        handler = handler_name(self, str(request.method))
        if handler is not None and request.method not in SAFE_METHODS:
            self._look_at_body(request, handler)
        try:
            super().initial(request, *args, **kwargs)
        except (exceptions.NotAuthenticated, exceptions.AuthenticationFailed):
            throttle_failed_login(request, self)
            raise
        self._token = request.auth if isinstance(request.auth, ApiToken) else None
        if handler is None:
            return  # 405, or OPTIONS, which tells what there is to whoever may read
        self._demand_scope(request, handler)
        self._refuse_unknown_input(request, handler)
        if request.method not in SAFE_METHODS:
            self._begin_answer(request)
            demand_version(self, request)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, _Repeated):
            return _repeat(exc.record)
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Tag what shows an object, and say so in a line where the client has it already."""
        final = super().finalize_response(request, response, *args, **kwargs)
        if not isinstance(final, Response) or final.status_code != status.HTTP_200_OK:
            return final
        if request.method in ("GET", "HEAD") and object_handler(self) is not None:
            final["ETag"] = etag_of(final.data)
            if is_known_version(request, final["ETag"]):
                final.status_code, final.data = status.HTTP_304_NOT_MODIFIED, None
        return final

    def _demand_scope(self, request: Request, handler: str) -> None:
        scope = required_scope(self, str(request.method), handler)
        if self._token is not None and scope not in self._token.scopes:
            given = ", ".join(self._token.scopes) or "nothing"
            raise ScopeMissing(f"This takes a token with the scope {scope}; this one opens {given}.")

    def _look_at_body(self, request: Request, handler: str) -> None:
        """Learn what body the operation takes; with a key, take its digest before anything reads from the stream."""
        self._body = request_serializer(declared_schema(self, str(request.method), handler))
        http = request._request
        if KEY_HEADER not in request.headers:
            return
        head = [http.method, http.get_full_path(), *(http.headers.get(name, "") for name in _DIGESTED_HEADERS)]
        try:
            body = b"" if self._body is UNDECLARED else http.body
        except RequestDataTooBig as error:
            raise too_large(settings.DYNAMO_API_MAX_BODY_BYTES) from error
        self._digest = hashlib.sha256(json.dumps(head).encode() + body).hexdigest()

    def _refuse_unknown_input(self, request: Request, handler: str) -> None:
        schema = declared_schema(self, str(request.method), handler)
        if getattr(self, "action", None) != "list":  # lists ask their filters
            shown = set() if handler == "retrieve" else filter_names(self)
            refuse_unknown_parameters(request, query_names(schema) | shown)
        if request.method in SAFE_METHODS:
            return
        if self._body is UNDECLARED:
            return
        data = request.data
        if self._body is None:
            if data:
                raise exceptions.ValidationError({"body": "This takes no body."})
            return
        if problems := unknown_fields(self._body, data if not hasattr(data, "lists") else dict(data.items())):
            raise exceptions.ValidationError(problems)

    # ---- one transaction with the answer ---------------------------------------------------------------------------------

    def _dispatch_in_transaction(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            with transaction.atomic():
                answer = super().dispatch(request, *args, **kwargs)
                if answer.status_code >= status.HTTP_400_BAD_REQUEST:
                    transaction.set_rollback(True)
                elif self._record is not None:
                    self._keep_answer(self._record, answer)
        except Exception as error:
            # What follows a commit has failed, as when no worker can be told: then the act may be asked for again.
            if self._record is not None:
                answer_forget(self._record)
            if not isinstance(error, DOMAIN_ERRORS):
                raise
            answer = self.response = self.finalize_response(self.request, self.handle_exception(error), *args, **kwargs)
        return answer

    def _begin_answer(self, request: Request) -> None:
        key = request.headers.get(KEY_HEADER)
        if key is None:
            return
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
            raise exceptions.ValidationError({KEY_HEADER: "1 to 255 printable characters of ASCII, made up for this act alone."})
        asked = Asked(key=key, route=f"{request.method} {request.path}", digest=self._digest)
        try:
            record, is_new = answer_begin(user=request.user, asked=asked)
        except StillAnswering as error:
            raise Conflict("A request with this Idempotency-Key is being carried out: ask again soon.", "in_progress") from error
        if is_new:
            self._record = record
        elif record.digest != asked.digest:
            raise KeyUsedOtherwise
        elif record.body is None:
            raise Conflict("This was done by the first request with this Idempotency-Key; its answer is not kept.", "done_before")
        else:
            raise _Repeated(record)

    def _keep_answer(self, record: AnsweredRequest, answer: HttpResponseBase) -> None:
        is_kept = isinstance(answer, Response) and not self.answer_is_secret
        body = JSONRenderer().render(answer.data).decode() if is_kept else None
        headers = {name: answer[name] for name in _KEPT_HEADERS if name in answer}
        answer_keep(record, status=answer.status_code, body=body, headers=headers)


def required_scope(view: Any, method: str, handler: str) -> str:
    """Return the scope that a token needs for the operation: the view's own word, ``read``, or the app's writing one."""
    declared: str | None = view.token_scopes.get(handler, view.token_scopes.get(method))
    if declared is not None:
        return declared
    return READ if method in SAFE_METHODS else str(view.write_scope)


def guarded(urlconf: str, *, write_scope: str) -> Any:
    """Return what ``path()`` takes to include the addresses of *urlconf*, each of its views with ``GuardedView`` around it."""
    module = import_module(urlconf)
    patterns = guard_patterns(module.urlpatterns, write_scope=write_scope)
    return include((patterns, module.app_name))


def guard_patterns(patterns: Sequence[URLPattern | URLResolver], *, write_scope: str) -> list[URLPattern]:
    """Return the patterns with guarded views; those with a format suffix, a second address of the same, are left out."""
    made = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            raise TypeError(f"{pattern}: the addresses of an app are listed flat, so that each is guarded")
        if "format" not in pattern.pattern.regex.groupindex:
            made.append(URLPattern(pattern.pattern, _guard(pattern.callback, write_scope), pattern.default_args, pattern.name))
    return made


def _guard(callback: Any, write_scope: str) -> Any:
    around = {
        "write_scope": write_scope,
        "token_scopes": getattr(callback.cls, "token_scopes", {}),
        "answer_is_secret": getattr(callback.cls, "answer_is_secret", False),
        "__doc__": callback.cls.__doc__,
        "__module__": callback.cls.__module__,
    }
    kind = type(callback.cls.__name__, (GuardedView, callback.cls), around)
    actions = getattr(callback, "actions", None)
    view = kind.as_view(**callback.initkwargs) if actions is None else kind.as_view(actions, **callback.initkwargs)
    # POST to an address without its last slash is an error and no redirection, which would lose the body.
    view.should_append_slash = False
    return view


def _repeat(record: AnsweredRequest) -> Response:
    answer = Response(json.loads(record.body or "null"), status=record.status)
    for name, value in record.headers.items():
        answer[name] = value
    answer["Idempotency-Replayed"] = "true"
    return answer
