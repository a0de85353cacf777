"""The page where a document is injected: what would change first, then just that."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from inventory.choices import InjectionState
from inventory.models import AuditEvent, Dataset, Injection
from inventory.services import injection_jobs
from inventory.services.injection_jobs import CONFIRMABLE_FOR, documents_sweep, injection_carry_out
from tests.factories.inventory import small_document

pytestmark = pytest.mark.django_db
URL = "/admin/inject/"


def client_of(name: str, *rights: str) -> Client:
    """Return the browser of somebody who may come to the admin, with these rights."""
    user = get_user_model().objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights, content_type__app_label="inventory"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client() -> Client:
    return client_of("olive", "add_injection", "add_site", "change_site")


def sent(client: Client, content: bytes = json.dumps(small_document()).encode(), name: str = "new.json", **fields: Any) -> str:
    """Send a document and return the address of what it would change."""
    answer = client.post(URL, {"document": SimpleUploadedFile(name, content), **fields})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def test_nothing_changes_before_it_is_confirmed_and_then_just_what_was_shown(client: Client) -> None:
    where = sent(client)
    page = client.get(where).content.decode()
    assert "This would change" in page
    assert re.findall(r"Make [^<]*", page) == ["Make 10 changes, 100 B at sites"]
    assert Dataset.objects.count() == 0
    done = client.post(where, {"confirm": "1"}, follow=True)
    assert "This was changed" in done.content.decode()
    assert Dataset.objects.get().size_bytes == 100
    assert AuditEvent.objects.get(action="inventory.inject").actor == "olive"
    assert client.post(where, {"confirm": "1"}).status_code == 409
    assert "All of it is there already" in client.get(sent(client)).content.decode()


def test_bad_records_are_shown_with_number_and_path_and_nothing_can_be_confirmed(client: Client) -> None:
    document = json.dumps({"site": [{"name": "S1"}, {"name": "S2", "status": "up"}]}).encode()
    where = sent(client, document)
    page = client.get(where).content.decode()
    assert "site[1].status" in page
    assert "Make" not in page
    assert client.post(where, {"confirm": "1"}).status_code == 409
    assert "Make 1 change<" in client.get(sent(client, document, skips_bad="1")).content.decode()


def test_what_is_pasted_may_be_a_table(client: Client) -> None:
    answer = client.post(URL, {"text": "name,storage_type\nS1,disk\nS2,mss\n"}, follow=True)
    assert "Make 2 changes" in answer.content.decode()
    assert client.post(URL, {"text": " "}).status_code == 409


def test_a_large_document_is_a_job_that_can_be_stopped(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection_jobs, "AT_ONCE_BYTES", 10)
    where = sent(client)
    assert "Waiting for a worker" in client.get(where).content.decode()
    client.post(where, {"cancel": "1"})
    assert Injection.objects.get().state == InjectionState.CANCELLED
    where = sent(client)
    injection_carry_out(injection_id=Injection.objects.latest("pk").pk)
    assert "Make 10 changes" in client.get(where).content.decode()
    assert "Waiting for a worker" in client.post(where, {"confirm": "1"}, follow=True).content.decode()


def test_without_the_right_there_is_no_page_and_others_documents_are_not_shown(client: Client) -> None:
    where = sent(client)
    assert client_of("nobody").get(URL).status_code == 403
    assert client_of("nobody2").get(where).status_code == 403
    assert client_of("peer", "add_injection").get(where).status_code == 404
    boss = client_of("boss", "add_injection", "change_injection", "view_injection").get(where)
    assert (boss.status_code, "Make 10 changes" in boss.content.decode()) == (200, True)
    reader = client_of("reader", "view_injection")
    shown = reader.get(f"/admin/inventory/injection/{Injection.objects.get().pk}/change/", follow=True).content.decode()
    assert ("This would change" in shown, "Make " in shown, "Another document" in shown) == (True, False, False)
    assert reader.post(where, {"confirm": "1"}).status_code == 403


def test_a_document_that_nobody_confirms_is_not_kept_for_ever(client: Client) -> None:
    sent(client)
    stored = Injection.objects.get().document
    assert documents_sweep(now=timezone.now()) == 0
    assert documents_sweep(now=timezone.now() + 2 * CONFIRMABLE_FOR) == 1
    assert not default_storage.exists(stored)
