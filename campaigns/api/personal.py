"""What concerns the person who asks: exceptions to look at and decide, and the inbox."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from campaigns.api import serializers as s
from campaigns.filtersets import ExceptionFilterSet, NoticeFilterSet
from campaigns.models import ExceptionRequest, Notice
from campaigns.selectors.campaigns import campaigns_visible, inbox
from campaigns.services.exception_requests import exception_decide, exception_withdraw
from campaigns.services.notices import notices_read
from inventory.services.audit import Actor


class ExceptionViewSet(ReadOnlyModelViewSet[ExceptionRequest]):
    """Exceptions of the campaigns that you may see."""

    queryset = ExceptionRequest.objects.select_related("asked_by", "decided_by")
    serializer_class = s.ExceptionSerializer
    permission_classes = (IsAuthenticated,)
    filterset_class = ExceptionFilterSet

    def get_queryset(self) -> QuerySet[ExceptionRequest]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        return rows.filter(campaign__in=campaigns_visible(self.request.user).values("pk"))

    @extend_schema(request=s.DecideSerializer, responses=s.ExceptionSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None, filter_backends=[])
    def decide(self, request: Request, pk: str) -> Response:
        """Grant, shorten or refuse."""
        asked = s.DecideSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        done = exception_decide(
            exception_id=self.get_object().pk, actor=Actor.of(request.user), now=timezone.now(), **asked.validated_data
        )
        return Response(s.ExceptionSerializer(done).data)

    @extend_schema(request=s.NothingSerializer, responses=s.ExceptionSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None, filter_backends=[])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back your own exception before it is decided."""
        done = exception_withdraw(exception_id=self.get_object().pk, actor=Actor.of(request.user), now=timezone.now())
        return Response(s.ExceptionSerializer(done).data)


class InboxViewSet(ReadOnlyModelViewSet[Notice]):
    """What you were told."""

    queryset = Notice.objects.select_related("campaign")
    serializer_class = s.NoticeSerializer
    permission_classes = (IsAuthenticated,)
    filterset_class = NoticeFilterSet

    def get_queryset(self) -> QuerySet[Notice]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        return inbox(self.request.user.pk)

    @extend_schema(request=s.ReadSerializer, responses=s.MarkedSerializer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None, filter_backends=[])
    def read(self, request: Request) -> Response:
        """Mark notices as read."""
        asked = s.ReadSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        marked = notices_read(user_id=request.user.pk, notice_ids=asked.validated_data["notices"], now=timezone.now())
        return Response({"num_marked": marked})
