"""The page of one replica begins with what became of it, in words that need no manual."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dynamo_site import stories
from dynamo_site.decided import repeated_decisions
from dynamo_site.views import history
from inventory.models import FactFeed
from operations.models import Deletion, Trash
from policies.choices import CycleKind
from policies.models import Cycle, Plan, PlanItem
from policies.services.cycles import cycle_run
from policies.services.policies import guardrail_define
from tests.factories.inventories import DAY, LONG_AGO, TB, dataset, document, replica, site
from tests.factories.policies import ACTOR, CLOCK, define, store

pytestmark = pytest.mark.django_db
TEXT = """\
Partition P
On site.name == S*
When site.occupancy > 0.9
Until site.occupancy < 0.55
ProtectBlock blockreplica.owner == DataOps
Protect dataset.name == /Keep/*/*
Ignore dataset.name == /Aside/*/*
Protect dataset.last_access newer_than 1 month ago
Dismiss
Order increasing dataset.last_update
"""
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _inventory() -> None:
    """S1 is full and loses /Old and /Part, then is below its mark; S2 is not triggered."""
    define("P")
    mixed = {"b1": {"group": "DataOps"}, "b2": {}, "b3": {}}
    names = ["/Old/a/RAW", "/Part/a/RAW", "/Young/a/RAW", "/Keep/a/RAW", "/Aside/a/RAW"]
    datasets = [
        dataset(name, ["b1", "b2", "b3"], last_update=LONG_AGO + number * DAY, attrs=None) for number, name in enumerate(names)
    ]
    at_s1 = [replica(name, "S1", mixed if name.startswith("/Part") else ["b1", "b2", "b3"], group="DataOps") for name in names]
    for row in at_s1:
        if not row["dataset"].startswith("/Part"):
            row["group"] = "AnalysisOps"
    at_s1[1]["blockreplicas"][1]["group"] = at_s1[1]["blockreplicas"][2]["group"] = None
    store(
        document(
            [site("S1"), site("S2"), site("T9")],
            datasets,
            [*at_s1, replica("/Old/a/RAW", "S2", ["b1"])],
            quotas={"S1": 20 * TB, "S2": 20 * TB},
        )
    )


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("reader"))
    return client


def ran(kind: CycleKind = CycleKind.MANUAL, text: str = TEXT.replace("> 0.9", "> 0.7")) -> Cycle:
    return cycle_run(text=text, source="Physics v3", kind=kind, actor=ACTOR, now=CLOCK).cycle


def told(client: Client, cycle: Cycle, name: str, at: str = "S1") -> list[str]:
    """Return the sentences that the page begins with, as they read."""
    page = client.get(reverse("admin:policies_cycle_why", args=[cycle.pk]), {"dataset": name, "site": at}).content.decode()
    found: Sequence[str] = re.findall(r'<p class="dy-sentence">(.*?)</p>', page, flags=re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", "", sentence)).split()) for sentence in found]


def queued(plan: Plan, name: str, **fields: Any) -> list[Deletion]:
    """Queue what the plan deletes of a dataset."""
    common = {"group_name": "None", "num_attempts": 1} | fields
    return [
        Deletion.objects.create(
            plan=plan,
            plan_item=item,
            block_replica_key=item.block_replica_key,
            site_name=item.site_name,
            dataset_name=item.dataset_name,
            block_name=item.block_name,
            size_bytes=item.size_bytes,
            num_files=item.num_files,
            **common,
        )
        for item in PlanItem.objects.filter(plan=plan, dataset_name=name)
    ]


def test_what_stays_says_which_rule_keeps_it_and_why(reader: Client) -> None:
    cycle = ran()
    assert told(reader, cycle, "/Keep/a/RAW") == [
        "Stays because line 6 of Physics v3 (Protect dataset.name == /Keep/*/*) protects it."
    ]
    assert told(reader, cycle, "/Aside/a/RAW") == [
        (
            "Stays because line 7 of Physics v3 (Ignore dataset.name == /Aside/*/*) sets it aside: the policy decides nothing"
            " about it."
        )
    ]
    given_up = "Stays though the default of Physics v3 (Dismiss) gives it up: "
    reached = "S1 reached its watermark after 2 deletions before its turn came, going from 75 % to 50 %."
    assert told(reader, cycle, "/Young/a/RAW") == [given_up + reached]
    not_cleaned = "S2 was not to be cleaned, 5 % full: no When condition held there."
    assert told(reader, cycle, "/Old/a/RAW", "S2") == [given_up + not_cleaned]
    assert told(reader, cycle, "/Old/a/RAW", "T9")[0].startswith("Not concerned")


def test_a_missing_fact_is_named_as_what_protects(reader: Client) -> None:
    text = TEXT.replace("Protect dataset.last_access", "Protect dataset.num_full_disk_copy > 9\nProtect dataset.last_access")
    FactFeed.objects.filter(name="popularity").delete()
    sentence = told(reader, ran(text=text), "/Young/a/RAW")[0]
    assert "line 9 of Physics v3 (Protect dataset.last_access newer_than 1 month ago) protects it" in sentence
    assert "unknown (the feed popularity was missing or stale), and what is unknown stays" in sentence


def test_a_guardrail_is_named_where_it_protects(reader: Client) -> None:
    guardrail_define(name="old", condition="dataset.name == /Old/*", actor=ACTOR, is_protecting=True)
    assert told(reader, ran(), "/Old/a/RAW") == ["Stays because the guardrail old: dataset.name == /Old/* protects it."]


def test_what_goes_in_part_says_so_block_by_block(reader: Client) -> None:
    first, second = told(reader, ran(CycleKind.TEST_RUN), "/Part/a/RAW")
    assert first.startswith("Would be deleted: 2 of 3 blocks by the default of Physics v3 (Dismiss). It was a test run")
    assert second.startswith("Would stay: 1 of 3 blocks because line 5 of Physics v3 (ProtectBlock")


def test_what_was_deleted_says_when_and_until_when_it_can_be_restored(reader: Client) -> None:
    cycle = ran()
    plan = Plan.objects.get(cycle=cycle)
    held = "Stays for now though chosen for deletion by the default of Physics v3 (Dismiss): a safety limit holds the plan until"
    assert told(reader, cycle, "/Old/a/RAW") == [f"{held} a person decides. Plan {plan.pk}"]
    Plan.objects.filter(pk=plan.pk).update(state="RELEASED")
    assert told(reader, cycle, "/Old/a/RAW")[0].startswith("To be deleted by the default of Physics v3 (Dismiss); its turn")
    first, *others = queued(plan, "/Old/a/RAW", state="DONE", finished_at=NOW)
    trash = {"site_name": "S1", "dataset_name": "/Old/a/RAW", "block_name": "b1", "group_name": "None", "folder": "x"}
    Trash.objects.create(
        deletion=first, **trash, files=[], num_files=0, size_bytes=0, state="KEPT", begun_at=NOW, kept_since=NOW,
        purge_after=NOW + timedelta(days=7), replica_last_update=NOW,
    )  # fmt: skip
    assert told(reader, cycle, "/Old/a/RAW") == [
        "Deleted on 1 Mar 2026 by the default of Physics v3 (Dismiss), restorable until 8 Mar 2026. The deletion"
    ]
    Deletion.objects.filter(pk=first.pk).update(state="DROPPED", reason="locked by physics")
    assert told(reader, cycle, "/Old/a/RAW")[0].startswith(
        "Deleted in part though chosen by the default of Physics v3 (Dismiss): at the last look the rest dropped out: locked"
    )
    Deletion.objects.filter(pk=others[0].pk).update(state="FAILED", finished_at=None, reason="permission denied")
    assert "the deletion failed" in told(reader, cycle, "/Old/a/RAW")[0]
    Plan.objects.filter(pk=plan.pk).update(
        state="DISCARDED", decided_by="asmith", decided_at=timezone.now(), decided_reason="not today"
    )
    assert ": asmith discarded the plan: not today." in told(reader, cycle, "/Old/a/RAW")[0]


def test_who_may_see_cycles_alone_reads_what_was_decided_and_nothing_of_deletions_and_copies(client: Client) -> None:
    user = User.objects.create_user("narrow")
    user.user_permissions.set(Permission.objects.filter(codename="view_cycle"))
    client.force_login(user)
    cycle = ran()
    queued(Plan.objects.get(cycle=cycle), "/Old/a/RAW", state="DONE", finished_at=NOW)
    assert told(client, cycle, "/Old/a/RAW") == ["Chosen for deletion by the default of Physics v3 (Dismiss)."]
    assert told(client, cycle, "/Keep/a/RAW")[0].startswith("Stays because line 6")
    page = client.get(reverse("admin:policies_cycle_why", args=[cycle.pk]), {"dataset": "/Old/a/RAW", "site": "S1"})
    assert "dy-place" not in page.content.decode()
    assert "What happened to it" not in page.content.decode()


def test_the_map_shows_every_copy_with_what_was_decided_there(reader: Client) -> None:
    cycle = ran()
    address = reverse("admin:policies_cycle_why", args=[cycle.pk])
    page = reader.get(address, {"dataset": "/Old/a/RAW", "site": "S1"}).content.decode()
    places = re.findall(r'<li class="dy-place(.*?)</li>', page, flags=re.DOTALL)
    assert len(places) == 2
    assert all(words in places[0] for words in ("dy-here", "<b>S1</b>", "complete", "to delete"))
    assert all(words in places[1] for words in ("<b>S2</b>", "1 of 3 blocks", "kept", "Why?"))


def test_the_same_decision_of_many_cycles_is_one_line_and_earlier_ones_are_a_page_away(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycles = [ran(CycleKind.TEST_RUN) for _ in range(3)]
    page = reader.get(reverse("dynamo_history"), {"dataset": "/Keep/a/RAW"})
    (only,) = page.context["decided"]
    assert (only.num_cycles, only.first.pk, only.last.pk, only.row.line) == (3, cycles[0].pk, cycles[2].pk, 6)
    assert "3 cycles, " in page.content.decode()
    monkeypatch.setattr(history, "CYCLES_A_PAGE", 2)
    page = reader.get(reverse("dynamo_history"), {"dataset": "/Keep/a/RAW"})
    assert page.context["earlier"] == cycles[1].pk
    earlier = reader.get(reverse("dynamo_history"), {"dataset": "/Keep/a/RAW", "before": page.context["earlier"]})
    assert [one.last.pk for one in earlier.context["decided"]] == [cycles[0].pk]
    assert "Latest cycles" in earlier.content.decode()
    assert repeated_decisions([]) == []


def test_the_history_names_the_asked_cycle_however_long_ago(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories, "_CYCLES", 2)
    first, *later = [ran(CycleKind.TEST_RUN, TEXT if number == 0 else TEXT.replace("> 0.9", "> 0.7")) for number in range(3)]
    texts = [event.text for event in stories.dataset_story("/Young/a/RAW", site="S1", cycle=first)]
    kept = "kept by the default in cycle {} of Physics v3, a test run"
    assert f"{kept.format(later[-1].pk)}, as in 2 earlier ones, at S1" in texts
    Cycle.objects.filter(pk=first.pk).update(source="Physics v2")
    first.refresh_from_db()
    texts = [event.text for event in stories.dataset_story("/Young/a/RAW", site="S1", cycle=first)]
    assert f"{kept.format(first.pk).replace('v3', 'v2')}, at S1" in texts
    assert not any("v2" in event.text for event in stories.dataset_story("/Young/a/RAW", site="S1"))
