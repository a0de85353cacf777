"""A report says what came back from the trash and what did not, and its sums match to the byte whatever happened."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from campaigns.models import CampaignReport
from campaigns.services.reports import PARTS, campaign_report_make, report_file, report_verify
from inventory.selectors.sites import SiteStorage
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from operations.choices import FileOutcome
from operations.models import Trash
from operations.services.queue import plan_enqueue
from operations.services.restoring import RestoreWanted, restore_request
from operations.services.sweep import sweep
from operations.services.trash_worker import purge_work, restore_work
from operations.services.worker import work
from tests.factories.campaigns import Collaboration
from tests.factories.operations import EAGER, Clock, FaultyGateway, local_gateway, says, seeded

HIGGS, TOP = "/Higgs/Run2026A-v1/AOD", "/Top/Run2026B-v1/RAW"


class Aftermath:
    """A campaign that executes at a site with a trash, and what happens to it afterwards."""

    def __init__(self, people: Collaboration, **limits: Any) -> None:
        self.people, self.limits = people, replace(EAGER, attempts_before_failed=1, **limits)
        self.campaign = people.executing()
        self.plan_id = people.revision(self.campaign).plan_id
        self.faults: dict[str, Any] = {}
        self.with_trash = self.limits.trash_days is not None

    def gateway(self, site: SiteStorage) -> FaultyGateway:
        return FaultyGateway(local_gateway(site), faults=self.faults, trashes=self.with_trash)

    @property
    def how(self) -> dict[str, Any]:
        return {"worker": "w", "clock": Clock(self.people.now), "limits": self.limits, "rng": seeded(), "gateway": self.gateway}

    def delete(self) -> None:
        plan_enqueue(self.plan_id, now=self.people.now)
        work(**self.how)
        sweep(now=self.people.now, limits=self.limits, rng=seeded())

    def restore(self, dataset: str, block: str) -> None:
        wanted = RestoreWanted(dataset_name=dataset, block_name=block)
        restore_request(wanted=wanted, actor=Actor("rita"), reason="the thesis", now=self.people.now)
        restore_work(**self.how)

    def damage(self, dataset: str, block: str, *, num_files: int) -> None:
        trash = Trash.objects.get(dataset_name=dataset, block_name=block)
        folder = self.people.world.root("T3_B") / ".dynamo-trash"
        kept = sorted(path for path in folder.glob(f"**/{trash.folder.split('/')[-1]}/*") if path.is_file())
        for path in kept[:num_files]:
            path.write_bytes(b"")

    def report(self) -> CampaignReport:
        return campaign_report_make(campaign_id=self.campaign.pk, actor=self.people.actor("anna"), now=self.people.now)


def checked(report: CampaignReport) -> dict[str, Any]:
    """Return a report's body, once everything that must hold of it does."""
    content = report_file(report, "json")
    assert [one.problems for one in report_verify(files={"r.json": content})] == [()]
    body: dict[str, Any] = json.loads(content)
    sums = body["sums"]
    for unit in ("items", "size_bytes"):
        assert sum(sums[part][unit] for part in PARTS[body["format"]]) == sums["planned"][unit]
    assert sum(sums["fates"].values()) == sums["bytes_really_deleted"]
    return body


def test_the_report_adds_up_over_all_that_can_become_of_an_item(people: Collaboration) -> None:
    after = Aftermath(people)
    lock_create(dataset_pattern=HIGGS, block_pattern="b00002", actor=people.actor("rita"), now=people.now)
    after.faults[f"/store{TOP}/b00002/f0001.root"] = says(FileOutcome.REFUSED, "read only")
    after.delete()
    after.faults.clear()
    after.damage(HIGGS, "b00001", num_files=1)
    after.damage(TOP, "b00000", num_files=2)
    for dataset, block in ((HIGGS, "b00000"), (HIGGS, "b00001"), (TOP, "b00000")):
        after.restore(dataset, block)
    Trash.objects.filter(dataset_name=TOP, block_name="b00001").update(purge_after=people.now)
    purge_work(**after.how)

    body = checked(after.report())
    sums, restored = body["sums"], body["restored"]
    words = ("deleted", "dropped", "failed", "waiting", "restored", "restored_in_part")
    assert {word: sums[word]["items"] for word in words} == {
        "deleted": 2,  # one purged, one of which nothing came back
        "dropped": 1,
        "failed": 1,
        "waiting": 0,
        "restored": 1,
        "restored_in_part": 1,
    }
    assert sums["bytes_really_deleted"] == 4 * 20 + 10
    assert sums["fates"] == {"restored": 30, "in_trash": 10 + 20 + 10, "purged": 20, "gone_without_trash": 0}
    assert [(row["dataset"], row["items"], row["files"], row["size_bytes"], row["reason"]) for row in restored["back"]] == [
        (HIGGS, 2, 3, 30, "asked back by rita: the thesis")
    ]
    assert restored["back"][0]["first_at"] == restored["back"][0]["last_at"] == people.now.isoformat()
    assert [(row["dataset"], row["block"], row["bytes_restored"]) for row in restored["not_back"]] == [
        (HIGGS, "b00001", 10),
        (TOP, "b00000", 0),
    ]
    assert all("size or checksum is wrong" in row["not_restored"] for row in restored["not_back"])


def test_what_was_deleted_without_a_trash_is_gone_and_said_to_be(people: Collaboration) -> None:
    after = Aftermath(people, trash_days=None)
    after.delete()
    sums = checked(after.report())["sums"]
    assert sums["fates"] == {"restored": 0, "in_trash": 0, "purged": 0, "gone_without_trash": 120}


def test_a_later_report_says_what_was_purged_and_the_earlier_one_stays_true(people: Collaboration) -> None:
    after = Aftermath(people)
    after.delete()
    early = after.report()
    assert checked(early)["restored"]["restorable_until"] == (people.now + timedelta(days=7)).isoformat()
    people.later(days=8)
    purge_work(**after.how)
    assert checked(after.report())["sums"]["fates"]["purged"] == 120
    assert checked(early)["sums"]["fates"]["in_trash"] == 120


def test_the_page_says_sizes_and_times_as_people_read_them_and_the_exact_values_on_hover(people: Collaboration) -> None:
    after = Aftermath(people)
    after.delete()
    after.restore(HIGGS, "b00000")
    page = report_file(after.report(), "html").decode()
    assert '<span class="dy-num" title="120 bytes">120 B</span>' in page
    assert f'title="{people.now.isoformat()}">18 Jan 2026 00:00 UTC</time>' in page
    assert "deleted and restored" in page
    assert "asked back by rita: the thesis" in page


@pytest.mark.parametrize("name", list(PARTS))
def test_reports_of_every_format_are_verified_and_others_are_not(people: Collaboration, name: str) -> None:
    after = Aftermath(people)
    body = json.loads(report_file(after.report(), "json"))
    body["format"] = name
    if name.endswith("1"):
        del body["sums"]["restored_in_part"], body["sums"]["fates"], body["restored"]
    (found,) = report_verify(files={"r.json": json.dumps(body).encode()})
    assert [problem for problem in found.problems if "no report with these bytes" not in problem] == []
    body["sums"]["deleted"]["size_bytes"] += 1
    (found,) = report_verify(files={"r.json": json.dumps(body).encode()})
    assert any("the sums do not match" in problem for problem in found.problems)
    (found,) = report_verify(files={"r.json": b'{"format": "another"}'})
    assert any("it says that it is 'another'" in problem for problem in found.problems)
