"""Filters of what the site itself lists."""

from __future__ import annotations

import django_filters as filters

from dynamo_site.models import ApiToken
from inventory.selectors.moments import MomentFilter


class TokenFilterSet(filters.FilterSet):
    user = filters.CharFilter("user__username")
    expires_before = MomentFilter("expiry", "lt")

    class Meta:
        model = ApiToken
        fields = ["user"]
