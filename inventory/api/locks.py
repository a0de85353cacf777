"""Locks: read, made, renewed and released one by one, or replaced as a whole set. The services ask for the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.filtersets import LockFilterSet
from inventory.models import Lock, LockSet
from inventory.selectors.lock_holdings import Holding, Patterns, holdings_of, lock_holdings
from inventory.services.audit import Actor
from inventory.services.lock_sets import SetChange, WantedLock, lock_set_replace
from inventory.services.locks import lock_create, lock_extend, lock_release
from inventory.services.under_way import UnderWay

#: What is named of what a lock comes too late for.
_LATE_SHOWN = 100


class HoldingSerializer(serializers.Serializer[Holding]):
    num_datasets = serializers.IntegerField()
    num_block_replicas = serializers.IntegerField()
    size_bytes = serializers.IntegerField(help_text="Bytes physically present.")
    is_site_unknown = serializers.BooleanField(help_text="The site pattern fits no site: the lock holds everywhere.")
    site_names = serializers.ListField(child=serializers.CharField(), help_text="Sites that it fits; empty where it is *.")


class PatternsSerializer(serializers.Serializer[Any]):
    dataset_pattern = serializers.CharField(max_length=512, trim_whitespace=False, help_text="* is any text, ? any character.")
    block_pattern = serializers.CharField(max_length=128, required=False, default="*", trim_whitespace=False)
    site_pattern = serializers.CharField(
        max_length=128, required=False, default="*", trim_whitespace=False, help_text="One that fits no site locks everywhere."
    )
    group_pattern = serializers.CharField(
        max_length=128, required=False, default="*", trim_whitespace=False, help_text="Owner of the blocks; None is nobody."
    )


class WantedLockSerializer(PatternsSerializer):
    comment = serializers.CharField(max_length=512, required=False, default="", allow_blank=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None, help_text="Null: until released.")


class LockRequestSerializer(WantedLockSerializer):
    owner = serializers.CharField(max_length=150, required=False, default="", help_text="Who answers for it; default: you.")


class LockChangeSerializer(serializers.Serializer[Any]):
    expires_at = serializers.DateTimeField(allow_null=True, help_text="New end; null: until released.")
    comment = serializers.CharField(max_length=512, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True, help_text="For the audit trail.")


class LockReleaseSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True, help_text="For the audit trail.")


class LockSerializer(serializers.ModelSerializer[Lock]):
    lock_set = serializers.CharField(source="lock_set.name", read_only=True, allow_null=True, default=None)
    holding = serializers.SerializerMethodField(help_text="What it matches now; null unless a list was asked with holdings=true.")

    class Meta:
        model = Lock
        fields = [
            "id",
            "dataset_pattern",
            "block_pattern",
            "site_pattern",
            "group_pattern",
            "owner",
            "source",
            "lock_set",
            "comment",
            "created_at",
            "expires_at",
            "released_at",
            "holding",
        ]

    @extend_schema_field(HoldingSerializer(allow_null=True))
    def get_holding(self, lock: Lock) -> dict[str, Any] | None:
        found = self.context.get("holdings", {}).get(lock.pk)
        return None if found is None else dict(HoldingSerializer(found).data)


class SavedLockSerializer(LockSerializer):
    too_late_for = serializers.SerializerMethodField(
        help_text="Block replicas that a worker is deleting at this moment: they cannot be kept any more. At most 100."
    )

    class Meta(LockSerializer.Meta):
        fields = [*LockSerializer.Meta.fields, "too_late_for"]

    def get_too_late_for(self, lock: Lock) -> list[str]:
        return [str(one) for one in self.context.get("too_late", [])[:_LATE_SHOWN]]


class LockSetRequestSerializer(serializers.Serializer[Any]):
    locks = WantedLockSerializer(many=True, help_text="All that the set shall have; an empty list releases all.")
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True)
    expected_number = serializers.IntegerField(
        required=False, min_value=0, help_text="Refuse if the set has changed since it was read with this number."
    )


class LockSetSerializer(serializers.Serializer[Any]):
    owner = serializers.CharField()
    name = serializers.CharField()
    number = serializers.IntegerField(help_text="How often its content has changed.")
    changed_at = serializers.DateTimeField(allow_null=True)
    locks = LockSerializer(many=True)


class SetChangeSerializer(serializers.Serializer[Any]):
    owner = serializers.CharField()
    name = serializers.CharField()
    number = serializers.IntegerField()
    created = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of new locks.")
    changed = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of locks with another end or comment.")
    released = serializers.ListField(child=serializers.IntegerField())
    num_unchanged = serializers.IntegerField()
    too_late_for = serializers.ListField(child=serializers.CharField())


class MayViewOrAct(BasePermission):
    """Reading takes the view right; what is written is asked of the service, which knows whose lock it is."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method not in ("GET", "HEAD", "OPTIONS") or request.user.has_perm("inventory.view_lock")


class LockViewSet(ReadOnlyModelViewSet[Lock]):
    """Locks, released and expired ones included. A new one holds at once, also against plans that are frozen already."""

    queryset = Lock.objects.select_related("lock_set")
    serializer_class = LockSerializer
    filterset_class = LockFilterSet
    permission_classes = (IsAuthenticated, MayViewOrAct)
    token_scopes = {"preview": "read"}

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Give the serializer what the locks of a page hold, where that is asked for; one alone is as it is stored."""
        if self.action == "list" and self.request.query_params.get("holdings") in ("true", "True", "1"):
            kwargs["context"] = self.get_serializer_context() | {"holdings": holdings_of(args[0])}
        return super().get_serializer(*args, **kwargs)

    @extend_schema(request=LockRequestSerializer, responses={201: SavedLockSerializer})
    def create(self, request: Request) -> Response:
        """Make a lock. What a worker is deleting at this moment is named: it cannot be kept any more."""
        wanted = _valid(LockRequestSerializer, request)
        late: list[UnderWay] = []
        lock = lock_create(**wanted, source="api", actor=Actor.of(request.user), now=timezone.now(), tell_too_late=late.extend)
        return Response(_saved(lock, late), status=status.HTTP_201_CREATED)

    @extend_schema(request=LockChangeSerializer, responses=SavedLockSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Renew a lock, or give it another end or comment: one's own, or any with the right to change locks."""
        lock = _lock_or_404(pk)
        wanted = _valid(LockChangeSerializer, request)
        late: list[UnderWay] = []
        lock = lock_extend(lock_id=lock.pk, **wanted, actor=Actor.of(request.user), now=timezone.now(), tell_too_late=late.extend)
        return Response(_saved(lock, late))

    @extend_schema(request=None, responses={200: LockSerializer})
    def destroy(self, request: Request, pk: str) -> Response:
        """Release a lock; its row stays as history."""
        return _released(request, pk, "")

    @extend_schema(request=LockReleaseSerializer, responses=LockSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def release(self, request: Request, pk: str) -> Response:
        """Release a lock and say why."""
        return _released(request, pk, _valid(LockReleaseSerializer, request)["reason"])

    @extend_schema(responses=HoldingSerializer, filters=False)
    @action(detail=True, filterset_class=None, pagination_class=None, filter_backends=[])
    def holding(self, request: Request, pk: str) -> Response:
        """Count what the lock matches now."""
        lock = _lock_or_404(pk)
        return Response(HoldingSerializer(holdings_of([lock])[lock.pk]).data)

    @extend_schema(request=PatternsSerializer, responses=HoldingSerializer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def preview(self, request: Request) -> Response:
        """Count what a lock with these patterns would hold; nothing is locked."""
        if not request.user.has_perm("inventory.view_lock"):
            self.permission_denied(request)
        wanted = _valid(PatternsSerializer, request)
        (found,) = lock_holdings([_patterns(wanted)])
        return Response(HoldingSerializer(found).data)


class LockSetView(APIView):
    """All the locks that one owner keeps under one name; ``expected_number`` is their version."""

    if_match_required = False
    permission_classes = (IsAuthenticated, MayViewOrAct)

    @extend_schema(responses=LockSetSerializer, operation_id="inventory_lock_set_read")
    def get(self, request: Request, owner: str, name: str) -> Response:
        """Read the set; its released locks are history and not shown."""
        lock_set = LockSet.objects.filter(owner=owner, name=name).first()
        if lock_set is None:
            raise Http404(f"{owner} has no set of locks {name!r}.")
        locks = list(lock_set.locks.filter(released_at__isnull=True).select_related("lock_set").order_by("pk"))
        body = {
            "owner": owner,
            "name": name,
            "number": lock_set.number,
            "changed_at": lock_set.changed_at,
            "locks": locks,
        }
        return Response(LockSetSerializer(body).data)

    @extend_schema(request=LockSetRequestSerializer, responses=SetChangeSerializer, operation_id="inventory_lock_set_replace")
    def put(self, request: Request, owner: str, name: str) -> Response:
        """Replace the whole set in one transaction: the same request again changes nothing."""
        wanted = _valid(LockSetRequestSerializer, request)
        late: list[UnderWay] = []
        change = lock_set_replace(
            owner=owner,
            name=name,
            locks=[WantedLock(_patterns(one), one["comment"], one["expires_at"]) for one in wanted["locks"]],
            reason=wanted["reason"],
            expected_number=wanted.get("expected_number"),
            actor=Actor.of(request.user),
            now=timezone.now(),
            tell_too_late=late.extend,
        )
        return Response(SetChangeSerializer(_change_body(change, late)).data)


def _released(request: Request, pk: str, reason: str) -> Response:
    lock = _lock_or_404(pk)
    released = lock_release(lock_id=lock.pk, actor=Actor.of(request.user), now=timezone.now(), reason=reason)
    return Response(LockSerializer(released).data)


def _lock_or_404(pk: str) -> Lock:
    lock = Lock.objects.filter(pk=int(pk)).first() if pk.isascii() and pk.isdecimal() and len(pk) <= 18 else None
    if lock is None:
        raise Http404(f"There is no lock {pk}.")
    return lock


def _valid(kind: type[serializers.Serializer[Any]], request: Request) -> Any:
    asked = kind(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data


def _patterns(wanted: Mapping[str, Any]) -> Patterns:
    return Patterns(*(wanted[f"{what}_pattern"] for what in ("dataset", "block", "site", "group")))


def _saved(lock: Lock, late: Sequence[UnderWay]) -> Any:
    return SavedLockSerializer(lock, context={"holdings": holdings_of([lock]), "too_late": late}).data


def _change_body(change: SetChange, late: Sequence[UnderWay]) -> dict[str, Any]:
    return {
        "owner": change.lock_set.owner,
        "name": change.lock_set.name,
        "number": change.lock_set.number,
        "created": change.created,
        "changed": change.changed,
        "released": change.released,
        "num_unchanged": len(change.unchanged),
        "too_late_for": [str(one) for one in late[:_LATE_SHOWN]],
    }
