"""Scans of storages by API: begin, poll, read what was found, decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.list_files import ListFileMixin
from inventory.services.audit import Actor
from operations import filtersets, models
from operations.selectors.scans import FINDING_COLUMNS, folders_waiting
from operations.services.clean_ups import clean_up_create, clean_up_discard, clean_up_release
from operations.services.scan_missing import missing_confirm, missing_take_back
from operations.services.scans import scan_accept, scan_cancel, scan_discard, scan_start

_READING = {"list", "retrieve", "metadata", None}


class StorageScanSerializer(serializers.ModelSerializer[models.StorageScan]):
    folders_waiting = serializers.SerializerMethodField(help_text="Folders that are known and have still to be listed.")

    class Meta:
        model = models.StorageScan
        fields = [
            "id",
            "site_name",
            "state",
            "started_at",
            "started_by_name",
            "progress_at",
            "finished_at",
            "judges_missing",
            "folders_done",
            "folders_waiting",
            "folders_failed",
            "files_seen",
            "bytes_seen",
            "files_known",
            "files_expected",
            "bytes_expected",
            "files_missing",
            "bytes_missing",
            "files_unclear",
            "files_dark",
            "bytes_dark",
            "files_young",
            "bytes_young",
            "files_stray",
            "bytes_stray",
            "tripped",
            "failure",
            "decided_at",
            "decided_by_name",
            "decided_reason",
        ]

    def get_folders_waiting(self, scan: models.StorageScan) -> int:
        return folders_waiting(scan.pk) if scan.state == "LISTING" else 0


class ScanFindingSerializer(serializers.ModelSerializer[models.ScanFinding]):
    class Meta:
        model = models.ScanFinding
        fields = [
            "id",
            "scan",
            "site_name",
            "kind",
            "state",
            "path",
            "size_bytes",
            "modified_at",
            "seen_at",
            "first_seen_at",
            "problem",
            "lfn",
            "dataset_name",
            "block_name",
            "message",
            "decided_at",
        ]


class CleanUpSerializer(serializers.ModelSerializer[models.CleanUp]):
    num_files = serializers.IntegerField(source="plan.num_items", read_only=True)
    size_bytes = serializers.IntegerField(source="plan.size_bytes", read_only=True)
    digest = serializers.CharField(source="plan.digest", read_only=True, help_text="To be sent with the release.")
    plan_state = serializers.CharField(
        source="plan.state", read_only=True, help_text="HELD: a safety limit holds it for a person."
    )

    class Meta:
        model = models.CleanUp
        fields = [
            "id",
            "scan",
            "site_name",
            "state",
            "plan",
            "plan_state",
            "digest",
            "num_files",
            "size_bytes",
            "asked_at",
            "asked_by_name",
            "reason",
            "decided_at",
            "decided_by_name",
            "decided_reason",
            "finished_at",
            "report",
        ]


class ScanStartSerializer(serializers.Serializer[object]):
    site = serializers.CharField(max_length=64, help_text="Name of the site.")


class ScanReasonSerializer(serializers.Serializer[object]):
    reason = serializers.CharField(max_length=512, help_text="Why; kept with it and in the audit trail.")


class ReleaseSerializer(ScanReasonSerializer):
    digest = serializers.RegexField("^[0-9a-f]{64}$", help_text="Of the list that was looked at.")


class TakenBackSerializer(serializers.Serializer[object]):
    num_back = serializers.IntegerField(help_text="Files that the inventory knows again.")
    num_not = serializers.IntegerField(help_text="Files whose size is another, or that are gone again.")


class _DecidingViewSet:
    """Reading takes the right to look; what decides asks for the right at the site itself."""

    action: str | None

    def get_permissions(self) -> list[BasePermission]:
        """Return what is asked before the service asks for the right itself."""
        return super().get_permissions() if self.action in _READING else [IsAuthenticated()]  # type: ignore[misc]


class StorageScanViewSet(_DecidingViewSet, ReadOnlyModelViewSet[models.StorageScan]):
    """Scans of storages, how far each is, and what it found."""

    queryset = models.StorageScan.objects.all()
    serializer_class = StorageScanSerializer
    filterset_class = filtersets.StorageScanFilterSet

    @extend_schema(request=ScanStartSerializer, responses={201: StorageScanSerializer})
    def create(self, request: Request) -> Response:
        """Begin a scan of a site; it takes ``inventory.scan_site`` there. Workers do it: poll it."""
        wanted = ScanStartSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        begun = scan_start(site_name=wanted.validated_data["site"], actor=Actor.of(request.user))
        return Response(StorageScanSerializer(begun).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ScanReasonSerializer, responses=StorageScanSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Let a scan count that a limit holds; it takes ``inventory.decide_scan`` at its site."""
        return self._decide(request, scan_accept)

    @extend_schema(request=ScanReasonSerializer, responses=StorageScanSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Let a scan that a limit holds count for nothing."""
        return self._decide(request, scan_discard)

    @extend_schema(request=ScanReasonSerializer, responses=StorageScanSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop a scan that is under way; it takes ``inventory.scan_site`` at its site."""
        return self._decide(request, scan_cancel)

    @extend_schema(request=ScanReasonSerializer, responses={202: StorageScanSerializer})
    @action(detail=True, methods=["post"], url_path="confirm-missing")
    def confirm_missing(self, request: Request, pk: str) -> Response:
        """Have its missing files taken out of the inventory: a worker looks at each once more."""
        return self._decide(request, missing_confirm, status.HTTP_202_ACCEPTED)

    @extend_schema(request=ScanReasonSerializer, responses=TakenBackSerializer)
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, pk: str) -> Response:
        """Take up again what had been missing and this scan saw there, as far as its size is right."""
        found, reason = self.get_object(), _reason(request)
        back, others = missing_take_back(scan_id=found.pk, actor=Actor.of(request.user), reason=reason)
        return Response(TakenBackSerializer({"num_back": back, "num_not": others}).data)

    @extend_schema(request=ScanReasonSerializer, responses={201: CleanUpSerializer})
    @action(detail=True, methods=["post"], url_path="clean-up")
    def clean_up(self, request: Request, pk: str) -> Response:
        """Freeze the list of its dark files that count; nothing is deleted before it is released."""
        found, reason = self.get_object(), _reason(request)
        made = clean_up_create(scan_id=found.pk, actor=Actor.of(request.user), reason=reason)
        return Response(CleanUpSerializer(made).data, status=status.HTTP_201_CREATED)

    def _decide(self, request: Request, decide: Callable[..., models.StorageScan], code: int = status.HTTP_200_OK) -> Response:
        found, reason = self.get_object(), _reason(request)
        done = decide(scan_id=found.pk, actor=Actor.of(request.user), reason=reason)
        return Response(StorageScanSerializer(done).data, status=code)


class ScanFindingViewSet(ListFileMixin, ReadOnlyModelViewSet[models.ScanFinding]):
    """Files that scans found missing, dark, or known but not at the site; filter by scan, kind and state."""

    queryset = models.ScanFinding.objects.all()
    serializer_class = ScanFindingSerializer
    filterset_class = filtersets.ScanFindingFilterSet
    export_columns = FINDING_COLUMNS


class CleanUpViewSet(_DecidingViewSet, ReadOnlyModelViewSet[models.CleanUp]):
    """Clean-ups: frozen lists of dark files, who released them, and what became of each."""

    queryset = models.CleanUp.objects.select_related("plan")
    serializer_class = CleanUpSerializer
    filterset_class = filtersets.CleanUpFilterSet

    @extend_schema(request=ReleaseSerializer, responses=CleanUpSerializer)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Let the files of the list be deleted; it takes ``inventory.decide_scan`` at its site. Not by its asker."""
        found = self.get_object()
        wanted = ReleaseSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        clean_up_release(clean_up_id=found.pk, actor=Actor.of(request.user), **wanted.validated_data)
        return self._answer(found.pk)

    @extend_schema(request=ScanReasonSerializer, responses=CleanUpSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Give the list up; what has been begun comes to its end."""
        found, reason = self.get_object(), _reason(request)
        clean_up_discard(clean_up_id=found.pk, actor=Actor.of(request.user), reason=reason)
        return self._answer(found.pk)

    def _answer(self, pk: Any) -> Response:
        return Response(CleanUpSerializer(self.get_queryset().get(pk=pk)).data)


def _reason(request: Request) -> str:
    wanted = ScanReasonSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    reason: str = wanted.validated_data["reason"]
    return reason
