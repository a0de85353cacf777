"""The page of a dataset, its history, and the audit trail as people read it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dynamo_site.stories import dataset_story
from inventory.models import AuditEvent, Dataset
from inventory.services.audit import Actor, audit_record, audit_verify_latest
from operations.models import Deletion
from tests.factories.inventory import BlockFactory, BlockReplicaFactory, DatasetFactory, SiteFactory
from tests.factories.screens import NASTY, Screens, account
from tests.integration.api.test_reading import client_of

pytestmark = pytest.mark.django_db


def test_a_history_names_copies_decisions_and_deletions_newest_first(screens: Screens) -> None:
    events = dataset_story("/Keep/A-v1/RAW")
    texts = [event.text for event in events]
    assert [event.at for event in events] == sorted((event.at for event in events), reverse=True)
    assert any(text.startswith("copied to T1_Full (complete") for text in texts)
    assert any(text.startswith(f"protected by the rule on line 5 in cycle {screens.cycle.pk}") for text in texts)
    deletion = Deletion.objects.get(pk=screens.deletion.pk)
    assert any("by plan" in event.text for event in dataset_story(deletion.dataset_name))


def test_acts_on_the_dataset_are_part_of_its_history(screens: Screens) -> None:
    audit_record(actor=Actor("asmith"), action="operations.dataset_invalidate", subject=NASTY, reason="bad calibration")
    assert "dataset invalidate by asmith: bad calibration" in [event.text for event in dataset_story(NASTY)]


def test_the_api_gives_the_same_history(screens: Screens) -> None:
    user = User.objects.create_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    dataset = Dataset.objects.get(name="/Keep/A-v1/RAW")
    address = f"/api/v1/inventory/datasets/{dataset.pk}/history/"
    answer = client_of(user).get(address).json()
    assert [event["text"] for event in answer] == [event.text for event in dataset_story(dataset.name)]
    assert client_of(user).get("/api/v1/inventory/datasets/999999/history/").status_code == 404
    assert Client().get(address).status_code == 401
    other = User.objects.create_user("other")
    other.user_permissions.set(Permission.objects.filter(codename="view_dataset"))
    assert client_of(other).get(address).status_code == 403


def test_the_page_of_a_dataset_shows_its_blocks_page_by_page(client: Client) -> None:
    dataset = DatasetFactory(num_blocks=45)
    site = SiteFactory(name="T2_Here")
    for number in range(45):
        block = BlockFactory(dataset=dataset, name=f"block{number:02d}")
        BlockReplicaFactory(block=block, site=site, num_files=1 if number == 30 else 2)
    client.force_login(account("Operators"))
    address = f"/admin/inventory/dataset/{dataset.pk}/change/"
    first = client.get(address)
    page = first.content.decode()
    assert "block00" in page
    assert "block20" not in page
    second = client.get(address, {"blocks": first.context["blocks"].next}).content.decode()
    assert "block20" in second
    assert "T2_Here 1/2" in second
    assert "leads to no page" in client.get(address, {"blocks": "nonsense"}).content.decode()


def test_the_page_of_a_dataset_takes_as_many_queries_for_many_blocks(client: Client) -> None:
    client.force_login(account("Operators"))
    site = SiteFactory()
    counts = []
    for number in (3, 15):
        dataset = DatasetFactory(num_blocks=number)
        for index in range(number):
            BlockReplicaFactory(block=BlockFactory(dataset=dataset, name=f"b{index}"), site=site)
        client.get(f"/admin/inventory/dataset/{dataset.pk}/change/")  # content types and the session are read once
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/admin/inventory/dataset/{dataset.pk}/change/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_audit_list_speaks_in_words_and_says_that_the_chain_is_intact(screens: Screens, client: Client) -> None:
    client.force_login(account("Auditors"))
    page = client.get("/admin/inventory/auditevent/").content.decode()
    assert "chain intact ✓" in page
    assert ">ran a cycle</span>" in page
    assert ">paused deletions at a site</span>" in page
    found = client.get("/admin/inventory/auditevent/", {"actor": "fact*", "subject": "site *"}).context["cl"]
    assert {event.action for event in found.result_list} == {"inventory.site_pause"}
    reason = AuditEvent.objects.exclude(reason="").values_list("reason", flat=True)[0]
    for term in (reason[1:6].upper(), f"{reason[:3]}*"):
        shown = client.get("/admin/inventory/auditevent/", {"q": term}).context["cl"]
        assert reason in {event.reason for event in shown.result_list}


def test_a_changed_event_is_seen_on_the_list(screens: Screens, client: Client) -> None:
    assert audit_verify_latest() is None
    event = AuditEvent.objects.order_by("-pk")[1]
    AuditEvent.objects.filter(pk=event.pk).update(reason="something else")
    broken = audit_verify_latest()
    assert broken is not None
    assert broken.event_id == event.pk
    client.force_login(account("Auditors"))
    assert "chain broken" in client.get("/admin/inventory/auditevent/").content.decode()


def test_a_removed_last_event_is_seen(screens: Screens) -> None:
    last = AuditEvent.objects.order_by("-pk").first()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inventory_audithead SET last_event_id = NULL")
        cursor.execute("DELETE FROM inventory_auditevent WHERE id = %s", [last.pk])
    broken = audit_verify_latest()
    assert broken is not None
    assert "the last ones were removed" in broken.problem
