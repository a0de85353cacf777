"""What a site may hold at most, over all partitions."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Min, Sum

from policies.models import Quota


def quota_bytes_of_sites(site_names: Sequence[str]) -> dict[str, int]:
    """Return the sum of the quotas of each site; sites without any, and those with an unlimited one, are absent."""
    quotas = Quota.objects.filter(site__name__in=site_names).order_by().values_list("site__name")
    return {name: total for name, total, least in quotas.annotate(total=Sum("size_bytes"), least=Min("size_bytes")) if least >= 0}
