"""Limits of single sites and partitions: by command and by API through the same services, and what they do to the trash."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inventory.models import AuditEvent
from inventory.services.audit import Actor
from operations.exceptions import InvalidTransitionError
from operations.models import SiteLimits, Trash
from operations.services.pace import site_limits_set
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from policies.models import Partition
from tests.factories.api import ANY_VERSION, client_with
from tests.factories.operations import EAGER, Clock, World, seeded

pytestmark = pytest.mark.django_db
ME = Actor("me")
LIMITS = "/api/v1/operations/site-limits/"


def told(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_command_shows_and_changes_what_is_given_and_no_more(world: World) -> None:
    world.site("T3_A"), world.site("T1_Tape", storage_type="MSS")
    told("site_limits", "T3_A", "--batches", "2", "--bytes-per-day", "5 TB", "--reason", "weak server")
    told("site_limits", "T3_A", "--trash-days", "14", "--reason", "much room")
    shown = told("site_limits", "T3_*")
    for text in ("T3_A", "2 *", "5.00 TB *", "no limit", "14 *"):
        assert text in shown
    assert "T1_Tape" not in shown
    assert "30" in told("site_limits", "T1_Tape")
    told("site_limits", "T3_A", "--batches", "setting", "--reason", "as everywhere")
    own = SiteLimits.objects.get()
    assert (own.batches, own.bytes_per_day, own.trash_days) == (None, 5 * 10**12, 14.0)
    assert AuditEvent.objects.filter(action="operations.site_limits_set").latest("pk").reason == "as everywhere"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["T3_A", "--batches", "2"], 2, "--reason is needed"),
        (["T3_A", "--batches", "two", "--reason", "x"], 2, "--batches: found 'two'"),
        (["T3_*", "--batches", "2", "--reason", "x"], 2, "one site at a time"),
        (["T9_*"], 2, "no site is called"),
        (["T3_A", "--batches", "0", "--reason", "x"], 1, "to stop a site, pause it"),
        (["T3_A", "--trash-days", "94", "--reason", "x"], 1, "expected 1 to 93, or 0 for no trash"),
    ],
)
def test_the_command_refuses_what_cannot_be_meant(world: World, arguments: list[str], code: int, said: str) -> None:
    world.site("T3_A")
    with pytest.raises(CommandError, match=said.replace("*", r"\*")) as refused:
        told("site_limits", *arguments)
    assert refused.value.returncode == code


def test_what_comes_from_tape_is_never_kept_less_than_thirty_days(world: World) -> None:
    world.site("T1_Tape", storage_type="MSS")
    for days in (0, 7):
        with pytest.raises(InvalidTransitionError, match=r"expected 30 to 93$"):
            site_limits_set(site_name="T1_Tape", actor=ME, trash_days=days)


def test_the_api_reads_and_sets_by_the_version_that_was_read(world: World) -> None:
    key = world.site("T3_A").pk
    client = client_with("view_sitelimits", "change_sitelimits")
    read = client.get(f"{LIMITS}{key}/")
    assert read.json() | {"id": 0} == {
        "id": 0,
        "site": "T3_A",
        "batches": None,
        "files_per_second": None,
        "bytes_per_day": None,
        "trash_days": None,
        "in_force": {"batches": 4, "files_per_second": 0.0, "bytes_per_day": 0},
        "trash_days_in_force": 7.0,
    }
    wish: dict[str, Any] = {"batches": 2, "files_per_second": 1.5, "bytes_per_day": None, "trash_days": 0, "reason": "weak"}
    etag = {"If-Match": read["ETag"]}
    answer = client.put(f"{LIMITS}{key}/", wish, content_type="application/json", headers=etag)
    assert (answer.status_code, answer.json()["trash_days_in_force"], answer.json()["in_force"]["batches"]) == (200, 0.0, 2)
    assert client.put(f"{LIMITS}{key}/", wish, content_type="application/json", headers=etag).status_code == 412
    bad = client.put(f"{LIMITS}{key}/", wish | {"trash_days": 0.5}, content_type="application/json", headers=ANY_VERSION)
    assert (bad.status_code, "expected 1 to 93" in bad.json()["message"]) == (409, True)
    assert [row["site"] for row in client.get(LIMITS).json()["results"]] == ["T3_A"]


@pytest.mark.parametrize(("days", "kept"), [(2.0, [2.0]), (0.0, []), (None, [7.0])])
def test_a_site_keeps_its_trash_for_its_own_time(world: World, clock: Clock, days: float | None, kept: list[float]) -> None:
    plan = world.plan(world.two_copies(1))
    site_limits_set(site_name="T3_B", actor=ME, trash_days=days)
    plan_enqueue(plan.pk, now=clock())
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())
    assert world.files("T3_B") == set() or not world.files("T3_B")
    found = [(row.purge_after - row.kept_since).total_seconds() / 86400 for row in Trash.objects.all()]
    assert found == kept


def test_limits_of_a_partition_by_command_and_by_api() -> None:
    partition = Partition.objects.create(name="P", condition="site.storage_type == DISK", max_partition_fraction=0.5)
    shown = told("partition_limits", "P", "--site-fraction", "0.2", "--reason", "big clean-up")
    assert "20 % *" in shown
    assert "50 % *" in shown
    with pytest.raises(CommandError, match="expected 0 to 1 or the word setting"):
        told("partition_limits", "P", "--site-fraction", "20%", "--reason", "x")
    with pytest.raises(CommandError, match=r"1\.") as refused:
        told("partition_limits", "P", "--site-fraction", "20", "--reason", "x")
    assert refused.value.returncode == 1
    client = client_with("view_partition", "change_partition")
    address = f"/api/v1/policies/partitions/{partition.pk}/limits/"
    wish = {"max_site_fraction": None, "max_partition_fraction": 0.3}
    answer = client.put(address, wish, content_type="application/json", headers=ANY_VERSION)
    assert answer.json() == wish | {"partition": "P", "site_fraction_in_force": 0.15, "partition_fraction_in_force": 0.3}
    assert client.get(address).json() == answer.json()
    wrong = client.put(address, wish | {"max_site_fraction": 15}, content_type="application/json", headers=ANY_VERSION)
    assert (wrong.status_code, set(wrong.json()["details"])) == (400, {"max_site_fraction"})
