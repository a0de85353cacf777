"""Filters of what the site itself lists."""

from __future__ import annotations

import django_filters as filters

from dynamo_site.models import ApiToken


class TokenFilterSet(filters.FilterSet):
    user = filters.CharFilter("user__username")
    expires_before = filters.IsoDateTimeFilter("expiry", "lt")

    class Meta:
        model = ApiToken
        fields = ["user"]
