"""What machines ask: alive, ready, metrics, and log lines that carry ids."""

from __future__ import annotations

import json
import logging.config
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from inventory.models import FactFeed, Site
from inventory.services.audit import Actor
from operations.models import Heartbeat
from operations.services.pausing import pause_all
from operations.services.queue import plan_enqueue
from tests.factories.operations import World

pytestmark = pytest.mark.django_db


def samples(client: Client, **headers: str) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.content
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
        if sample.name.startswith("dynamo_")
    }


@pytest.fixture
def token(settings: pytest.FixtureRequest) -> str:
    settings.DYNAMO_METRICS_TOKEN = "let-me-read"
    return "Bearer let-me-read"


def test_alive_asks_nothing(client: Client, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"alive\n")


@pytest.mark.django_db(transaction=True)
def test_ready_names_what_it_looked_at(client: Client) -> None:
    answer = client.get("/readyz")
    lines = answer.content.decode().splitlines()
    assert answer.status_code == 200, lines
    assert lines == [f"{name}: OK" for name in ("migrations", "broker", "pause file", "clock", "file storage")]
    assert client.get("/readyz", headers={"accept": "application/json"}).json()["migrations"] == "OK"


@pytest.mark.django_db(transaction=True)
def test_not_ready_while_the_folder_of_the_pause_file_is_out_of_reach(client: Client, settings: object, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    settings.VAR_DIR = loop
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "pause file: Unavailable: DYNAMO_VAR_DIR cannot be read (ELOOP)" in answer.content.decode()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("seconds", "said"), [(40, "40 s ahead of"), (-40, "40 s behind"), (20, "")])
def test_not_ready_while_the_clock_of_the_host_is_not_that_of_the_database(
    client: Client, monkeypatch: pytest.MonkeyPatch, seconds: int, said: str
) -> None:
    really_now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: really_now() + timedelta(seconds=seconds))
    answer = client.get("/readyz")
    assert answer.status_code == (503 if said else 200)
    assert (f"the clock of this host is {said} that of the database" in answer.content.decode()) == bool(said)


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Bearer "])
def test_metrics_are_not_for_everybody(client: Client, token: str, authorization: str) -> None:
    assert client.get("/metrics", headers={"authorization": authorization}).status_code == 403


def test_no_token_in_the_settings_lets_nobody_in(client: Client) -> None:
    assert settings.DYNAMO_METRICS_TOKEN == ""
    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 403


def test_a_person_who_may_see_deletions_may_look(client: Client, django_user_model: type[User]) -> None:
    user = django_user_model.objects.create_user("someone")
    client.force_login(user)
    assert client.get("/metrics").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_deletion"))
    assert ("dynamo_paused",) in samples(client)


def test_metrics_say_how_queue_sites_cycles_and_feeds_are(client: Client, token: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    plan = world.plan(world.two_copies(3))
    plan_enqueue(plan.pk)
    Site.objects.filter(name="T3_B").update(deletion_paused_at=timezone.now())
    FactFeed.objects.all().delete()
    FactFeed.objects.create(name="popularity", measured_at=timezone.now() - timedelta(days=400), max_age=timedelta(days=2))
    Heartbeat.objects.create(at=timezone.now() - timedelta(minutes=7))
    pause_all(actor=Actor("test"), reason="a look")
    read = samples(client, authorization=token)
    assert read["dynamo_paused",] == 1
    assert 420 <= read["dynamo_periodic_work_age_seconds",] < 500
    assert read["dynamo_plans_not_queued",] == 0
    assert read["dynamo_deletions_queued", "T3_B"] == 3
    assert read["dynamo_deletions_queued_bytes", "T3_B"] == 90
    assert read["dynamo_site_paused", "T3_B"] == 1
    assert read["dynamo_deletion_oldest_queued_age_seconds", "T3_B"] >= 0
    assert read["dynamo_plans", "released"] == 1
    assert read["dynamo_cycle_failed", "Everything"] == 0
    assert read["dynamo_feed_stale", "popularity"] == 1
    assert read["dynamo_feed_age_seconds", "popularity"] > 399 * 86400
    assert read["dynamo_inventory_age_seconds",] == -1


def test_metrics_ask_the_same_number_of_queries_whatever_the_size(
    client: Client, token: str, tmp_path: Path, django_assert_num_queries: object, django_assert_max_num_queries: object
) -> None:
    world = World(tmp_path)
    plan_enqueue(world.plan(world.two_copies(1)).pk)
    with django_assert_max_num_queries(20) as first:
        samples(client, authorization=token)
    plan_enqueue(world.plan(world.two_copies(5, dataset="/C/D-1/AOD")).pk)
    with django_assert_num_queries(len(first)):
        samples(client, authorization=token)


def test_json_log_lines_carry_the_ids(capsys: pytest.CaptureFixture[str]) -> None:
    formatter = logging.config.DictConfigurator(settings.LOGGING).configure_formatter(settings.LOGGING["formatters"]["json"])
    record = logging.LogRecord("operations", logging.INFO, __file__, 1, "plan %s is done", (7,), None)
    record.plan_id = 7
    line = json.loads(formatter.format(record))
    assert (line["message"], line["level"], line["logger"], line["plan_id"]) == ("plan 7 is done", "INFO", "operations", 7)
    assert "at" in line
