"""Documents that are sent to be injected: POST starts a job, GET tells how far it is and what was rejected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory import filtersets, models
from inventory.api.serializers import GiveUpSerializer, InjectionQuerySerializer, InjectionSerializer
from inventory.choices import InjectionState
from inventory.exceptions import DocumentTooLarge
from inventory.services.audit import Actor
from inventory.services.injection_jobs import (
    Wishes,
    bad_records_open,
    injection_cancel,
    injection_receive,
    injection_repeat,
    injection_resume,
)
from inventory.services.resumable import injection_give_up

#: Acts on one injection.
_DECISIONS = frozenset({"cancel", "confirm", "resume", "give_up"})
_DOCUMENT = {"application/json": OpenApiTypes.OBJECT, "application/x-ndjson": OpenApiTypes.BINARY}


class LengthRequired(APIException):
    """A body whose length the client does not say."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send the document as the body, with a Content-Length (curl: --data-binary @FILE)."
    default_code = "length_required"


class BodyTooLarge(APIException):
    """A document beyond ``DYNAMO_INJECT_MAX_BYTES``."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"


class AnyBody(BaseParser):
    """Takes a body of any type without reading it: the view streams it to a file."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return nothing: the body stays in the stream."""
        return {}


class InjectionViewSet(ReadOnlyModelViewSet[models.Injection]):
    """Documents brought into the inventory; start one by POST and poll it."""

    queryset = models.Injection.objects.all()
    serializer_class = InjectionSerializer
    filterset_class = filtersets.InjectionFilterSet
    parser_classes = [AnyBody]
    if_match_required = False

    def get_permissions(self) -> Sequence[Any]:
        """Ask the services who may decide on one that is seen: its sender, or who may change those of others."""
        return [IsAuthenticated()] if self.action in _DECISIONS else super().get_permissions()

    @extend_schema(
        parameters=[InjectionQuerySerializer], request=_DOCUMENT, responses={201: InjectionSerializer, 202: InjectionSerializer}
    )
    def create(self, request: Request) -> Response:
        """Inject the document in the body: JSON, JSON lines or a table, plain, gzip or xz.

        201: a small document is over, COMPLETED or FAILED with its rejects. 202: a large one waits for a worker; poll it.
        """
        asked = InjectionQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        stream: Any = request.stream
        if stream is None:
            raise LengthRequired
        wishes = Wishes(wanted["name"], wanted["dry_run"], wanted["skip_bad"], wanted["bring_back"], wanted["batch"])
        try:
            injection = injection_receive(stream=stream, actor=Actor.of(request.user), wishes=wishes)
        except DocumentTooLarge as error:
            raise BodyTooLarge(str(error)) from error
        is_over = injection.state != InjectionState.QUEUED
        return self._answer(injection, status.HTTP_201_CREATED if is_over else status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses=InjectionSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel an injection that waits or runs; nothing of it is kept."""
        injection = self.get_object()
        return self._answer(injection_cancel(injection_id=injection.pk, actor=Actor.of(request.user)), status.HTTP_200_OK)

    @extend_schema(request=None, responses={201: InjectionSerializer, 202: InjectionSerializer})
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """Inject for good the document that a dry run has shown; 201 and 202 as for a document that is sent."""
        injection = self.get_object()
        started = injection_repeat(injection_id=injection.pk, actor=Actor.of(request.user))
        is_over = started.state != InjectionState.QUEUED
        return self._answer(started, status.HTTP_201_CREATED if is_over else status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: InjectionSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on with a document of ``batch=true`` that was left half-way."""
        injection = self.get_object()
        return self._answer(injection_resume(injection_id=injection.pk, actor=Actor.of(request.user)), status.HTTP_202_ACCEPTED)

    @extend_schema(request=GiveUpSerializer, responses=InjectionSerializer)
    @action(detail=True, methods=["post"], url_path="give-up", parser_classes=api_settings.DEFAULT_PARSER_CLASSES)
    def give_up(self, request: Request, pk: str) -> Response:
        """Leave a document half loaded for good: what is there counts as the inventory, and deleting goes on."""
        asked = GiveUpSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        left = injection_give_up(injection_id=self.get_object().pk, actor=Actor.of(request.user), **asked.validated_data)
        return self._answer(left, status.HTTP_200_OK)

    @extend_schema(responses={(200, "application/gzip"): OpenApiResponse(OpenApiTypes.BINARY)})
    @action(detail=True, url_path="bad-records")
    def bad_records(self, request: Request, pk: str) -> FileResponse:
        """The bad records that were left out, as JSON lines (gzip): mend them and inject them."""
        injection = self.get_object()
        if not injection.has_bad_records:
            raise NotFound(f"Injection {injection.pk} has left out no bad records, or is not over.")
        name = f"injection-{injection.pk}-bad.jsonl.gz"
        return FileResponse(bad_records_open(injection), as_attachment=True, filename=name)

    def _answer(self, injection: models.Injection, code: int) -> Response:
        return Response(InjectionSerializer(injection).data, status=code)
