"""Is there enough storage? Readings, the growth they show, when the quota is reached, and who is told."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from operations.models import Trash
from policies.choices import CycleKind
from policies.models import Partition, StorageReading
from policies.selectors.forecast import MIN_READINGS, Growth, Outlook, forecast, forecast_text, growth_of
from policies.selectors.storage import storage_rows
from policies.services.cycles import cycle_run
from policies.services.partitions import partition_define, quota_set
from policies.services.readings import readings_record
from policies.tasks import record_readings
from tests.factories.api import client_with
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.policies import ACTOR, define, store
from tests.factories.screens import account, make_screens

TEXT = """\
Partition P
On site.name == S1
When site.occupancy > 0.9
Until site.occupancy < 0.5
Protect dataset.name == /Keep/*
Dismiss
"""
STORAGE = "/api/v1/policies/storage/"


# -- growth and forecast -----------------------------------------------------------------------------------------------------


@given(slope=st.integers(-(10**12), 10**12), start=st.integers(0, 10**15), number=st.integers(MIN_READINGS, 40))
def test_growth_on_a_line_is_the_line_whatever_it_is(slope: int, start: int, number: int) -> None:
    days = [2.0 * day for day in range(number)]
    growth = growth_of(days, [start + slope * day for day in days])
    assert growth is not None
    assert growth.low <= growth.per_day <= growth.high
    assert growth.per_day == pytest.approx(slope, abs=1)


def test_one_bulk_injection_does_not_decide_the_growth() -> None:
    days = list(range(30))
    calm = [10.0 * day for day in days]
    calm[15] += 10_000
    growth = growth_of(days, calm)
    assert growth is not None
    assert growth.per_day == pytest.approx(10.0, rel=0.05)


def test_the_range_holds_the_true_growth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    days = np.arange(20.0)
    held = 0
    for _ in range(400):
        growth = growth_of(list(days), list(5 * days + rng.normal(0, 20, len(days))))
        assert growth is not None
        held += growth.low <= 5 <= growth.high
    assert 0.86 <= held / 400 <= 0.97


@pytest.mark.parametrize(("days", "sizes"), [([0, 1, 2, 3], [1, 2, 3, 4]), ([0, 1, 2, 3, 4], [1, 2, 3, 4, 5]), ([0], [1])])
def test_too_little_history_says_nothing(days: list[float], sizes: list[float]) -> None:
    assert growth_of(days, sizes) is None


@pytest.mark.parametrize(
    ("quota", "protected", "growth", "outlook", "text"),
    [
        (100, 40, Growth(3.0, 2.0, 4.0), Outlook.GROWING, "in about 3 weeks (2 to 4)"),
        (100, 40, Growth(3.0, -1.0, 4.0), Outlook.GROWING, "in about 3 weeks (2 to open)"),
        (100, 94, Growth(3.0, 2.0, 6.0), Outlook.GROWING, "in about 2 days (1 to 3)"),
        (100, 100, Growth(3.0, 2.0, 6.0), Outlook.REACHED, "now: protected data alone are over the quota"),
        (100, 40, Growth(0.0, -1.0, 1.0), Outlook.STEADY, "not at this rate"),
        (100, 40, None, Outlook.UNKNOWN, "unknown: too few readings"),
        (100, None, None, Outlook.UNKNOWN, "unknown: too few readings"),
        (-1, 40, Growth(3.0, 2.0, 4.0), Outlook.NO_QUOTA, "there is no limit to reach"),
        (0, 40, Growth(3.0, 2.0, 4.0), Outlook.NO_QUOTA, "there is no limit to reach"),
    ],
)
def test_a_forecast_says_when_and_how_sure_it_is(
    quota: int, protected: int | None, growth: Growth | None, outlook: Outlook, text: str
) -> None:
    found = forecast(quota_bytes=quota, protected_bytes=protected, growth=growth)
    assert (found.outlook, forecast_text(found)) == (outlook, text)


# -- readings ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(db: None) -> date:
    """Store an inventory with two partitions and a cycle of one of them; return the day."""
    define("P")
    define("Q", "dataset.name == /Keep/*")
    partition_define(name="PQ", parts=["P", "Q"], actor=ACTOR)
    names = ["/Keep/x/RAW", "/D/x/RAW"]
    replicas = [replica(name, where) for name in names for where in ("S1", "S2")]
    quotas = {("S1", "P"): 10 * TB, ("S2", "P"): 10 * TB, ("S3", "P"): TB}
    store(document([site("S1"), site("S2"), site("S3")], [dataset(name) for name in names], replicas, quotas=quotas))
    cycle = cycle_run(text=TEXT, source="P", kind=CycleKind.MANUAL, actor=ACTOR, now=timezone.now())
    return cycle.cycle.started_at.date()


def test_a_reading_has_what_is_there_and_what_the_days_cycle_decided(stored: date) -> None:
    assert record_readings() == 8
    rows = {(row.partition.name, row.site_name): row for row in StorageReading.objects.select_related("partition")}
    seen = rows["P", "S1"]
    assert (seen.used_bytes, seen.protected_bytes, seen.kept_bytes, seen.to_delete_bytes) == (2 * TB, TB, TB, 0)
    assert (seen.quota_bytes, seen.day) == (10 * TB, stored)
    unseen = rows["P", "S2"]
    assert (unseen.used_bytes, unseen.protected_bytes, unseen.cycle_id) == (2 * TB, None, None)
    assert rows["Q", "S1"].used_bytes == TB
    assert (rows["P", "S3"].used_bytes, rows["PQ", "S3"].quota_bytes) == (0, TB)


def test_a_day_has_one_reading_and_old_ones_go(stored: date, settings: object) -> None:
    settings.DYNAMO_READING_DAYS = 30  # type: ignore[attr-defined]
    partition = Partition.objects.get(name="P")
    for age in (29, 31):
        StorageReading.objects.create(
            partition=partition,
            site_name="S1",
            day=stored - timedelta(days=age),
            taken_at=timezone.now(),
            quota_bytes=1,
            used_bytes=1,
        )
    assert record_readings() == record_readings() == 8
    ages = {(stored - row.day).days for row in StorageReading.objects.filter(partition=partition, site_name="S1")}
    assert ages == {0, 29}


def test_an_error_in_a_partition_records_nothing(stored: date) -> None:
    record_readings()
    before = set(StorageReading.objects.values_list("pk", flat=True))
    Partition.objects.filter(name="Q").update(condition="nonsense ==")
    with pytest.raises(Exception, match="partition Q"):
        readings_record(now=timezone.now())
    assert set(StorageReading.objects.values_list("pk", flat=True)) == before


def grown(stored: date, *, per_day: int) -> None:
    """Give the partition P at S1 twenty days in which its protected bytes have grown to what they are."""
    partition = Partition.objects.get(name="P")
    StorageReading.objects.bulk_create(
        StorageReading(
            partition=partition,
            site_name="S1",
            day=stored - timedelta(days=age),
            taken_at=timezone.now(),
            quota_bytes=10 * TB,
            used_bytes=2 * TB,
            protected_bytes=TB - age * per_day,
        )
        for age in range(1, 21)
    )
    record_readings()


def test_who_looks_in_the_morning_is_warned_and_a_larger_quota_ends_it(stored: date, client: Client) -> None:
    grown(stored, per_day=45 * 10**9)
    client.force_login(account("Operators"))
    assert "protected data of P reach" not in client.get("/admin/").content.decode(), "200 days are far away"
    quota_set(partition_name="P", site_name="S1", size_bytes=2 * TB, actor=ACTOR)
    assert "S1: protected data of P reach the quota in about 3 weeks (3 to 3)" in client.get("/admin/").content.decode()
    page = client.get("/admin/storage/?partition=P&site=S1").content.decode()
    assert "dy-plot-band" in page
    assert "+315 GB" in page
    quota_set(partition_name="P", site_name="S1", size_bytes=TB, actor=ACTOR)
    assert "S1: protected data of P are over the quota" in client.get("/admin/").content.decode()


def test_the_page_opens_for_who_may_see_partitions_alone(stored: date, client: Client) -> None:
    record_readings()
    client.force_login(account(None))
    assert client.get("/admin/storage/").status_code == 403
    client.force_login(account("Auditors"))
    for query in ("", "?partition=P", "?partition=P&site=S1", "?partition=gone", "?partition=P&site=S2"):
        assert client.get(f"/admin/storage/{query}").status_code == 200, query
    page = client.get("/admin/storage/").content.decode()
    assert 'aria-label="P at S1, quota 10.0 TB: protected: 1.00 TB' in page
    assert "<title>protected: 1.00 TB</title>" in page


def test_the_api_answers_what_the_page_shows(stored: date) -> None:
    grown(stored, per_day=45 * 10**9)
    assert Client().get(STORAGE).status_code == 401
    assert client_with("view_quota").get(STORAGE).status_code == 403
    client = client_with("view_partition")
    assert client.get(STORAGE, {"parttion": "P"}).status_code == 400
    rows = client.get(STORAGE, {"partition": "P"}).json()["results"]
    (row,) = [row for row in rows if row["site"] == "S1"]
    assert (row["used_bytes"], row["free_bytes"], row["protected_bytes"]) == (2 * TB, 8 * TB, TB)
    assert (row["forecast"]["outlook"], row["forecast"]["days"]) == ("growing", pytest.approx(200))
    assert len(client.get(f"{STORAGE}readings/", {"partition": "P", "site": "S1"}).json()["results"]) == 21
    assert client.get(f"{STORAGE}readings/", {"partition": "gone"}).status_code == 404
    assert client.get(STORAGE, {"sit": "S1"}).status_code == 400


def test_the_rows_take_as_many_queries_for_many_as_for_few(stored: date) -> None:
    counts = []
    for number in (1, 30):
        Partition.objects.bulk_create(
            [Partition(name=f"X{number}_{index}", condition="site.name == *") for index in range(number)]
        )
        record_readings()
        with CaptureQueriesContext(connection) as queries:
            rows = storage_rows()
        counts.append(len(queries))
    assert len(rows) > 60
    assert counts[0] == counts[1]


def test_what_lies_in_the_trash_is_not_free(db: None) -> None:
    make_screens(num_datasets=3)
    trash = Trash.objects.get()
    record_readings()
    plan = trash.deletion.plan
    assert plan.partition is not None
    asked = {"partition": plan.partition.name, "site": trash.site_name}
    (row,) = client_with("view_partition").get(STORAGE, asked).json()["results"]
    assert row["trash_bytes"] == trash.size_bytes > 0
    assert row["free_bytes"] == row["quota_bytes"] - row["used_bytes"] - trash.size_bytes
