"""Enough storage? The worst first, a page at a time, found by name and by outlook, at the same number of queries."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import Site
from policies.models import Partition, Quota, StorageReading
from policies.selectors.storage import storage_rows

pytestmark = pytest.mark.django_db
URL = "/admin/storage/"
TB = 10**12
DAY = date(2026, 11, 20)


def reading(partition: Partition, site: str, **sizes: float | None) -> StorageReading:
    values = {"quota_bytes": 10 * TB, "used_bytes": TB, "protected_bytes": TB} | sizes
    return StorageReading(partition=partition, site_name=site, day=DAY, taken_at=timezone.now(), **values)


def fill(*, num_sites: int, num_partitions: int = 2) -> None:
    """Make partitions at sites of which each has as much protected as its number says, a few over the quota."""
    first = Site.objects.count()
    sites = [Site.objects.create(name=f"T2_Site_{first + number:03}") for number in range(num_sites)]
    for number in range(num_partitions):
        partition, _ = Partition.objects.get_or_create(name=f"P{number}", defaults={"condition": "dataset.name == *"})
        Quota.objects.bulk_create([Quota(partition=partition, site=site, size_bytes=10 * TB) for site in sites])
        StorageReading.objects.bulk_create(reading(partition, site.name) for site in sites)


def set_reading(partition: str, site: str, **values: float | None) -> None:
    StorageReading.objects.filter(partition__name=partition, site_name=site).update(**values)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def page_of(client: Client, query: str = "") -> str:
    answer = client.get(URL + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def rows_of(page: str) -> list[tuple[str, str]]:
    """Return partition and site of the rows, in their order."""
    return re.findall(r'<td><a href="\?partition=(\w+)&amp;site=(\w+)"><b>', page)


def grows(per_day: float) -> dict[str, float]:
    return {"growth_per_day": per_day, "growth_low": per_day / 2, "growth_high": per_day * 2}


def test_the_worst_come_first_by_how_much_they_are_over_and_then_by_when_they_will_be(client: Client) -> None:
    fill(num_sites=6)
    set_reading("P1", "T2_Site_001", protected_bytes=11 * TB, used_bytes=11 * TB)
    set_reading("P0", "T2_Site_002", protected_bytes=12 * TB, used_bytes=12 * TB)
    set_reading("P0", "T2_Site_003", **grows(TB))
    set_reading("P1", "T2_Site_004", **grows(TB / 100))
    set_reading("P1", "T2_Site_005", used_bytes=9 * TB)
    rows = [(row.partition, row.site) for row in storage_rows()]
    assert rows[:5] == [
        ("P0", "T2_Site_002"),
        ("P1", "T2_Site_001"),
        ("P0", "T2_Site_003"),
        ("P1", "T2_Site_004"),
        ("P1", "T2_Site_005"),
    ]
    page = page_of(client)
    assert rows_of(page) == rows
    assert "over the quota" in page
    first = re.findall(r'data-label="full first">.*?site=(\w+)"', page)
    assert first == ["T2_Site_002", "T2_Site_001"], "each partition with the site that is full first, the worst before"
    assert "/admin/policies/quota/grid/?site=T2_Site_002" in page


def test_a_page_has_some_rows_and_leads_to_all_others(client: Client) -> None:
    fill(num_sites=40)
    seen, query = [], ""
    for _ in range(10):
        page = page_of(client, query)
        assert 0 < len(rows_of(page)) <= 25
        seen += rows_of(page)
        following = re.search(r'href="(\?[^"]*page=\d+[^"]*)"[^>]*>Next', page)
        if following is None:
            break
        query = following[1].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 80
    assert "page 4 of 4" in page
    assert rows_of(page_of(client, "?page=99")) == rows_of(page)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("?q=site_01", 20),
        ("?q=T2_Site_*5", 8),
        ("?q=P1", 25),
        ("?q=t2_site_?07", 2),
        ("?q=nothing", 0),
        ("?outlook=over", 1),
        ("?outlook=soon", 1),
        ("?outlook=over&q=P1", 0),
        ("?partition=P1&outlook=unknown&q=site_00", 9),
    ],
)
def test_rows_are_found_by_name_and_by_outlook(client: Client, query: str, number: int) -> None:
    fill(num_sites=40)
    set_reading("P0", "T2_Site_002", protected_bytes=12 * TB)
    set_reading("P1", "T2_Site_003", **grows(TB))
    page = page_of(client, query)
    assert len(rows_of(page)) == number
    assert ("Nothing fits" in page) == (number == 0)


def test_the_filter_stays_on_the_next_page_and_a_wrong_one_is_named(client: Client) -> None:
    fill(num_sites=40)
    page = page_of(client, "?q=p1")
    (following,) = re.findall(r'href="(\?[^"]*)"[^>]*>Next', page)
    assert len(rows_of(page_of(client, following.replace("&amp;", "&")))) == 15
    page = page_of(client, "?outlook=bad")
    assert "there is no outlook &#x27;bad&#x27;" in page
    assert rows_of(page) == []


def test_the_page_asks_as_often_for_many_sites_as_for_few(client: Client) -> None:
    counts = []
    for number in (2, 60):
        fill(num_sites=number, num_partitions=4 if number == 60 else 1)
        page_of(client)
        with CaptureQueriesContext(connection) as queries:
            page_of(client)
        counts.append(len(queries))
    assert counts[0] == counts[1]
