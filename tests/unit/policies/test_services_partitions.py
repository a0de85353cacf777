"""Definitions and quotas of partitions, in whichever order they come."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from guardian.shortcuts import assign_perm

from inventory.services.audit import Actor, audit_verify
from policies.exceptions import PartitionInvalidError, PartitionUnknownError, PolicyInvalidError
from policies.models import Partition, Quota, WaitingQuota
from policies.selectors.partitions import partition_scope, related_partition_ids
from policies.services.injected_quotas import quotas_inject
from policies.services.partitions import ChangeKind, partition_define, partitions_load, quota_set
from tests.factories.inventories import document, site
from tests.factories.policies import ACTOR, CLOCK, store

pytestmark = pytest.mark.django_db


def anything(_: str, __: object) -> str:
    """Lack no right."""
    return ""


FILE = "A: blockreplica.owner == AnalysisOps\nD: blockreplica.owner == DataOps\nAD: [A, D]\n"


@pytest.fixture(autouse=True)
def _sites() -> None:
    store(document([site("S1"), site("S2")], [], [], quotas={}))


def load(text: str = FILE, **more: bool) -> dict[str, ChangeKind]:
    return {change.name: change.kind for change in partitions_load(text=text, file_name="p.txt", actor=ACTOR, **more)}


def quota(partition: str, size_bytes: int, at: str = "S1") -> Quota:
    return quota_set(partition_name=partition, site_name=at, size_bytes=size_bytes, actor=ACTOR)


def test_loading_a_file_again_changes_nothing() -> None:
    assert set(load().values()) == {ChangeKind.CREATED}
    assert set(load().values()) == {ChangeKind.UNCHANGED}
    assert audit_verify() is None


def test_a_dry_run_tells_what_would_change_and_changes_nothing() -> None:
    load()
    changed = FILE.replace("== DataOps", "!= DataOps") + "N: site.name == *\n"
    assert load(changed, is_dry_run=True) == {
        "A": ChangeKind.UNCHANGED,
        "AD": ChangeKind.UNCHANGED,
        "D": ChangeKind.CHANGED,
        "N": ChangeKind.CREATED,
    }
    assert Partition.objects.get(name="D").condition == "blockreplica.owner == DataOps"
    assert not Partition.objects.filter(name="N").exists()


def test_a_file_with_an_error_changes_nothing_at_all() -> None:
    with pytest.raises(PolicyInvalidError, match=r"p\.txt has 1 error"):
        load("A: blockreplica.owner == X\nB: blockreplica.ownr == Y\n")
    assert not Partition.objects.exists()


def test_partitions_that_the_file_does_not_name_stay() -> None:
    load()
    assert load("N: site.name == *\n")["A"] is ChangeKind.NOT_IN_FILE
    assert Partition.objects.filter(name="A").exists()


def test_the_quota_of_a_superpartition_is_the_sum_of_its_parts() -> None:
    load()
    quota("A", 100)
    quota("D", 30)
    quota("D", 5, at="S2")
    scope = partition_scope("AD")
    assert scope.quotas == {"S1": 130, "S2": 5}
    assert scope.leaves == ("A", "D")


def test_a_superpartition_takes_no_quota_of_its_own() -> None:
    load()
    with pytest.raises(PartitionInvalidError, match="its quota is the sum of theirs"):
        quota("AD", 100)


def test_a_part_of_a_superpartition_cannot_become_unlimited() -> None:
    load()
    with pytest.raises(PartitionInvalidError, match="A is a part of AD"):
        quota("A", -1)


def test_a_partition_with_quotas_cannot_become_a_superpartition() -> None:
    load("A: site.name == *\nD: site.name == S*\nAD: site.name == T*\n")
    quota("AD", 100)
    with pytest.raises(PartitionInvalidError, match="AD has quotas of its own"):
        load()
    assert Partition.objects.get(name="AD").condition == "site.name == T*"


def test_an_unlimited_partition_cannot_become_a_part() -> None:
    load("A: site.name == *\n")
    quota("A", -1)
    with pytest.raises(PartitionInvalidError, match="A is unlimited at S1"):
        load()


def test_a_quota_waits_for_its_partition_and_is_adopted() -> None:
    bodies = [{"site": "S1", "partition": "A", "quota": 7}, {"site": "S2", "partition": "A", "quota": 8}]
    assert [str(found) for found in quotas_inject(bodies, now=CLOCK, lacks=anything)] == ["created", "created"]
    assert [str(found) for found in quotas_inject(bodies, now=CLOCK, lacks=anything)] == ["unchanged", "unchanged"]
    load()
    assert partition_scope("A").quotas == {"S1": 7, "S2": 8}
    assert not WaitingQuota.objects.exists()


def test_a_quota_that_waited_for_what_became_a_superpartition_is_refused() -> None:
    quotas_inject([{"site": "S1", "partition": "AD", "quota": 7}], now=CLOCK, lacks=anything)
    with pytest.raises(PartitionInvalidError, match="AD has quotas of its own"):
        load()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"site": "S1", "partition": "A"}, "quota"),
        ({"site": "S9", "partition": "A", "quota": 1}, "site"),
        ({"site": "S1", "partition": "A", "quota": "1 TB"}, "quota"),
        ({"site": "S1", "partition": "A", "quota": True}, "quota"),
        ({"site": "S1", "partition": "A", "quota": 1, "qouta": 2}, "qouta"),
        ({"site": "S1", "partition": "AD", "quota": 1}, "quota"),
        ({"site": "S1", "partition": "A", "quota": -1}, "quota"),
    ],
)
def test_a_wrong_quota_record_is_left_out_with_its_field(body: dict[str, object], path: str) -> None:
    load()
    (problem,) = quotas_inject([body], now=CLOCK, lacks=anything)
    assert getattr(problem, "path", None) == path
    assert not Quota.objects.exists()


def test_a_part_must_exist() -> None:
    with pytest.raises(PartitionUnknownError, match="there is no partition 'X'"):
        partition_define(name="U", parts=["X"], actor=ACTOR)


def test_a_definition_in_a_circle_is_refused_and_rolled_back() -> None:
    load("A: site.name == *\nB: [A]\n")
    with pytest.raises(PartitionInvalidError, match="is a part of itself"):
        partition_define(name="A", parts=["B"], actor=ACTOR)
    assert Partition.objects.get(name="A").condition == "site.name == *"


def test_partitions_that_share_a_part_are_related() -> None:
    load(FILE + "N: site.name == *\n")
    names = Partition.objects.in_bulk(related_partition_ids(Partition.objects.get(name="A")))
    assert {partition.name for partition in names.values()} == {"A", "AD"}


def test_only_who_may_set_quotas_sets_them() -> None:
    load()
    user = get_user_model().objects.create_user("eve")
    ask = {"partition_name": "A", "site_name": "S1", "size_bytes": 5, "actor": Actor.of(user)}
    with pytest.raises(PermissionDenied, match=r"lacks the right 'policies\.set_quota' on partition A"):
        quota_set(**ask)
    assign_perm("policies.set_quota", user, Partition.objects.get(name="A"))
    fresh = get_user_model().objects.get(pk=user.pk)
    assert quota_set(**ask | {"actor": Actor.of(fresh)}).size_bytes == 5
