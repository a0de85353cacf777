"""Pages while deletions are paused by the switch, the file on this host, or both: each says what stops them and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from dynamo_site.acts import act_url
from inventory.models import AuditEvent
from inventory.services.audit import Actor
from operations.models import PauseSwitch
from operations.selectors.pausing import pause_file
from operations.services.pausing import pause_all, resume_all
from operations.services.queue import plan_enqueue
from tests.factories.inventory import SiteFactory
from tests.factories.operations import World
from tests.factories.screens import account

pytestmark = pytest.mark.django_db
NIGHT_SHIFT = Actor("night shift")
SITES = "/admin/inventory/site/"


@pytest.fixture
def _with_file() -> Iterator[None]:
    pause_file().parent.mkdir(parents=True, exist_ok=True)
    pause_file().touch()
    yield
    pause_file().unlink()


def page_of(client: Client, url: str) -> str:
    return unescape(client.get(url, follow=True).content.decode())


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(account("Operators"))
    return client


@pytest.mark.usefixtures("_with_file")
def test_releasing_the_switch_says_that_the_file_still_stops_this_host(operator: Client) -> None:
    pause_all(actor=NIGHT_SHIFT, reason="smoke")
    answer = operator.post(act_url("resume-all"), {"reason": "mended", "back": SITES}, follow=True)
    (said,) = answer.context["messages"]
    expected = f"The switch is off, but the file {pause_file()} still stops the workers of this host: remove it."
    assert (str(said), said.level_tag) == (expected, "warning")


def test_releasing_the_switch_without_a_file_lets_deletions_go_on(operator: Client) -> None:
    pause_all(actor=NIGHT_SHIFT, reason="smoke")
    answer = operator.post(act_url("resume-all"), {"reason": "mended", "back": SITES}, follow=True)
    (said,) = answer.context["messages"]
    assert (str(said), said.level_tag) == ("Deletions go on.", "success")


@pytest.mark.usefixtures("_with_file")
@pytest.mark.parametrize("role", ["Operators", "Auditors"])
def test_the_corner_names_the_file_and_not_who_released_the_switch(client: Client, role: str) -> None:
    pause_all(actor=NIGHT_SHIFT, reason="smoke")
    resume_all(actor=NIGHT_SHIFT, reason="mended")
    client.force_login(account(role))
    page = page_of(client, SITES)
    assert "Deletions paused by a file on this host" in page
    assert f"Remove the file {pause_file()}" in page
    assert "night shift" not in page
    assert act_url("resume-all") not in page, "there is no switch to release"
    assert (act_url("pause-all") in page) == (role == "Operators"), "workers of other hosts go on: the switch stops them"


@pytest.mark.usefixtures("_with_file")
def test_the_form_to_release_a_switch_that_is_off_names_the_file_and_has_no_button(operator: Client) -> None:
    page = page_of(operator, act_url("resume-all"))
    assert f"the file {pause_file()} stops this host: remove it" in page
    assert 'name="reason"' not in page
    assert 'type="submit">Let deletions go on' not in page
    answer = operator.post(act_url("resume-all"), {"reason": "mended"})
    assert answer.status_code == 409
    assert "not paused by the switch" in answer.content.decode()


def test_the_form_to_let_deletions_go_on_says_who_paused_why_and_how_much_waits(operator: Client, tmp_path: Path) -> None:
    world = World(tmp_path)
    plan_enqueue(world.plan(world.two_copies(num_blocks=2)).pk)
    pause_all(actor=NIGHT_SHIFT, reason="smoke in hall 5")
    page = page_of(operator, act_url("resume-all"))
    assert re.search(r"Paused just now \([0-9: -]+ UTC\) by night shift: “smoke in hall 5”\.", page)
    assert "Queued: 2 block replicas, 60 B." in page
    assert "still stops" not in page


@pytest.mark.usefixtures("_with_file")
def test_the_form_to_let_deletions_go_on_names_the_file_beside_the_switch(operator: Client) -> None:
    pause_all(actor=NIGHT_SHIFT, reason="smoke")
    page = page_of(operator, act_url("resume-all"))
    assert "Queued: 0 block replicas, 0 B." in page
    assert f"The file {pause_file()} still stops the workers of this host: remove it." in page


def test_a_further_reason_to_pause_is_kept_and_the_first_who_paused_stays(client: Client) -> None:
    pause_all(actor=NIGHT_SHIFT, reason="smoke")
    client.force_login(account("Physics coordinators"))
    assert "by night shift: “smoke”." in page_of(client, act_url("pause-all"))
    answer = client.post(act_url("pause-all"), {"reason": "wrong policy", "back": SITES}, follow=True)
    (said,) = answer.context["messages"]
    assert "paused by night shift already" in str(said)
    assert "Your reason is kept in the audit trail" in str(said)
    assert PauseSwitch.objects.values_list("changed_by_name", "reason").get() == ("night shift", "smoke")
    event = AuditEvent.objects.order_by("pk").last()
    assert (event.actor, event.action, event.reason) == ("physics_coordinators", "operations.pause_all_again", "wrong policy")
    assert event.details["paused_by"] == "night shift"
    client.force_login(account("Operators"))
    assert "Also by physics_coordinators: “wrong policy”." in page_of(client, act_url("resume-all"))


def test_pausing_again_without_a_new_reason_records_nothing() -> None:
    for reason in ("smoke", "smoke", " "):
        pause_all(actor=NIGHT_SHIFT, reason=reason)
    assert AuditEvent.objects.filter(action__startswith="operations.pause_all").count() == 1


def test_the_page_of_a_paused_site_says_how_long_ago_it_was_paused(operator: Client) -> None:
    site = SiteFactory(deletion_paused_at=timezone.now() - timedelta(seconds=26))
    page = page_of(operator, f"{SITES}{site.pk}/change/")
    assert re.search(r"Deletions were paused <time[^>]+>\d+ s ago</time>: no reason given", page)


def test_the_list_of_the_one_switch_has_a_right_plural() -> None:
    assert PauseSwitch._meta.verbose_name_plural == "pause switches"
