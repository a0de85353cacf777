"""Lists of the API: orders, pages, downloads, and what belongs to one dataset."""

from __future__ import annotations

import io

import polars as pl
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory.models import Dataset
from tests.factories.inventory import BlockFactory, BlockReplicaFactory, DatasetFactory, SiteFactory
from tests.integration.api.test_reading import client_of

pytestmark = pytest.mark.django_db
DATASETS = "/api/v1/inventory/datasets/"


@pytest.fixture
def client() -> Client:
    user = User.objects.create_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return client_of(user)


def test_datasets_come_in_the_order_asked_for(client: Client) -> None:
    for number, name in enumerate(("/b", "/c", "/a")):
        DatasetFactory(name=name, size_bytes=number)
    by_name = client.get(DATASETS, {"ordering": "-name", "page_size": 2}).json()
    assert [row["name"] for row in by_name["results"]] == ["/c", "/b"]
    assert [row["name"] for row in client.get(by_name["next"]).json()["results"]] == ["/a"]
    assert [row["name"] for row in client.get(DATASETS, {"ordering": "size_bytes"}).json()["results"]] == ["/b", "/c", "/a"]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"ordering": "status"}, "ordering"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "1001"}, "page_size"),
        ({"page_size": "ten"}, "page_size"),
        ({"min_size": "large"}, "min_size"),
        ({"is_locked": "perhaps"}, "is_locked"),
    ],
)
def test_bad_parameters_are_named(client: Client, parameters: dict[str, str], field: str) -> None:
    answer = client.get(DATASETS, parameters)
    assert answer.status_code == 400
    assert set(answer.json()["details"]) == {field}


def test_a_cursor_that_is_none_is_refused(client: Client) -> None:
    answer = client.get(DATASETS, {"cursor": "nonsense"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


def test_a_filtered_list_comes_as_a_file(client: Client) -> None:
    for name in ("/A/x/RAW", "/B/x/AOD"):
        DatasetFactory(name=name)
    text = client.get(f"{DATASETS}export.csv/", {"tier": "RAW"}, headers={"Accept": "text/csv"})
    assert text["Content-Disposition"] == 'attachment; filename="datasets.csv"'
    lines = b"".join(text.streaming_content).decode().splitlines()
    assert lines[0].startswith("name,tier,status")
    assert [line.split(",")[:2] for line in lines[1:]] == [["/A/x/RAW", "RAW"]]
    parquet = client.get(f"{DATASETS}export.parquet/", {"tier": "A*"})
    assert pl.read_parquet(io.BytesIO(b"".join(parquet.streaming_content)))["name"].to_list() == ["/B/x/AOD"]
    refused = client.get(f"{DATASETS}export.csv/", {"teir": "RAW"})
    assert refused.status_code == 400
    assert "did you mean tier" in refused.json()["details"]["teir"]["message"]


@pytest.mark.parametrize("address", ["export.csv/", "export.parquet/", "1/copies/", "1/blocks/"])
def test_what_belongs_to_datasets_needs_the_permission_on_datasets(address: str) -> None:
    user = User.objects.create_user("other")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_site", "view_block"]))
    assert client_of(user).get(DATASETS + address).status_code == 403
    assert Client().get(DATASETS + address).status_code == 401


def test_a_dataset_says_where_it_is_block_by_block_in_as_many_queries_for_many_blocks(client: Client) -> None:
    sites = [SiteFactory(name=name) for name in ("S1", "S2")]
    dataset = DatasetFactory(num_blocks=12, size_bytes=1200)
    client.get(f"{DATASETS}{dataset.pk}/blocks/")  # the first use of a token is written down
    counts = []
    for first, last in ((0, 3), (3, 12)):
        for number in range(first, last):
            block = BlockFactory(dataset=dataset, name=f"b{number:02d}")
            BlockReplicaFactory(block=block, site=sites[0])
            BlockReplicaFactory(block=block, site=sites[1], size_bytes=50, num_files=1)
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"{DATASETS}{dataset.pk}/blocks/", {"page_size": 20}).json()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert len(page["results"]) == 12
    assert [(r["site"], r["is_complete"]) for r in page["results"][0]["replicas"]] == [("S1", True), ("S2", False)]
    copies = client.get(f"{DATASETS}{dataset.pk}/copies/").json()
    assert [(c["site"], c["size_bytes"], c["is_complete"]) for c in copies] == [("S1", 1200, True), ("S2", 600, False)]
    assert client.get(f"{DATASETS}{Dataset.objects.count() + 999}/copies/").status_code == 404
