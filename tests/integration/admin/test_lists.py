"""Lists of the admin: filters, pages, sizes in words, downloads, empty states."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from inventory.choices import FactFeedName
from inventory.models import FactFeed
from tests.factories.inventory import BlockReplicaFactory, DatasetFactory
from tests.factories.screens import account

pytestmark = pytest.mark.django_db
DATASETS = "/admin/inventory/dataset/"


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(account("Operators"))
    return client


def page(client: Client, address: str = DATASETS, **parameters: str) -> str:
    answer = client.get(address, parameters)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_table_says_what_to_do_first_and_an_empty_answer_that_nothing_fits(operator: Client) -> None:
    assert "manage.py inject FILE" in page(operator)
    DatasetFactory()
    assert "Nothing fits." in page(operator, name="/nothing/*")


def test_filters_of_the_api_are_those_of_the_list(operator: Client) -> None:
    for name in ("/A/x/RAW", "/B/x/AOD"):
        DatasetFactory(name=name)
    shown = page(operator, tier="RAW", q="A")
    assert "/A/x/RAW" in shown
    assert "/B/x/AOD" not in shown
    assert "<b>1 dataset</b>" in shown
    assert "invalid name" not in shown
    assert "wildcard</" not in shown
    assert ">tier<input" in shown
    assert "export/?tier=RAW&amp;q=A&amp;format=csv" in shown


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"teir": "RAW"}, "There is no filter called “teir”"),
        ({"min_size": "5 XB"}, "expected bytes or a number with one of the units"),
        ({"is_complete": "maybe"}, "expected true or false"),
    ],
)
def test_a_bad_filter_shows_nothing_and_says_why(operator: Client, parameters: dict[str, str], said: str) -> None:
    DatasetFactory(name="/A/x/RAW")
    shown = page(operator, **parameters)
    assert said in shown
    assert "/A/x/RAW" not in shown
    answer = operator.get(f"{DATASETS}export/", {**parameters, "format": "csv"})
    assert answer.status_code == 302


def test_pages_lead_on_and_back(operator: Client) -> None:
    for number in range(120):
        DatasetFactory(name=f"/{number:03d}/x/RAW")
    seen = []
    address = DATASETS
    for _ in range(3):
        listing = operator.get(address).context["cl"]
        seen += [row.name for row in listing.result_list]
        address = DATASETS + listing.paginator.next_url
    assert seen == [f"/{number:03d}/x/RAW" for number in range(120)]
    assert listing.paginator.next_url == ""
    back = operator.get(DATASETS + listing.paginator.previous_url).context["cl"]
    assert [row.name for row in back.result_list] == seen[50:100]
    assert "leads to no page" in page(operator, mark="nonsense")


def test_a_list_is_ordered_by_indexed_columns_alone(operator: Client) -> None:
    for number in range(3):
        DatasetFactory(name=f"/{number}", size_bytes=-number % 3)
    by_size = operator.get(DATASETS, {"o": "-1"}).context["cl"]
    assert [row.name for row in by_size.result_list] == ["/1", "/2", "/0"]
    by_copies = operator.get(DATASETS, {"o": "2"}).context["cl"]
    assert [row.name for row in by_copies.result_list] == ["/0", "/1", "/2"], "by name, as if no order were asked for"


@pytest.mark.parametrize(("file_format", "starts"), [("csv", b"dataset,block,site"), ("parquet", b"PAR1")])
def test_a_list_is_downloaded(operator: Client, file_format: str, starts: bytes) -> None:
    BlockReplicaFactory()
    answer = operator.get("/admin/inventory/blockreplica/export/", {"format": file_format})
    assert b"".join(answer.streaming_content).startswith(starts)
    assert f".{file_format}" in answer["Content-Disposition"]


def test_a_download_needs_the_right_to_look(client: Client) -> None:
    client.force_login(account(None))
    assert client.get("/admin/inventory/blockreplica/export/", {"format": "csv"}).status_code == 403


def test_a_format_that_is_none_sends_nothing(operator: Client) -> None:
    DatasetFactory()
    answer = operator.get(f"{DATASETS}export/", {"format": "xlsx"}, follow=True)
    assert "expected one of csv, parquet" in answer.content.decode()


def test_the_form_of_a_feed_says_how_its_limit_is_written(operator: Client) -> None:
    feed = FactFeed.objects.create(name=FactFeedName.POPULARITY)
    form = operator.get(f"/admin/inventory/factfeed/{feed.pk}/change/").content.decode()
    assert "Days and hours:minutes:seconds, as 2 00:00:00 for 2 days." in form


def test_a_list_says_never_where_a_fresh_feed_knows_of_no_access_and_unknown_where_none_is_fresh(operator: Client) -> None:
    DatasetFactory()
    assert ">unknown</span>" in page(operator)
    FactFeed.objects.create(name=FactFeedName.POPULARITY, measured_at=timezone.now())
    assert re.search(r"field-last_access[^>]*>\s*never\s*<", page(operator))
