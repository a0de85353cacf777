"""Exactly the frozen list goes, item by item, whatever happens between approval and execution; the report adds up to the byte."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random

import pytest
from django.core.management import CommandError, call_command

from campaigns.choices import CampaignState
from campaigns.exceptions import NotReady
from campaigns.models import DroppedItem, Revision
from campaigns.services.exception_requests import exception_ask, exception_decide
from campaigns.services.execution import campaign_execute, campaign_pause, campaign_resume
from campaigns.services.reports import KINDS, campaign_report_make, report_file, report_verify
from campaigns.services.ticking import campaigns_tick
from inventory.models import BlockReplica, Dataset, DatasetFacts, Injection
from inventory.services.locks import lock_create
from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.queue import plan_enqueue
from operations.services.sweep import sweep
from operations.services.worker import work
from policies.models import PlanItem
from tests.factories.campaigns import Collaboration
from tests.factories.operations import EAGER, Clock, local_gateway, seeded

HIGGS, TOP = "/Higgs/Run2026A-v1/AOD", "/Top/Run2026B-v1/RAW"


def enqueue(people: Collaboration, campaign: object) -> int:
    plan_id = people.revision(campaign).plan_id
    plan_enqueue(plan_id, now=people.now)
    return plan_id


def delete_all(people: Collaboration) -> None:
    work(worker="w", clock=Clock(people.now), gateway=local_gateway, limits=EAGER, rng=seeded())
    sweep(now=people.now, limits=EAGER, rng=seeded())
    campaigns_tick(now=people.now)


def states(plan_id: int) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for state, dataset in Deletion.objects.filter(plan_id=plan_id).values_list("state", "dataset_name"):
        found.setdefault(state, set()).add(dataset)
    return found


def test_a_campaign_deletes_its_list_from_storage_and_inventory_and_completes(people: Collaboration) -> None:
    campaign = people.executing()
    plan_id = enqueue(people, campaign)
    kept = people.world.files_in_inventory("T2_A")
    delete_all(people)
    assert states(plan_id) == {DeletionState.DONE: {HIGGS, TOP}}
    assert people.world.files("T3_B") == set()
    assert people.world.files_in_inventory("T2_A") == kept
    assert people.fresh(campaign).state == CampaignState.COMPLETED


def test_what_was_excepted_locked_read_or_changed_since_the_study_stays_and_says_why(people: Collaboration) -> None:
    campaign = people.approved()
    exception = exception_ask(
        campaign_id=campaign.pk,
        patterns=[HIGGS],
        reason="thesis",
        until=(people.now + timedelta(days=100)).date(),
        group_name="higgs",
        actor=people.actor("dan"),
        now=people.now,
    )
    exception_decide(exception_id=exception.pk, is_granted=True, actor=people.actor("rita"), now=people.now)
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    lock_create(dataset_pattern=TOP, block_pattern="b00000", actor=people.actor("rita"), now=people.now)
    plan_id = enqueue(people, campaign)
    delete_all(people)
    reasons = set(Deletion.objects.filter(state=DeletionState.DROPPED).values_list("dataset_name", "reason"))
    assert (HIGGS, f"exception {exception.pk} for higgs until {exception.until}") in reasons
    assert (TOP, "locked") in reasons
    assert Deletion.objects.filter(plan_id=plan_id, state=DeletionState.DONE).count() == 2
    assert people.fresh(campaign).state == CampaignState.COMPLETED


def test_a_dataset_of_another_status_or_read_since_the_study_stays(people: Collaboration) -> None:
    campaign = people.executing()
    Dataset.objects.filter(name=HIGGS).update(status="VALID")
    top = Dataset.objects.get(name=TOP)
    read_at = people.revision(campaign).snapshot_at + timedelta(days=1)
    DatasetFacts.objects.update_or_create(dataset=top, defaults={"last_access_at": read_at})
    plan_id = enqueue(people, campaign)
    delete_all(people)
    assert states(plan_id) == {DeletionState.DROPPED: {HIGGS, TOP}}
    reasons = set(Deletion.objects.values_list("reason", flat=True))
    assert "status changed from UNKNOWN to VALID since the study" in reasons
    assert any("after the study" in reason for reason in reasons)
    assert len(people.world.files("T3_B")) == 12


def test_a_paused_campaign_waits_and_goes_on_when_it_is_resumed(people: Collaboration) -> None:
    campaign = people.executing()
    plan_id = enqueue(people, campaign)
    campaign_pause(campaign_id=campaign.pk, reason="wait", actor=people.actor("petra"), now=people.now)
    delete_all(people)
    assert states(plan_id) == {DeletionState.QUEUED: {HIGGS, TOP}}
    campaign_resume(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    delete_all(people)
    assert states(plan_id) == {DeletionState.DONE: {HIGGS, TOP}}


def test_a_signature_that_disappears_stops_the_execution(people: Collaboration) -> None:
    campaign = people.executing()
    plan_id = enqueue(people, campaign)
    campaign.approvals.filter(approver__username="carla").delete()
    delete_all(people)
    assert states(plan_id) == {DeletionState.QUEUED: {HIGGS, TOP}}


def test_portions_per_site_and_day_are_kept(people: Collaboration) -> None:
    campaign = people.executing(site_bytes_per_day=40)
    plan_id = enqueue(people, campaign)
    done = []
    for _ in range(4):
        delete_all(people)
        done.append(Deletion.objects.filter(plan_id=plan_id, state=DeletionState.DONE).count())
        people.later(days=1)
        Injection.objects.update(finished_at=people.now)
    assert done == [2, 4, 6, 6]


def test_an_expired_campaign_deletes_nothing_more(people: Collaboration) -> None:
    campaign = people.executing()
    plan_id = enqueue(people, campaign)
    people.later(days=60)
    delete_all(people)
    assert people.fresh(campaign).state == CampaignState.EXPIRED
    assert set(states(plan_id)) <= {DeletionState.QUEUED, DeletionState.DROPPED}
    delete_all(people)
    assert states(plan_id) == {DeletionState.DROPPED: {HIGGS, TOP}}
    assert len(people.world.files("T3_B")) == 12


@pytest.mark.parametrize("seed", range(8))
def test_nothing_outside_the_frozen_list_goes_whatever_happens_to_the_inventory(people: Collaboration, seed: int) -> None:
    rng = Random(seed)
    campaign = people.approved() if seed % 2 else people.executing()  # it happens before the release, or after the queue has it
    plan_id = people.revision(campaign).plan_id if seed % 2 else enqueue(people, campaign)
    items = PlanItem.objects.filter(plan_id=plan_id)
    listed = set(items.values_list("site_name", "dataset_name", "block_name"))
    site = people.spare_site()
    for number in range(rng.randrange(1, 4)):  # new data where the list deletes
        people.world.replica(people.world.block(rng.choice([HIGGS, "/New/X-v1/AOD"]), f"new{seed}-{number}"), site)
    for replica in rng.sample(list(BlockReplica.objects.filter(site=site)), k=rng.randrange(0, 4)):
        match rng.randrange(6):
            case 0:
                BlockReplica.objects.filter(block=replica.block).exclude(pk=replica.pk).delete()  # its other copy is lost
            case 1:
                BlockReplica.objects.filter(pk=replica.pk).update(group=people.higgs)
            case 2:
                BlockReplica.objects.filter(pk=replica.pk).update(size_bytes=replica.size_bytes - 1)
            case 3:
                Dataset.objects.filter(pk=replica.block.dataset_id).update(status="INVALID")
            case 4:
                replica.delete()  # gone by another way
            case _:
                lock_create(dataset_pattern=replica.block.dataset.name, actor=people.actor("rita"), now=people.now)
    before = set(BlockReplica.objects.values_list("site__name", "block__dataset__name", "block__name"))
    blocks = {(d, b) for _, d, b in before}
    if seed % 2:
        people.later(days=17)
        Injection.objects.update(finished_at=people.now)
        campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
        enqueue(people, campaign)
    delete_all(people)
    after = set(BlockReplica.objects.values_list("site__name", "block__dataset__name", "block__name"))
    assert before - after <= listed
    assert {(d, b) for _, d, b in after} == blocks  # and never the last copy
    sums = json.loads(
        report_file(campaign_report_make(campaign_id=campaign.pk, actor=people.actor("anna"), now=people.now), "json")
    )["sums"]
    assert sums["deleted"]["items"] == len(before - after)
    assert sum(sums[part]["size_bytes"] for part in ("deleted", "dropped", "failed", "waiting")) == sums["planned"]["size_bytes"]


def test_a_report_adds_up_and_every_changed_byte_is_found(people: Collaboration) -> None:
    campaign = people.executing()
    revision = people.revision(campaign)
    enqueue(people, campaign)
    delete_all(people)
    report = campaign_report_make(campaign_id=campaign.pk, actor=people.actor("anna"), now=people.now)
    assert report.is_final
    files = {f"r.{kind}": report_file(report, kind) for kind in KINDS}
    body = json.loads(files["r.json"])
    assert body["sums"]["planned"] == {"items": 6, "size_bytes": revision.size_bytes} == body["sums"]["deleted"]
    assert body["sums"]["bytes_really_deleted"] == revision.size_bytes
    assert [one["approver"] for one in body["signed"]] == ["petra", "carla"]
    assert files["r.csv"].decode().count("\n") == 7
    assert "Spring cleaning" in files["r.html"].decode()
    found = report_verify(files=files)
    assert [one.problems for one in found] == [()] * 4
    for name, content in files.items():
        step = max(1, len(content) // 25)
        changed = {}
        for at in range(0, len(content), step):
            flipped = bytearray(content)
            flipped[at] ^= 1
            changed[f"{at}-{name}"] = bytes(flipped)
        assert all(not one.is_true for one in report_verify(files=changed)), name


def test_there_is_no_report_before_a_study(people: Collaboration) -> None:
    with pytest.raises(NotReady, match="never studied"):
        campaign_report_make(campaign_id=people.draft().pk, actor=people.actor("anna"), now=people.now)


def test_a_campaign_by_commands_alone(people: Collaboration, tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    from django.utils import timezone  # noqa: PLC0415 - commands go by the real clock

    now = timezone.now()
    text = tmp_path / "text"
    text.write_text("On site.name == T3_*\nWhen always\nUntil never\nDelete dataset.name == /*/*/*\nProtect\n")
    times = [(now + timedelta(days=days)).isoformat() for days in (15, 16, 60)]
    call_command(
        *("campaign", "create", "--as", "olga", "--title", "By hand", "--purpose", "room", "--partition", "Everything"),
        *("--text", str(text), "--exceptions-close", times[0], "--earliest-start", times[1], "--expires", times[2]),
    )
    number = str(people.partition.campaigns.get().pk)
    call_command("campaign", "study", number, "--as", "olga")
    call_command("campaign", "propose", number, "--as", "olga")
    digest = Revision.objects.get(is_current=True).digest
    assert digest in capsys.readouterr().out
    until = (now + timedelta(days=90)).date().isoformat()
    call_command(
        *("campaign", "except", number, "--as", "dan", "--pattern", "/Higgs/*", "--until", until),
        *("--group", "higgs", "--reason", "thesis"),
    )
    exception = str(people.partition.campaigns.get().exceptions.get().pk)
    call_command("campaign", "decide", exception, "--as", "rita", "--grant")
    assert DroppedItem.objects.count() == 3
    with pytest.raises(CommandError, match="somebody else must sign"):
        people.user("olga").groups.add(*people.user("petra").groups.all())
        call_command("campaign", "sign", number, "--as", "olga", "--digest", digest, "--approve")
    for login in ("petra", "carla"):
        call_command("campaign", "sign", number, "--as", login, "--digest", digest, "--approve")
    with pytest.raises(CommandError, match="nothing is deleted before"):
        call_command("campaign", "execute", number, "--as", "olga")
    call_command("campaign", "show", number, "--as", "olga")
    shown = capsys.readouterr().out
    assert "signatures 2 of 2; missing: none" in shown
    assert "beyond a safety limit: 50.00% of the bytes of the partition Everything" in shown
    call_command("campaign", "comment", number, "--as", "dan", "--message", "thank you")
    call_command("campaign", "report", number, "--as", "anna", "--to", str(tmp_path / "reports"))
    files = [str(path) for path in sorted((tmp_path / "reports").iterdir())]
    assert len(files) == 4
    call_command("campaign_verify", *files)
    text.write_text("no report")
    with pytest.raises(CommandError, match="not every file"):
        call_command("campaign_verify", *files, str(text))
    with pytest.raises(CommandError, match="No such file"):
        call_command("campaign_verify", str(tmp_path / "nothing"))
    call_command("campaign", "revise", number, "--as", "olga", "--reason", "again", "--text", str(files[0]))
    call_command("campaign", "edit", number, "--as", "olga", "--title", "By hand, again")
    call_command("campaign", "cancel", number, "--as", "olga", "--reason", "enough")
    assert people.partition.campaigns.get().state == CampaignState.CANCELLED
    for words in (["pause", number, "--reason", "x"], ["resume", number]):
        with pytest.raises(CommandError, match="the campaign is cancelled"):
            call_command("campaign", *words, "--as", "olga")
    with pytest.raises(CommandError, match="no active account"):
        call_command("campaign", "show", number, "--as", "nobody")
