"""Every operation of the API, read from the URL configuration itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of an address; ``handler`` is the name of the view's method that answers it."""

    method: str
    address: str
    handler: str
    callback: Any

    @property
    def view(self) -> Any:
        """A new instance of the view, as a request gets one."""
        view = self.callback.cls(**self.callback.initkwargs)
        view.request, view.kwargs = None, {}
        if isinstance(view, ViewSetMixin):
            view.action_map = self.callback.actions
            view.action = self.handler
        return view

    @property
    def is_plain(self) -> bool:
        """Tell whether it is the list or the page of a model's rows, under the default permissions."""
        kind = self.callback.cls
        is_default = kind.permission_classes == APIView.permission_classes
        return self.handler in ("list", "retrieve") and getattr(kind, "queryset", None) is not None and is_default

    def __str__(self) -> str:
        return f"{self.method} {self.address}"


def operations() -> Iterator[Operation]:
    """Yield all operations below ``/api/v1/``."""
    (api,) = [pattern for pattern in get_resolver().url_patterns if str(pattern.pattern) == "api/"]
    for address, callback in _addresses(api, "/"):
        if not address.startswith("/api/v1/"):
            continue
        actions = getattr(callback, "actions", None)
        for method in METHODS:
            handler = method if actions is None else actions.get(method)
            if handler is not None and hasattr(callback.cls, handler):
                yield Operation(method.upper(), address, handler, callback)


def _addresses(pattern: URLPattern | URLResolver, prefix: str) -> Iterator[tuple[str, Any]]:
    text = str(pattern.pattern)
    address = prefix + (text if isinstance(pattern.pattern, RoutePattern) else text.removeprefix("^").removesuffix("$"))
    if isinstance(pattern, URLResolver):
        for inner in pattern.url_patterns:
            yield from _addresses(inner, address)
    else:
        yield address, pattern.callback
