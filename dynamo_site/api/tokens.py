"""Tokens by API: one's own, and those of others with the right to see, issue or revoke them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dynamo_site.api.filters import StrictFilterBackend
from dynamo_site.api.pagination import KeysetPagination
from dynamo_site.api.scopes import SCOPES, TOKENS_WRITE
from dynamo_site.filtersets import TokenFilterSet
from dynamo_site.models import ApiToken
from dynamo_site.services.tokens import ISSUE_FOR_OTHERS, MAX_DAYS, token_issue, token_revoke
from inventory.services.audit import Actor


class TokenRequestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100, help_text="What it is for.")
    scopes = serializers.ListField(child=serializers.ChoiceField(list(SCOPES)), min_length=1, max_length=len(SCOPES))
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=90, help_text="Until it expires.")
    user = serializers.CharField(max_length=150, required=False, help_text=f"Another's login; takes {ISSUE_FOR_OTHERS}.")


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    user = serializers.CharField(source="user.username", read_only=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(list(SCOPES)), read_only=True)

    class Meta:
        model = ApiToken
        fields = ["uid", "user", "name", "scopes", "created", "expiry", "issued_by", "last_used_at"]
        read_only_fields = fields


class IssuedTokenSerializer(TokenSerializer):
    token = serializers.SerializerMethodField(help_text="Its text, shown here and nowhere again.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_token(self, token: ApiToken) -> str:
        return str(self.context["text"])


class TokenPages(KeysetPagination):
    """Newest first."""

    ordering = "-created"


class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ApiToken]):
    """API tokens: one's own, and those of others with the right to view tokens."""

    queryset = ApiToken.objects.select_related("user")
    serializer_class = TokenSerializer
    filterset_class = TokenFilterSet
    filter_backends = (StrictFilterBackend,)
    pagination_class = TokenPages
    permission_classes = (IsAuthenticated,)
    lookup_field = "uid"
    lookup_value_converter = "uuid"
    answer_is_secret = True
    if_match_required = False  # a token that was lost is revoked at once
    token_scopes = {"create": TOKENS_WRITE, "destroy": TOKENS_WRITE}

    def get_queryset(self) -> QuerySet[ApiToken]:
        rows = super().get_queryset()
        user = self.request.user
        return rows if user.has_perm("dynamo_site.view_apitoken") else rows.filter(user_id=user.pk)

    @extend_schema(request=TokenRequestSerializer, responses={201: IssuedTokenSerializer})
    def create(self, request: Request) -> Response:
        """Issue a token. With a token, no further scope than it opens, and no longer than it lives."""
        asked = TokenRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        owner = request.user
        if "user" in wanted:
            owner = get_user_model().objects.filter(username=wanted["user"]).first()
            if owner is None:
                raise NotFound(f"There is no user {wanted['user']}.")
        token, text = token_issue(
            owner=owner,
            name=wanted["name"],
            scopes=wanted["scopes"],
            days=wanted["days"],
            actor=Actor.of(request.user),
            by=request.auth if isinstance(request.auth, ApiToken) else None,
        )
        return Response(IssuedTokenSerializer(token, context={"text": text}).data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[OpenApiParameter("reason", str, description="Why, for the audit trail.")], responses={204: None})
    def destroy(self, request: Request, uid: str) -> Response:
        """Revoke a token, at once and for good."""
        token_revoke(token=self.get_object(), actor=Actor.of(request.user), reason=request.query_params.get("reason", ""))
        return Response(status=status.HTTP_204_NO_CONTENT)
