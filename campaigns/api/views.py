"""Campaigns: read them, and every act on them, each by the service that screens and commands call; it asks for the right."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ReadOnlyModelViewSet

from campaigns.api import serializers as s
from campaigns.choices import Verdict
from campaigns.filtersets import CampaignFilterSet
from campaigns.models import Campaign, CampaignEvent, CampaignReport, Comment, Revision, Study
from campaigns.permissions import campaign_rights_offered
from campaigns.selectors.campaigns import campaigns_visible, revision_current, revision_items
from campaigns.selectors.quorum import quorum_of
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import Edits, campaign_cancel, campaign_comment, campaign_create, campaign_edit, campaign_revise
from campaigns.services.exception_requests import exception_ask, exception_effect, exceptions_decide
from campaigns.services.execution import campaign_execute, campaign_pause, campaign_resume
from campaigns.services.offers import actions_offered
from campaigns.services.proposals import campaign_propose
from campaigns.services.reports import KINDS, campaign_report, report_file, report_latest
from campaigns.services.studies import campaign_study
from inventory.rights_api import RightsMixin
from inventory.services.audit import Actor

_BARE: dict[str, Any] = {"filterset_class": None, "pagination_class": None, "filter_backends": []}
_TYPES = {"json": "application/json", "html": "text/html", "csv": "text/csv", "parquet": "application/octet-stream"}


class CampaignViewSet(RightsMixin, ReadOnlyModelViewSet[Campaign]):
    """Campaigns that you may see: all announced ones, and others by the right to view."""

    queryset = Campaign.objects.select_related("partition", "coordinator")
    permission_classes = (IsAuthenticated,)
    filterset_class = CampaignFilterSet
    token_scopes = {"effect": "read", "report": "read"}

    def get_queryset(self) -> QuerySet[Campaign]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        return campaigns_visible(self.request.user)

    def rights_to_give(self, user: Any) -> frozenset[str]:
        return campaign_rights_offered(user)

    def get_serializer_class(self) -> type[BaseSerializer[Campaign]]:
        return s.CampaignSerializer if self.action == "list" else s.CampaignDetailSerializer

    @extend_schema(request=s.CreateSerializer, responses={201: s.CampaignDetailSerializer})
    def create(self, request: Request) -> Response:
        """Create a draft."""
        wanted = self._wanted(s.CreateSerializer)
        names = {name: wanted.pop(name) for name in ("title", "purpose", "text", "partition", "coordinator")}
        campaign = campaign_create(
            title=names["title"],
            purpose=names["purpose"],
            text=names["text"],
            partition_name=names["partition"],
            coordinator_login=names["coordinator"],
            times=Edits(**wanted),
            actor=Actor.of(request.user),
            now=timezone.now(),
        )
        return self._answer(campaign, status.HTTP_201_CREATED)

    @extend_schema(request=s.EditsSerializer, responses=s.CampaignDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a draft."""
        campaign = self.get_object()
        edits = Edits(**self._wanted(s.EditsSerializer))
        campaign_edit(campaign_id=campaign.pk, edits=edits, actor=Actor.of(request.user), now=timezone.now())
        return self._answer(campaign)

    @extend_schema(request=s.NothingSerializer, responses={202: s.StudySerializer})
    @action(detail=True, methods=["post"], **_BARE)
    def study(self, request: Request, pk: str) -> Response:
        """Have a worker evaluate the text and freeze the list; poll ``studies/``."""
        study = campaign_study(campaign_id=self.get_object().pk, actor=Actor.of(request.user), now=timezone.now())
        study.refresh_from_db()
        return Response(s.StudySerializer(study).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=s.StudySerializer(many=True))
    @action(detail=True, **_BARE)
    def studies(self, request: Request, pk: str) -> Response:
        """The latest studies, newest first, with state and progress."""
        rows = Study.objects.filter(campaign=self.get_object()).select_related("revision").order_by("-pk")[:20]
        return Response(s.StudySerializer(rows, many=True).data)

    @extend_schema(responses=s.RevisionSerializer(many=True))
    @action(detail=True, **_BARE)
    def revisions(self, request: Request, pk: str) -> Response:
        """Every list that the campaign had, newest first."""
        rows = Revision.objects.filter(campaign=self.get_object()).select_related("proposed_by").order_by("-number")[:100]
        return Response(s.RevisionSerializer(rows, many=True).data)

    @extend_schema(responses=s.RevisionDetailSerializer)
    @action(detail=True, **_BARE)
    def revision(self, request: Request, pk: str) -> Response:
        """The list that counts: digest, text and sums by site, tier, era and group."""
        return Response(s.RevisionDetailSerializer(self._revision()).data)

    @extend_schema(parameters=[s.ItemsQuerySerializer], responses=s.ItemsPageSerializer, filters=False)
    @action(detail=True, **_BARE)
    def items(self, request: Request, pk: str) -> Response:
        """The frozen list in its order, page by page; what has dropped out says why."""
        asked = s.ItemsQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        limit = asked.validated_data["page_size"]
        rows = revision_items(self._revision(), after_sequence=asked.validated_data["after_sequence"], limit=limit)
        body = {"next_after_sequence": rows[-1].sequence if len(rows) == limit else None, "results": rows}
        return Response(s.ItemsPageSerializer(body).data)

    @extend_schema(request=s.NothingSerializer, responses=s.CampaignDetailSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def propose(self, request: Request, pk: str) -> Response:
        """Freeze and announce what was studied; who proposes never signs it."""
        campaign = self.get_object()
        campaign_propose(campaign_id=campaign.pk, actor=Actor.of(request.user), now=timezone.now())
        return self._answer(campaign)

    @extend_schema(responses=s.QuorumSerializer)
    @action(detail=True, **_BARE)
    def quorum(self, request: Request, pk: str) -> Response:
        """Who has signed, who is missing, and the digest that is to be signed now."""
        revision = self._revision()
        found = quorum_of(revision)
        names = ("needed", "given", "is_met", "missing", "two_because", "groups", "signatures")
        body = {name: getattr(found, name) for name in names} | {"digest": revision.digest}
        return Response(s.QuorumSerializer(body).data)

    @extend_schema(request=s.SignSerializer, responses=s.CampaignDetailSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def sign(self, request: Request, pk: str) -> Response:
        """Approve, reject or abstain, by the digest of the list that you saw."""
        campaign, wanted = self.get_object(), self._wanted(s.SignSerializer)
        campaign_sign(
            campaign_id=campaign.pk,
            verdict=Verdict(wanted["verdict"]),
            digest=wanted["digest"],
            comment=wanted["comment"],
            address=request.META.get("REMOTE_ADDR", ""),
            actor=Actor.of(request.user),
            now=timezone.now(),
        )
        return self._answer(campaign)

    @extend_schema(request=s.DatasetPatternsSerializer, responses=s.EffectSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def effect(self, request: Request, pk: str) -> Response:
        """What an exception with these names would keep; nothing is changed."""
        found = exception_effect(campaign_id=self.get_object().pk, patterns=self._wanted(s.DatasetPatternsSerializer)["patterns"])
        return Response(s.EffectSerializer(found).data)

    @extend_schema(request=s.AskSerializer, responses={201: s.ExceptionSerializer})
    @action(detail=True, methods=["post"], url_path="except", **_BARE)
    def ask(self, request: Request, pk: str) -> Response:
        """Ask that data be kept; anybody may, until exceptions close."""
        wanted = self._wanted(s.AskSerializer)
        exception = exception_ask(
            campaign_id=self.get_object().pk,
            patterns=wanted["patterns"],
            reason=wanted["reason"],
            until=wanted["until"],
            group_name=wanted["group"],
            actor=Actor.of(request.user),
            now=timezone.now(),
        )
        return Response(s.ExceptionSerializer(exception).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=s.BulkDecideSerializer, responses=s.DecidedSerializer(many=True))
    @action(detail=False, methods=["post"], url_path="decide", **_BARE)
    def decide(self, request: Request) -> Response:
        """Decide several exceptions in the same way, each for itself."""
        wanted = self._wanted(s.BulkDecideSerializer)
        found = exceptions_decide(
            exception_ids=wanted["exceptions"],
            is_granted=wanted["is_granted"],
            reason=wanted["reason"],
            becomes_lock=wanted["becomes_lock"],
            actor=Actor.of(request.user),
            now=timezone.now(),
        )
        return Response(s.DecidedSerializer(found, many=True).data)

    @extend_schema(request=s.NothingSerializer, responses=s.CampaignDetailSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def execute(self, request: Request, pk: str) -> Response:
        """Release exactly the frozen list for deletion."""
        campaign = self.get_object()
        campaign_execute(campaign_id=campaign.pk, actor=Actor.of(request.user), now=timezone.now())
        return self._answer(campaign)

    @extend_schema(request=s.ReasonSerializer, responses=s.CampaignDetailSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def pause(self, request: Request, pk: str) -> Response:
        """Take up no further item until it is resumed."""
        campaign, reason = self.get_object(), self._wanted(s.ReasonSerializer)["reason"]
        campaign_pause(campaign_id=campaign.pk, reason=reason, actor=Actor.of(request.user), now=timezone.now())
        return self._answer(campaign)

    @extend_schema(request=s.OptionalReasonSerializer, responses=s.CampaignDetailSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def resume(self, request: Request, pk: str) -> Response:
        """Let a paused campaign go on."""
        campaign, reason = self.get_object(), self._wanted(s.OptionalReasonSerializer)["reason"]
        campaign_resume(campaign_id=campaign.pk, reason=reason, actor=Actor.of(request.user), now=timezone.now())
        return self._answer(campaign)

    @extend_schema(request=s.ReviseSerializer, responses=s.CampaignDetailSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def revise(self, request: Request, pk: str) -> Response:
        """Back to draft: signatures are void and the list is given up."""
        campaign, wanted = self.get_object(), self._wanted(s.ReviseSerializer)
        campaign_revise(campaign_id=campaign.pk, actor=Actor.of(request.user), now=timezone.now(), **wanted)
        return self._answer(campaign)

    @extend_schema(request=s.ReasonSerializer, responses=s.CampaignDetailSerializer)
    @action(detail=True, methods=["post"], **_BARE)
    def cancel(self, request: Request, pk: str) -> Response:
        """Give the campaign up for good."""
        campaign, reason = self.get_object(), self._wanted(s.ReasonSerializer)["reason"]
        campaign_cancel(campaign_id=campaign.pk, reason=reason, actor=Actor.of(request.user), now=timezone.now())
        return self._answer(campaign)

    @extend_schema(request=s.CommentRequestSerializer, responses={201: s.CommentSerializer})
    @action(detail=True, methods=["post"], **_BARE)
    def comment(self, request: Request, pk: str) -> Response:
        """Say something about the campaign."""
        text = self._wanted(s.CommentRequestSerializer)["text"]
        made = campaign_comment(campaign_id=self.get_object().pk, text=text, actor=Actor.of(request.user), now=timezone.now())
        return Response(s.CommentSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=s.CommentSerializer(many=True))
    @action(detail=True, **_BARE)
    def comments(self, request: Request, pk: str) -> Response:
        """What was said, oldest first."""
        rows = Comment.objects.filter(campaign=self.get_object()).order_by("pk")[:1000]
        return Response(s.CommentSerializer(rows, many=True).data)

    @extend_schema(responses=s.EventSerializer(many=True))
    @action(detail=True, **_BARE)
    def events(self, request: Request, pk: str) -> Response:
        """Every act on the campaign, oldest first."""
        rows = CampaignEvent.objects.filter(campaign=self.get_object()).order_by("pk")[:1000]
        return Response(s.EventSerializer(rows, many=True).data)

    @extend_schema(responses=s.OfferSerializer(many=True))
    @action(detail=True, **_BARE)
    def actions(self, request: Request, pk: str) -> Response:
        """What you may do now, and why not the rest."""
        offers = actions_offered(campaign=self.get_object(), actor=Actor.of(request.user), now=timezone.now())
        return Response(s.OfferSerializer(offers, many=True).data)

    @extend_schema(request=s.NothingSerializer, responses={202: s.ReportSerializer})
    @action(detail=True, methods=["post"], **_BARE)
    def report(self, request: Request, pk: str) -> Response:
        """Have a worker make a report of the campaign as it stands; its digests go into the audit chain. Poll ``reports/``."""
        asked = campaign_report(campaign_id=self.get_object().pk, actor=Actor.of(request.user), now=timezone.now())
        asked.refresh_from_db()
        return Response(s.ReportSerializer(asked).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=s.ReportSerializer(many=True))
    @action(detail=True, **_BARE)
    def reports(self, request: Request, pk: str) -> Response:
        """The latest reports, newest first, with state and progress."""
        rows = CampaignReport.objects.filter(campaign=self.get_object()).order_by("-pk")[:100]
        return Response(s.ReportSerializer(rows, many=True).data)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, filters=False)
    @action(detail=True, url_path=f"report/(?P<kind>{'|'.join(KINDS)})", **_BARE)
    def report_as(self, request: Request, pk: str, kind: str) -> HttpResponse:
        """The latest report as a file: json, html, csv or parquet, byte for byte as it was recorded."""
        report = report_latest(self.get_object().pk)
        if report is None:
            raise NotFound("No report of this campaign was made yet: POST report/ asks for one, reports/ tells how far it is.")
        return HttpResponse(report_file(report, kind), content_type=_TYPES[kind])

    def _wanted(self, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        asked = kind(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    def _revision(self) -> Revision:
        campaign = self.get_object()
        revision = revision_current(campaign.pk)
        if revision is None:
            raise NotFound(f"The campaign '{campaign}' has no list: study it first.")
        return revision

    def _answer(self, campaign: Campaign, code: int = status.HTTP_200_OK) -> Response:
        fresh = Campaign.objects.select_related("partition", "coordinator").get(pk=campaign.pk)
        return Response(s.CampaignDetailSerializer(fresh).data, status=code)
