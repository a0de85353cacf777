"""What was deleted when: summed up by hour, in intervals without a gap, drawn and told as a table."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from operations.choices import ActivityOutcome, DeletionState
from operations.models import ActivityHour, Attempt, Deletion
from operations.selectors.activity import ActivitySpan, activity
from operations.services.activity import activity_sum_up
from tests.factories.operations import World
from tests.factories.screens import account

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
DELETED, ABSENT, DROPPED, FAILED = ActivityOutcome


@pytest.fixture
def rows(world: World) -> list[Deletion]:
    """Four deletions at T3_B that are not over."""
    plan = world.plan(world.two_copies(4))
    return [
        Deletion.objects.create(
            plan=plan,
            plan_item=item,
            block_replica_key=item.block_replica_key,
            site_name="T3_B",
            dataset_name=item.dataset_name,
            block_name=item.block_name,
            group_name="None",
            size_bytes=100,
            num_files=5,
        )
        for item in plan.items.order_by("sequence")
    ]


def over(row: Deletion, at: datetime, state: str = DeletionState.DONE, **fields: object) -> None:
    Deletion.objects.filter(pk=row.pk).update(state=state, finished_at=at, **fields)


def failed(row: Deletion, at: datetime, number: int = 1) -> None:
    Attempt.objects.create(
        deletion=row, number=number, worker="w", started_at=at, recorded_at=at, outcome="REFUSED", files_failed=2
    )


def test_hours_are_summed_up_once_and_only_when_they_are_over(rows: list[Deletion]) -> None:
    over(rows[0], NOW - timedelta(hours=3), files_deleted=4, files_absent=1, bytes_deleted=80)
    over(rows[1], NOW - timedelta(hours=3, minutes=10), files_deleted=5, bytes_deleted=100)
    over(rows[2], NOW - timedelta(hours=2), DeletionState.DROPPED)
    failed(rows[3], NOW - timedelta(minutes=40))
    assert activity_sum_up(now=NOW) == 4
    assert activity_sum_up(now=NOW) == 0
    found = ActivityHour.objects.order_by("hour", "outcome").values_list("hour__hour", "outcome", "num_files", "size_bytes")
    assert list(found) == [(9, "ABSENT", 1, 0), (9, "DELETED", 9, 180), (10, "DROPPED", 5, 100), (11, "FAILED", 2, 0)]
    # Ten minutes after its end an hour is not taken for settled yet.
    assert activity_sum_up(now=NOW + timedelta(minutes=40)) == 0


def test_a_long_past_is_summed_up_turn_by_turn(rows: list[Deletion]) -> None:
    for row, days in zip(rows, (20, 10, 2), strict=False):
        over(row, NOW - timedelta(days=days), files_deleted=5, bytes_deleted=100)
    assert [activity_sum_up(now=NOW) for _ in range(4)] == [1, 1, 1, 0]
    assert activity(ActivitySpan.MONTH, now=NOW).total_files(DELETED) == 15


@pytest.mark.parametrize("is_summed", [False, True])
@pytest.mark.parametrize("span", list(ActivitySpan))
def test_every_span_shows_the_same_whether_hours_are_summed_up_or_not(
    rows: list[Deletion], span: ActivitySpan, is_summed: bool
) -> None:
    over(rows[0], NOW - span.interval * (span.num_intervals - 2), files_deleted=5, bytes_deleted=100)
    over(rows[1], NOW, files_deleted=3, files_absent=2, bytes_deleted=60)
    over(rows[2], NOW + timedelta(days=9), files_deleted=5, bytes_deleted=100)
    failed(rows[3], NOW)
    if is_summed:
        activity_sum_up(now=NOW)
    found = activity(span, now=NOW, site_name="T3_B")
    starts = [one.start for one in found.intervals]
    assert len(starts) == span.num_intervals
    assert {after - before for before, after in itertools.pairwise(starts)} == {span.interval}
    assert starts[-1] <= NOW < starts[-1] + span.interval
    assert found.intervals[-1].files == {DELETED: 3, ABSENT: 2, FAILED: 2}
    assert found.intervals[-1].size_bytes[DELETED] == 60
    assert (found.total_files(DELETED), found.total_bytes(DELETED)) == (8, 160)
    assert activity(span, now=NOW, site_name="T3_A").total_files(DELETED) == 0


def test_the_page_draws_columns_and_tells_the_same_as_a_table(rows: list[Deletion], client: Client) -> None:
    over(rows[0], timezone.now(), files_deleted=5, bytes_deleted=100)
    client.force_login(account("Auditors"))
    page = client.get("/admin/activity/", {"span": "hour", "site": "T3_B"}).content.decode()
    assert 'aria-label="Files, last hour, at T3_B: deleted 5 files, 100 B' in page
    assert page.count('<rect class="dy-delete"') == 2
    assert '<td class="dy-right" data-label="bytes deleted">100 B</td>' in page
    assert "Nothing was deleted" in client.get("/admin/activity/", {"span": "nonsense", "site": "T3_A"}).content.decode()
    client.force_login(account(None))
    assert client.get("/admin/activity/").status_code == 403


def test_a_plot_takes_as_many_queries_for_a_year_as_for_a_day(rows: list[Deletion], django_assert_num_queries: object) -> None:
    activity_sum_up(now=NOW)
    for span in (ActivitySpan.DAY, ActivitySpan.YEAR):
        with django_assert_num_queries(6):  # type: ignore[operator]
            activity(span, now=NOW)
