"""Filters of lists; unknown parameters are refused (``dynamo_site.api.filters``)."""

from __future__ import annotations

import django_filters

from campaigns.choices import CampaignState, ExceptionState
from campaigns.models import Campaign, ExceptionRequest, Notice


class CampaignFilterSet(django_filters.FilterSet):
    partition = django_filters.CharFilter(field_name="partition__name")
    state = django_filters.ChoiceFilter(choices=CampaignState.choices)

    class Meta:
        model = Campaign
        fields = ["partition", "state"]


class ExceptionFilterSet(django_filters.FilterSet):
    group = django_filters.CharFilter(field_name="group_name")
    state = django_filters.ChoiceFilter(choices=ExceptionState.choices)

    class Meta:
        model = ExceptionRequest
        fields = ["campaign", "group", "state"]


class NoticeFilterSet(django_filters.FilterSet):
    is_unread = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull")

    class Meta:
        model = Notice
        fields = ["campaign", "is_unread", "kind"]
