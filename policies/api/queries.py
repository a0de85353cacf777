"""Query parameters that are read by a serializer, as strictly as the filters of lists."""

from __future__ import annotations

from typing import Any, TypeVar

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

Query = TypeVar("Query", bound="serializers.Serializer[Any]")


class ReplicaQuerySerializer(serializers.Serializer[Any]):
    dataset = serializers.CharField()
    site = serializers.CharField()


def strict_query(kind: type[Query], request: Request) -> Query:
    """Return the valid query. Raises ``ValidationError`` for wrong values and for names that *kind* does not have."""
    query = kind(data=request.query_params)
    unknown = set(request.query_params) - set(query.fields)
    if unknown:
        allowed = f"Unknown query parameter; allowed: {', '.join(sorted(query.fields))}"
        raise ValidationError(dict.fromkeys(sorted(unknown), allowed))
    query.is_valid(raise_exception=True)
    return query
