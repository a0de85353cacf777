"""Versions of objects: ``ETag`` says which one was read, ``If-Match`` which one is changed.

The tag is a digest of what GET answers, so that whatever somebody could have seen and decided upon is covered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.http import Http404
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request, clone_request
from rest_framework.viewsets import ViewSetMixin

from dynamo_site.api.operations import handler_name

EDITS = frozenset({"PUT", "PATCH", "DELETE"})


class VersionChanged(APIException):
    """The object is not the one that was read."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "It has changed since you read it: read it again, look at what is new, then repeat with its ETag."
    default_code = "version_changed"


class VersionRequired(APIException):
    """An edit that does not say of what."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = "Say which version you change: GET this address and send its ETag as If-Match."
    default_code = "version_required"


@dataclass(frozen=True, slots=True)
class Versioned:
    """An object as its address shows it: the view that answers GET there, and the captured parts of the address."""

    view: Any
    handler: str
    kwargs: Mapping[str, Any]

    def etag(self, request: Request) -> str | None:
        """Return the tag of the present state, or None where there is no such object."""
        view, asked = self.view, clone_request(request, "GET")
        view.request, view.args, view.kwargs, view.format_kwarg, view.headers = asked, (), dict(self.kwargs), None, {}
        view.action = self.handler
        try:
            answer = getattr(view, self.handler)(asked, **self.kwargs)
        except Http404:
            return None
        return etag_of(answer.data)

    def lock(self) -> bool:
        """Lock the row of the object until the transaction ends; return False where none is known."""
        model = self._model()
        if model is None:
            return False
        rows = model._default_manager.select_for_update(of=("self",))
        lookup = getattr(self.view, "lookup_field", "pk")
        value = self.kwargs.get(getattr(self.view, "lookup_url_kwarg", None) or lookup)
        try:
            # Without a key in the address it is the one row of its kind.
            list(rows.filter(**{lookup: value}) if self.kwargs else rows.all())
        except (TypeError, ValueError):
            return True  # no key of such a row: there is nothing to lock
        return True

    def _model(self) -> type[Model] | None:
        named = getattr(self.view, "versioned", None)
        if named is not None:
            return apps.get_model(named)
        queryset = getattr(self.view, "queryset", None)
        return None if queryset is None else queryset.model


def etag_of(data: Any) -> str:
    """Return the strong tag, with its quotes, of what is answered."""
    return f'"{hashlib.sha256(JSONRenderer().render(data)).hexdigest()[:40]}"'


def object_handler(view: Any) -> str | None:
    """Return the name of the method by which *view* answers GET of one object, None where it has none or lists many."""
    name = handler_name(view, "GET")
    if isinstance(view, ViewSetMixin) and name != "retrieve":
        return None
    return name


def is_known_version(request: Request, etag: str) -> bool:
    """Tell whether the client says by ``If-None-Match`` that it has this version."""
    tags = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in tags or etag in [tag.removeprefix("W/") for tag in tags]


def versioned_here(request: Request) -> Versioned | None:
    """Return the object at the address of *request*, if GET shows one there."""
    return _versioned(request._request.resolver_match)


def versioned_above(path: str) -> Versioned | None:
    """Return the object below whose address the act at *path* lies: the plan of ``plans/3/release/``."""
    parts = path.rstrip("/").split("/")
    for end in range(len(parts) - 1, 3, -1):
        try:
            match = resolve("/".join(parts[:end]) + "/")
        except Resolver404:
            continue
        return _versioned(match)
    return None


def demand_version(view: Any, request: Request) -> None:
    """Compare ``If-Match`` with the object under its row lock, which is kept until the transaction ends.

    Raises ``VersionRequired`` for an edit without the header and ``VersionChanged`` where it does not fit.
    """
    wanted = request.headers.get("If-Match")
    here = versioned_here(request) if request.method in EDITS else None
    if wanted is None:
        if here is not None and getattr(view, "if_match_required", True):
            raise VersionRequired
        return
    target = here or versioned_above(request.path)
    tags = parse_etags(wanted)
    if not tags:
        raise ValidationError({"If-Match": 'Not a list of tags in double quotes, such as "4f2a...".'})
    if target is None:
        raise VersionChanged("There is no object with a version at this address.")
    if not target.lock():
        raise ValidationError({"If-Match": "This object has no version that could be held while it is changed."})
    present = target.etag(request)
    if present is None or ("*" not in tags and present not in tags):
        raise VersionChanged


def _versioned(match: ResolverMatch | None) -> Versioned | None:
    callback: Any = None if match is None else match.func
    if match is None or not hasattr(callback, "cls"):
        return None
    view = callback.cls(**callback.initkwargs)
    if hasattr(callback, "actions"):
        view.action_map = callback.actions
    handler = object_handler(view)
    return None if handler is None else Versioned(view, handler, match.kwargs)
