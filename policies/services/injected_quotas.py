"""Quotas out of an injected document: section ``sitepartition``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from inventory.ingest.rejects import Problem, closest, shown
from inventory.ingest.sections import Change, Lacks
from inventory.selectors.sites import site_storage
from policies.models import Partition, Quota, WaitingQuota
from policies.permissions import SET_QUOTA

_KEYS = ("site", "partition", "quota")
_MAX_BYTES = 2**63 - 1


def quotas_inject(bodies: Sequence[Mapping[str, Any]], *, now: datetime, lacks: Lacks) -> list[Change | Problem]:
    """Take records {site, partition, quota in bytes, -1 = unlimited}; a quota waits where its partition is not defined yet.

    What is to be another than it is takes the right to set quotas of the partition, of one that is not defined yet in general.
    Runs inside the injection's transaction; returns one outcome per record. *now* plays no part: quotas have no time.
    """
    del now
    sites = {name: site.key for name, site in site_storage().items()}
    partitions = {partition.name: partition for partition in Partition.objects.all()}
    # Asked once of each: a document may have thousands of records of a few partitions.
    lacking: dict[str, str] = {}

    def lacking_of(name: str) -> str:
        if name not in lacking:
            lacking[name] = lacks(SET_QUOTA, partitions.get(name) or Partition(name=name))
        return lacking[name]

    return [_take(body, sites, partitions, lacking_of) for body in bodies]


def _take(
    body: Mapping[str, Any],
    sites: Mapping[str, int],
    partitions: Mapping[str, Partition],
    lacking_of: Callable[[str], str],
) -> Change | Problem:
    problem = _shape_problem(body)
    if problem is not None:
        return problem
    site, name, size_bytes = (body[key] for key in _KEYS)
    if site not in sites:
        return Problem("site", shown(site), "the name of a site of the inventory", closest(site, sites))
    partition = partitions.get(name)
    row: Quota | WaitingQuota | None
    if partition is None:
        row = WaitingQuota.objects.filter(partition_name=name, site_id=sites[site]).first()
    else:
        # The compiler and NumPy, only where there are quotas: every command loads this module at its start.
        from policies.services.quotas import quota_problem  # noqa: PLC0415 - see above

        refused = quota_problem(partition, size_bytes)
        if refused is not None:
            return Problem("quota", shown(size_bytes), "a quota that the partition can have", refused)
        row = Quota.objects.filter(partition=partition, site_id=sites[site]).first()
    if row is not None and row.size_bytes == size_bytes:
        return Change.UNCHANGED
    if lacking := lacking_of(name):
        return Problem("quota", shown(size_bytes), f"no change: {lacking}", "let somebody inject it who may set the quota")
    if row is not None:
        row.size_bytes = size_bytes
        row.save(update_fields=["size_bytes"])
        return Change.CHANGED
    if partition is None:
        WaitingQuota.objects.create(partition_name=name, site_id=sites[site], size_bytes=size_bytes)
    else:
        Quota.objects.create(partition=partition, site_id=sites[site], size_bytes=size_bytes)
    return Change.CREATED


def _shape_problem(body: Mapping[str, Any]) -> Problem | None:
    for key in _KEYS:
        if key not in body:
            return Problem(key, "nothing", "site, partition and quota in every record")
    for key in ("site", "partition"):
        if not isinstance(body[key], str) or not 0 < len(body[key]) <= 64:
            return Problem(key, shown(body[key]), "a name of 1 to 64 characters")
    unknown = sorted(set(body) - set(_KEYS))
    if unknown:
        return Problem(unknown[0], "an unknown field", f"only {', '.join(_KEYS)}", closest(unknown[0], _KEYS))
    quota = body["quota"]
    if isinstance(quota, bool) or not isinstance(quota, int) or not -_MAX_BYTES <= quota <= _MAX_BYTES:
        return Problem("quota", shown(quota), "a whole number of bytes, -1 for unlimited")
    return None
