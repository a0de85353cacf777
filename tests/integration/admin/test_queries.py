"""How many queries a page takes does not depend on how many rows lie behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from tests.factories.screens import account, make_screens

PAGES = [
    *(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        for model in sorted(admin.site._registry, key=lambda model: model._meta.label)
        if model._meta.app_label in ("inventory", "policies", "operations")
    ),
    "admin:index",
]


def _counts(client: Client) -> dict[str, int]:
    client.get(reverse("admin:index"))  # content types and the session are read once
    counts = {}
    for page in PAGES:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(page)).status_code == 200
        counts[page] = len(queries)
    return counts


@pytest.mark.django_db
def test_lists_take_as_many_queries_for_two_pages_as_for_three(client: Client, settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.DYNAMO_MAX_SITE_FRACTION = 0.01
    found = []
    for num_datasets in (55, 110):  # more than a page of each list
        with transaction.atomic():
            make_screens(num_datasets=num_datasets)
            client.force_login(account("Operators"))
            found.append(_counts(client))
            transaction.set_rollback(True)
    assert found[0] == found[1]
    # The front page gathers what all the others are about.
    assert found[0].pop("admin:index") < 60
    assert max(found[0].values()) < 20
