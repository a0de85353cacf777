"""Who may do what with policies, cycles and plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from policies.models import Comparison, Cycle, Partition, Policy, Quota
from policies.services.comparisons import comparison_carry_out, comparison_request
from policies.services.policies import policy_create
from tests.factories.screens import ACTOR, TEXT, Screens
from tests.integration.api.expected import Expected, rights_below

POLICIES = "/api/v1/policies/policies/<int:pk>"
CYCLES = r"/api/v1/policies/cycles/(?P<pk>[^/.]+)"
COMPARISONS = "/api/v1/policies/comparisons/"


def other_policy(_: Screens) -> Policy:
    return policy_create(name="Other", partition_name="P", actor=ACTOR)


def comparison(_: Screens) -> Comparison:
    made = Comparison.objects.order_by("pk").first() or comparison_request(
        new_text=TEXT, old_text=TEXT, actor=ACTOR, now=timezone.now()
    )
    if not made.changes_file:
        comparison_carry_out(comparison_id=made.pk)
    return made


def other_comparison(_: Screens) -> Comparison:
    return comparison_request(new_text=TEXT, old_text=TEXT, actor=ACTOR, now=timezone.now())


def of_policy(screens: Screens) -> Mapping[str, Any]:
    return {"pk": screens.policy.pk}


def of_cycle(screens: Screens) -> Mapping[str, Any]:
    return {"pk": screens.cycle.pk}


def cycle(screens: Screens) -> Cycle:
    return screens.cycle


def other_cycle(screens: Screens) -> Cycle:
    return screens.test_run


QUOTAS = "/api/v1/policies/quotas/"
QUOTA = QUOTAS + "(?P<pk>[^/.]+)/"
STORAGE = "/api/v1/policies/storage/"
WANTED = {"partition": "P", "site": "T1_Full", "size": "20 TB"}


def of_quota(_: Screens) -> Mapping[str, Any]:
    return {"pk": Quota.objects.earliest("pk").pk}


def another_partition(_: Screens) -> Partition:
    return Partition.objects.get_or_create(name="Another", condition="site.storage_type == MSS")[0]


# Quotas, readings and previews are seen by a right in general; they are set by one on the partition.
OF_QUOTAS = (
    Expected("GET", QUOTAS, "policies.view_quota"),
    Expected("GET", QUOTA, "policies.view_quota", kwargs=of_quota),
    Expected("GET", QUOTA + "history/", "policies.view_quota", kwargs=of_quota),
    *(
        Expected(
            "POST",
            address,
            "policies.set_quota",
            body=lambda _, body=body: body,
            guarded=lambda screens: screens.partition,
            another=another_partition,
        )
        for address, body in ((QUOTAS, WANTED), (QUOTAS + "set-many/", {"quotas": [WANTED]}))
    ),
    Expected("POST", "/api/v1/policies/quota-previews/", "policies.view_cycle", 202, body=lambda _: {"quotas": [WANTED]}),
    Expected("GET", STORAGE, "policies.view_partition"),
    Expected("GET", STORAGE + "readings/", "policies.view_partition", query={"partition": "P"}),
)

PARTITION_LIMITS = "/api/v1/policies/partitions/<int:pk>/limits/"

#: The limits of one partition, which the right to change it opens, too.
OF_PARTITION_LIMITS = tuple(
    Expected(
        method,
        PARTITION_LIMITS,
        right,
        kwargs=lambda screens: {"pk": screens.partition.pk},
        body=body,
        guarded=lambda screens: screens.partition,
        another=another_partition,
    )
    for method, right, body in (
        ("GET", "policies.view_partition", None),
        ("PUT", "policies.change_partition", lambda _: {"max_site_fraction": 0.2, "max_partition_fraction": None}),
    )
)

EXPECTED = (
    *OF_QUOTAS,
    *OF_PARTITION_LIMITS,
    *rights_below(
        "/api/v1/policies/partitions/",
        "policies.change_partition",
        of=lambda _: Partition.objects.earliest("pk"),
        also="policies.view_partition",
    ),
    *rights_below(
        "/api/v1/policies/policies/",
        "policies.change_policy",
        of=lambda _: Policy.objects.earliest("pk"),
        also="policies.view_policy",
    ),
    Expected("POST", "/api/v1/policies/check/", None, body=lambda _: {"text": TEXT}),
    Expected("POST", "/api/v1/policies/expectations/check/", None, body=lambda _: {"text": ""}),
    Expected("POST", "/api/v1/policies/test-runs/", "policies.view_cycle", 202, body=lambda _: {"text": TEXT}),
    Expected("POST", COMPARISONS, "policies.view_cycle", 202, body=lambda _: {"text": TEXT, "old_text": TEXT}),
    Expected(
        "GET",
        COMPARISONS + r"(?P<pk>[^/.]+)/changes/",
        "policies.view_comparison",
        kwargs=lambda screens: {"pk": comparison(screens).pk},
        guarded=comparison,
        another=other_comparison,
    ),
    Expected("GET", CYCLES + "/decisions/", "policies.view_cycle", kwargs=of_cycle, guarded=cycle, another=other_cycle),
    Expected(
        "GET",
        CYCLES + "/explain/",
        "policies.view_cycle",
        kwargs=of_cycle,
        query={"dataset": "/Keep/A-v1/RAW", "site": "T1_Full"},
        guarded=cycle,
        another=other_cycle,
    ),
    Expected(
        "POST",
        POLICIES + "/versions/",
        "policies.change_policy",
        201,
        kwargs=of_policy,
        body=lambda _: {"text": TEXT},
        guarded=lambda screens: screens.policy,
        another=other_policy,
    ),
    Expected(
        "GET",
        POLICIES + "/expectations/",
        "policies.view_policy",
        kwargs=of_policy,
        guarded=lambda screens: screens.policy,
        another=other_policy,
    ),
    Expected(
        "PUT",
        POLICIES + "/expectations/",
        "policies.change_policy",
        kwargs=of_policy,
        body=lambda _: {"text": ""},
        guarded=lambda screens: screens.policy,
        another=other_policy,
    ),
)
