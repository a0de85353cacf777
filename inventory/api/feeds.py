"""Facts sent by who measures them: a feed by its name, complete, with its source and its time."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from inventory import models
from inventory.api.injections import AnyBody, BodyTooLarge, LengthRequired
from inventory.api.serializers import FeedQuerySerializer, InjectionSerializer
from inventory.choices import InjectionState
from inventory.exceptions import DocumentTooLarge
from inventory.services.audit import Actor
from inventory.services.feed_documents import feed_receive


class FeedViewSet(GenericViewSet[models.Injection]):
    """Takes a feed; what became of it is an injection like any other."""

    queryset = models.Injection.objects.all()
    serializer_class = InjectionSerializer
    parser_classes = [AnyBody]
    if_match_required = False

    @extend_schema(
        parameters=[FeedQuerySerializer],
        request={"application/x-ndjson": OpenApiTypes.BINARY},
        responses={201: InjectionSerializer, 202: InjectionSerializer},
    )
    def create(self, request: Request, name: str) -> Response:
        """Take the facts in the body, one JSON object a line, as the complete feed of that moment.

        A new ``max_age`` takes the right ``inventory.change_factfeed``.

        201: a small feed is over, COMPLETED or FAILED with its rejects. 202: a large one waits for a worker; poll the injection.
        """
        asked = FeedQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        stream: Any = request.stream
        if stream is None:
            raise LengthRequired
        try:
            injection = feed_receive(
                name=name,
                stream=stream,
                measured_at=wanted["measured_at"],
                source=wanted["source"],
                actor=Actor.of(request.user),
                max_age=wanted["max_age"],
                is_dry_run=wanted["dry_run"],
            )
        except DocumentTooLarge as error:
            raise BodyTooLarge(str(error)) from error
        is_over = injection.state != InjectionState.QUEUED
        code = status.HTTP_201_CREATED if is_over else status.HTTP_202_ACCEPTED
        return Response(InjectionSerializer(injection).data, status=code)
