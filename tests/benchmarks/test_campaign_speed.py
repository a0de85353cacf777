"""What a click of a study costs once the inventory is kept, beside a cycle: rules by the thousand cost little more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from campaigns.models import Campaign
from campaigns.services.studies import campaign_sums, touched_by_others
from policies.services.exploring import list_explore
from policies.services.kept_snapshots import snapshots_forget
from tests.benchmarks.campaigns import large_campaign, store_many_small_datasets
from tests.benchmarks.test_cycle_on_postgres import cycle, shortest
from tests.benchmarks.test_engine_speed import say
from tests.factories.snapshots import NOW

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def _kept(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.VAR_DIR = tmp_path / "var"
    yield
    snapshots_forget()


def test_a_click_of_a_study_costs_less_than_a_cycle_and_rules_by_the_thousand_little_more(
    _kept: None, is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    partition, num_replicas = store_many_small_datasets(is_full=is_full)
    now = datetime.fromtimestamp(NOW, tz=UTC)
    studied = Campaign.objects.create(
        title="Big", purpose="room", coordinator=User.objects.create_user("olga"), partition=partition, text="", created_by="olga"
    )

    others = touched_by_others(studied.pk)

    def click(text: str) -> tuple[int, int]:
        found = list_explore(text=text, partition_name="P", now=now, max_age=timedelta(days=1))
        sums = campaign_sums(studied, found.studied, others=others, now=now)
        assert sum(row["items"] for row in sums["tiers"]) == found.studied.items.height
        return found.studied.items.height, found.studied.items["dataset_row"].n_unique()

    few, many = (large_campaign(number) for number in (10, 3_900))
    items, datasets = click(few)
    few_s, many_s = shortest(lambda: click(few)), shortest(lambda: click(many))
    whole_s = shortest(lambda: cycle(many), times=1)
    say(
        capsys,
        f"{num_replicas:,} block replicas, {items:,} of {datasets:,} datasets would go: a click with 40 rules {few_s:.2f} s, "
        f"with 3,930 {many_s:.2f} s, ratio {many_s / few_s:.2f}; from the database to a plan {whole_s:.2f} s",
    )
    assert datasets >= (100_000 if is_full else 1)
    assert many_s <= 1.5 * few_s or not is_full
    assert many_s <= 1.5 * whole_s or not is_full
