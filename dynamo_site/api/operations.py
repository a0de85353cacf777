"""What a view declares about the operation that a request asks for: the same that the OpenAPI document says of it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import BaseSerializer, ListSerializer
from rest_framework.viewsets import ViewSetMixin

from dynamo_site.api.filters import PAGE_PARAMETERS

#: The request of an operation that declares none.
UNDECLARED = object()


def handler_name(view: Any, method: str) -> str | None:
    """Return the name of the view's method that answers *method*, or None where it does not."""
    name = view.action_map.get(method.lower()) if isinstance(view, ViewSetMixin) else method.lower()
    return name if name is not None and callable(getattr(view, name, None)) else None


def declared_schema(view: Any, method: str, handler: str) -> AutoSchema:
    """Return the schema that ``extend_schema`` put on the operation, or the view's own."""
    kind = getattr(getattr(view, handler), "kwargs", {}).get("schema")
    schema: AutoSchema = kind() if kind is not None else view.schema or AutoSchema()
    schema.view = view
    schema.method = method.upper()
    return schema


def query_names(schema: AutoSchema) -> set[str]:
    """Return the query parameters that ``extend_schema(parameters=...)`` declares."""
    names: set[str] = set()
    for declared in schema.get_override_parameters():
        if isinstance(declared, OpenApiParameter):
            if declared.location == OpenApiParameter.QUERY:
                names.add(declared.name)
        else:
            serializer = declared() if isinstance(declared, type) else declared
            names |= set(serializer.fields)
    return names


def filter_names(view: Any) -> set[str]:
    """Return the parameters of the view's filters and pages, where it has any."""
    kind = getattr(view, "filterset_class", None)
    if kind is None or not getattr(view, "filter_backends", None):
        return set()
    return set(kind.get_filters()) | (set(PAGE_PARAMETERS) if getattr(view, "pagination_class", None) else set())


def request_serializer(schema: AutoSchema) -> Any:
    """Return the serializer of the body, None for an operation that takes no body, ``UNDECLARED`` for bodies of other kinds."""
    with GENERATOR_STATS.silence():
        declared = schema.get_request_serializer()
    if isinstance(declared, dict):
        declared = declared.get("application/json", UNDECLARED)
    if isinstance(declared, type) and issubclass(declared, BaseSerializer):
        declared = declared()
    if declared is None or isinstance(declared, BaseSerializer):
        return declared
    return UNDECLARED


def unknown_fields(serializer: Any, value: Any) -> dict[str, Any]:
    """Return what of *value* the serializer would silently leave out: names that it does not have, and those it only shows."""
    if isinstance(serializer, ListSerializer):
        items = value if isinstance(value, list) else []
        found = {str(number): unknown_fields(serializer.child, item) for number, item in enumerate(items)}
        return {number: inner for number, inner in found.items() if inner}
    fields = getattr(serializer, "fields", None)
    if fields is None or not isinstance(value, dict):
        return {}
    problems: dict[str, Any] = {}
    taken = {name: field for name, field in fields.items() if not field.read_only}
    for name, given in value.items():
        if name not in taken:
            problems[name] = [f"Unknown field; there are: {', '.join(sorted(taken)) or 'none'}."]
        elif inner := unknown_fields(taken[name], given):
            problems[name] = inner
    return problems
