"""What workers read of block replicas and do to them; pausing of sites."""

from __future__ import annotations

import pytest
from django.db import transaction

from inventory.exceptions import InvalidTransition, NotFound
from inventory.models import AuditEvent, BlockReplica, DatasetReplica, EnforcedReplica, PresentFile
from inventory.selectors.replicas import FileRow, block_replicas_by_key, files_of_block_replicas, other_complete_copies
from inventory.selectors.sites import site_storage
from inventory.services.audit import Actor
from inventory.services.replicas import block_replicas_hand_over, block_replicas_remove
from inventory.services.sites import site_pause, site_resume
from tests.factories.inventory import BlockFactory, BlockReplicaFactory, FileFactory, GroupFactory, SiteFactory

pytestmark = pytest.mark.django_db
ACTOR = Actor("tester")


def test_a_row_tells_who_has_what_and_whether_all_of_it() -> None:
    complete = BlockReplicaFactory(group=GroupFactory(name="DataOps"))
    partial = BlockReplicaFactory(block=complete.block, num_files=1)
    rows = block_replicas_by_key([complete.pk, partial.pk, 4711])
    assert set(rows) == {complete.pk, partial.pk}
    row = rows[complete.pk]
    assert (row.dataset, row.block, row.site) == (complete.block.dataset.name, complete.block.name, complete.site.name)
    assert (row.group, row.size_bytes, row.num_files, row.is_complete) == ("DataOps", 100, 2, True)
    assert (rows[partial.pk].group, rows[partial.pk].is_complete) == (None, False)


def test_a_complete_replica_has_all_files_and_an_incomplete_one_those_recorded() -> None:
    block = BlockFactory()
    first, second = FileFactory(block=block, lfn="/a"), FileFactory(block=block, lfn="/b", checksum="adler32:00000001")
    complete = BlockReplicaFactory(block=block)
    partial = BlockReplicaFactory(block=block, size_bytes=50, num_files=1)
    empty = BlockReplicaFactory(block=block, size_bytes=0, num_files=0)
    unlisted = BlockReplicaFactory(block=block, size_bytes=50, num_files=1)
    PresentFile.objects.create(block_replica=partial, file=second)
    files = files_of_block_replicas([complete.pk, partial.pk, empty.pk, unlisted.pk, 4711])
    everything = (FileRow(first.lfn, 50, ""), FileRow(second.lfn, 50, "adler32:00000001"))
    assert files == {
        complete.pk: everything,
        partial.pk: everything[1:],
        empty.pk: (),
        unlisted.pk: everything,
    }


def test_only_complete_copies_at_other_sites_count() -> None:
    block = BlockFactory()
    one, other = BlockReplicaFactory(block=block), BlockReplicaFactory(block=block)
    partial = BlockReplicaFactory(block=block, num_files=1)
    alone = BlockReplicaFactory()
    keys = [one.pk, other.pk, partial.pk, alone.pk]
    assert other_complete_copies(keys) == {one.pk: 1, other.pk: 1, partial.pk: 2, alone.pk: 0}


def test_removing_the_last_block_replica_removes_a_dataset_replica_that_does_not_grow() -> None:
    block = BlockFactory()
    site = SiteFactory()
    first = BlockReplicaFactory(block=block, site=site)
    second = BlockReplicaFactory(block=BlockFactory(dataset=block.dataset), site=site)
    PresentFile.objects.create(block_replica=first, file=FileFactory(block=block))
    EnforcedReplica.objects.create(dataset_replica=first.dataset_replica)
    with transaction.atomic():
        assert block_replicas_remove(keys=[first.pk]) == 1
    assert DatasetReplica.objects.count() == 1
    with transaction.atomic():
        assert block_replicas_remove(keys=[first.pk, second.pk]) == 1
    assert (DatasetReplica.objects.count(), BlockReplica.objects.count(), EnforcedReplica.objects.count()) == (0, 0, 0)


def test_a_growing_dataset_replica_stays_when_it_is_empty() -> None:
    part = BlockReplicaFactory()
    DatasetReplica.objects.update(is_growing=True)
    with transaction.atomic():
        block_replicas_remove(keys=[part.pk])
    assert DatasetReplica.objects.count() == 1


def test_handing_over_changes_the_owner_of_these_block_replicas_alone() -> None:
    group = GroupFactory(name="DataOps")
    given, kept, already = BlockReplicaFactory(), BlockReplicaFactory(), BlockReplicaFactory(group=group)
    with transaction.atomic():
        assert block_replicas_hand_over(keys=[given.pk, already.pk], group_name="DataOps") == 1
    assert set(BlockReplica.objects.filter(group=group).values_list("pk", flat=True)) == {given.pk, already.pk}
    assert BlockReplica.objects.get(pk=kept.pk).group is None
    with pytest.raises(NotFound, match="no group is called 'Nobody'"), transaction.atomic():
        block_replicas_hand_over(keys=[given.pk], group_name="Nobody")


@pytest.mark.django_db(transaction=True)
def test_block_replicas_change_only_inside_a_transaction() -> None:
    part = BlockReplicaFactory()
    with pytest.raises(transaction.TransactionManagementError):
        block_replicas_remove(keys=[part.pk])
    assert BlockReplica.objects.count() == 1


def test_a_site_is_paused_once_and_resumed_once_with_an_event_each() -> None:
    SiteFactory(name="T2_US_MIT", endpoint_url="file:///data", lfn_rules=[{"pattern": "^/store", "replacement": "/x"}])
    site_pause(site_name="T2_US_MIT", actor=ACTOR, reason="disk errors")
    storage = site_storage(["T2_US_MIT", "T2_Unknown"])
    assert set(storage) == {"T2_US_MIT"}
    site = storage["T2_US_MIT"]
    assert (site.is_paused, site.paused_reason, site.endpoint_url) == (True, "disk errors", "file:///data")
    assert [(rule.pattern, rule.replacement) for rule in site.lfn_rules] == [("^/store", "/x")]
    with pytest.raises(InvalidTransition, match="paused already"):
        site_pause(site_name="T2_US_MIT", actor=ACTOR, reason="again")
    site_resume(site_name="T2_US_MIT", actor=ACTOR, reason="mended")
    with pytest.raises(InvalidTransition, match="not paused"):
        site_resume(site_name="T2_US_MIT", actor=ACTOR, reason="")
    with pytest.raises(NotFound):
        site_pause(site_name="T9", actor=ACTOR, reason="")
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        "inventory.site_pause",
        "inventory.site_resume",
    ]
