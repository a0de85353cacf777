"""The API below an object that lists the rights given on it, and gives and takes them; the same service as the admin's pages."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.permissions import may
from inventory.services.audit import Actor
from inventory.services.object_rights import holders_of, object_rights_set, rights_of_kind, rights_offered

#: Whoever may look into guardian's own rows may read them here, too.
VIEW_RIGHTS = "guardian.view_userobjectpermission"


class HolderSerializer(serializers.Serializer[Any]):
    account = serializers.CharField(allow_null=True, help_text="Null for a group.")
    group = serializers.CharField(allow_null=True, help_text="Null for an account.")
    rights = serializers.ListField(child=serializers.CharField(), help_text="Code names, as approve_campaign.")


class RightsRequestSerializer(serializers.Serializer[Any]):
    account = serializers.CharField(max_length=150, required=False, help_text="Login; this or a group.")
    group = serializers.CharField(max_length=150, required=False, help_text="Group of accounts; this or an account.")
    rights = serializers.ListField(
        child=serializers.CharField(max_length=100),
        max_length=100,
        help_text="All that the holder is to have on the object, of those that you may give; empty takes them back.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("account" in attrs) == ("group" in attrs):
            raise serializers.ValidationError("expected either an account or a group: name one of the two")
        return attrs


class RightsMixin:
    """Adds ``rights/`` below each object of a view set: for who may give rights on it."""

    def rights_to_give(self, user: Any) -> frozenset[str]:
        """Return the rights (code names) that *user* may give and take on objects of this kind."""
        return rights_offered(self._kind(), user)

    @extend_schema(responses=HolderSerializer(many=True), filters=False)
    @action(detail=True, permission_classes=[IsAuthenticated], pagination_class=None, filterset_class=None)
    def rights(self, request: Request, pk: str) -> Response:
        """Who was given which rights on the object, beside what roles give in general; for who may give some, and auditors."""
        subject = self._subject()
        if not may(request.user, VIEW_RIGHTS):
            self._demand_offered(request)
        return Response(self._holders(subject))

    @extend_schema(request=RightsRequestSerializer, responses=HolderSerializer(many=True))
    @rights.mapping.post
    def set_rights(self, request: Request, pk: str) -> Response:
        """Give an account or a group exactly these rights on the object; what you may not give stays as it is."""
        subject = self._subject()
        offered = self._demand_offered(request)
        asked = RightsRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = set(asked.validated_data["rights"])
        if unknown := sorted(wanted - set(rights_of_kind(self._kind()))):
            known = ", ".join(sorted(rights_of_kind(self._kind())))
            raise serializers.ValidationError({"rights": f"there is no right {unknown[0]!r} on this: expected some of {known}"})
        if beyond := sorted(wanted - offered):
            raise PermissionDenied(f"You may not give {', '.join(beyond)}: nobody hands out more than they have.")
        object_rights_set(
            subject=subject,
            holder=_holder(**{kind: asked.validated_data.get(kind) for kind in ("account", "group")}),
            codenames=wanted,
            among=offered,
            actor=Actor.of(request.user),  # type: ignore[arg-type] # a login is asked for
        )
        return Response(self._holders(subject))

    def _kind(self) -> type[Model]:
        return self.queryset.model  # type: ignore[attr-defined, no-any-return] # a mixin of view sets

    def _subject(self) -> Model:
        return self.get_object()  # type: ignore[attr-defined, no-any-return] # the same

    def _demand_offered(self, request: Request) -> frozenset[str]:
        offered = self.rights_to_give(request.user)
        if not offered:
            raise PermissionDenied(f"You may not give rights on a {self._kind()._meta.verbose_name}.")
        return offered

    def _holders(self, subject: Model) -> list[dict[str, Any]]:
        return [
            {"account": name if kind == "account" else None, "group": name if kind == "group" else None, "rights": names}
            for kind, name, names in holders_of(subject)
        ]


def _holder(*, account: str | None, group: str | None) -> Any:
    if account is not None:
        holder = get_user_model().objects.filter(username=account, is_active=True).first()
        problem = {"account": f"there is no active account {account!r}"}
    else:
        holder = Group.objects.filter(name=group).first()
        problem = {"group": f"there is no group of accounts {group!r}"}
    if holder is None:
        raise serializers.ValidationError(problem)
    return holder
