"""What happened to a dataset, through the API: composed of what the apps remember."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dynamo_site.stories import STORY_RIGHTS, StoryEvent, dataset_story
from inventory.selectors.datasets_overview import dataset_name


class StoryEventSerializer(serializers.Serializer[StoryEvent]):
    at = serializers.DateTimeField()
    kind = serializers.CharField(help_text="protected, kept, delete, deleted, ignored, or running for an act.")
    text = serializers.CharField()
    link = serializers.CharField(help_text="Page that shows it; may be empty.")


class DatasetHistoryView(APIView):
    """Events of a dataset, newest first: blocks, copies, acts, decisions of the last cycles, deletions."""

    permission_classes = (IsAuthenticated,)
    queryset: QuerySet[object] | None = None

    @extend_schema(responses=StoryEventSerializer(many=True), operation_id="inventory_datasets_history")
    def get(self, request: Request, pk: int) -> Response:
        missing = [right for right in STORY_RIGHTS if not request.user.has_perm(right)]
        if missing:
            raise PermissionDenied(f"The history of a dataset needs {', '.join(missing)}.")
        name = dataset_name(pk)
        if name is None:
            raise NotFound(f"There is no dataset {pk}.")
        return Response(StoryEventSerializer(dataset_story(name), many=True).data)
