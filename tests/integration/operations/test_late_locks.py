"""A lock that is taken after a plan was frozen protects, by whichever way it was taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from operations.models import Deletion
from operations.services.claim import claim
from operations.services.queue import plan_enqueue
from tests.factories.operations import EAGER, World
from tests.factories.screens import account

pytestmark = pytest.mark.django_db


def _by_api(client: Client) -> None:
    body = {"dataset_pattern": "/A/*", "block_pattern": "b00000"}
    assert client.post("/api/v1/inventory/locks/", body, content_type="application/json").status_code == 201


def _by_set(client: Client) -> None:
    body = {"locks": [{"dataset_pattern": "/A/*", "block_pattern": "b00000", "site_pattern": "T9_no_such_site"}]}
    address = "/api/v1/inventory/lock-sets/operators/mine/"
    assert client.put(address, body, content_type="application/json").json()["created"]


def _by_admin(client: Client) -> None:
    body = {"dataset_pattern": "/A/*", "block_pattern": "b00000", "site_pattern": "*", "group_pattern": "*", "owner": "operators"}
    answer = client.post("/admin/inventory/lock/add/", body)
    assert answer.status_code == 302, answer.content.decode()


def _by_command(client: Client) -> None:
    call_command("lock", "/A/*#b00000")


@pytest.mark.parametrize("lock", [_by_api, _by_set, _by_admin, _by_command])
def test_a_lock_after_the_plan_was_frozen_keeps_what_it_names(
    world: World, client: Client, lock: Callable[[Client], None]
) -> None:
    now = timezone.now()
    plan_enqueue(world.plan(world.two_copies(num_blocks=2)).pk, now=now)
    client.force_login(account("Operators"))
    lock(client)
    taken = claim(worker="w", now=timezone.now() + timedelta(seconds=1), limits=EAGER)
    assert taken is not None
    assert [item.deletion_id for item in taken.items] == [Deletion.objects.get(block_name="b00001").pk]
    kept = Deletion.objects.get(block_name="b00000")
    assert (kept.state, kept.reason) == ("DROPPED", "locked")
