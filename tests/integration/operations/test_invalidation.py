"""Data that are declared bad: previewed, confirmed as previewed, gone from storage, then from the inventory; never by halves."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from dynamo_site.demo.sample import data_files
from inventory.choices import InjectionState
from inventory.exceptions import InvalidInput
from inventory.models import AuditEvent, Block, BlockReplica, Dataset, File, Injection, Lock, PresentFile
from inventory.services.audit import Actor, audit_verify
from inventory.services.injections import inject
from inventory.services.locks import lock_create
from inventory.services.naming import targets_named, targets_of, targets_read
from operations.choices import DeletionState, InvalidationState
from operations.exceptions import InvalidationChangedError, InvalidTransitionError, LockedDataError
from operations.models import Deletion, Invalidation
from operations.services.invalidation_preview import InvalidationPreview, invalidation_preview
from operations.services.invalidations import invalidation_confirm
from operations.services.queue import plan_enqueue
from operations.services.sweep import sweep
from operations.services.worker import work
from policies.choices import PlanKind, PlanState
from policies.models import Plan, PlanItemFile
from policies.selectors.plans import plan_digest_matches
from tests.factories.operations import EAGER, Clock, World, seeded

pytestmark = pytest.mark.django_db

ACTOR = Actor("operator")
RAW = "/A/B-1/RAW"


@pytest.fixture(autouse=True)
def _fresh_inventory() -> None:
    Injection.objects.create(source="t", started_by="t", state=InjectionState.COMPLETED, finished_at=timezone.now())


@pytest.fixture
def two_sites(world: World) -> World:
    """A dataset of two blocks with three files each, at two sites."""
    sites = [world.site("T2_A"), world.site("T3_B")]
    for name in ("b0", "b1"):
        block = world.block(RAW, name)
        for site in sites:
            world.replica(block, site)
    Dataset.objects.filter(name=RAW).update(size_bytes=60, num_files=6, num_blocks=2)
    return world


def lfn(block: str, number: int) -> str:
    return f"/store{RAW}/{block}/f{number:04d}.root"


def preview(**names: Any) -> InvalidationPreview:
    is_metadata_only = names.pop("is_metadata_only", False)
    return invalidation_preview(targets=targets_named(**names), now=timezone.now(), is_metadata_only=is_metadata_only)


def confirm(*, actor: Actor = ACTOR, override_locks: tuple[int, ...] = (), digest: str = "", **names: Any) -> Invalidation:
    is_metadata_only = names.pop("is_metadata_only", False)
    found = digest or preview(is_metadata_only=is_metadata_only, **names).digest
    return invalidation_confirm(
        targets=targets_named(**names),
        digest=found,
        actor=actor,
        reason="bad detector geometry",
        override_locks=override_locks,
        is_metadata_only=is_metadata_only,
    )


def carry_out() -> None:
    clock = Clock(timezone.now())
    for plan in Plan.objects.filter(state=PlanState.RELEASED):
        plan_enqueue(plan.pk)
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())
    sweep(now=clock(), limits=EAGER, rng=seeded())


def sums() -> tuple[int, int, int]:
    return Dataset.objects.values_list("size_bytes", "num_files", "num_blocks").get(name=RAW)


# --- what goes


def test_one_file_goes_everywhere_and_the_rest_of_its_block_is_whole_again(two_sites: World) -> None:
    found = preview(datasets=[RAW], block="b0", files=[lfn("b0", 1)])
    assert (found.num_files, found.size_bytes, len(found.copies)) == (1, 10, 2)
    assert [(at.site, at.num_files, at.size_bytes) for at in found.by_site] == [("T2_A", 1, 10), ("T3_B", 1, 10)]
    done = confirm(datasets=[RAW], block="b0", files=[lfn("b0", 1)])
    assert PlanItemFile.objects.count() == 2
    carry_out()
    done.refresh_from_db()
    assert (done.state, done.kept) == (InvalidationState.DONE, {})
    assert not File.objects.filter(lfn=lfn("b0", 1)).exists()
    for site in ("T2_A", "T3_B"):
        assert lfn("b0", 1) not in two_sites.files(site)
        assert len(two_sites.files(site)) == 5
    block = Block.objects.get(name="b0")
    assert (block.size_bytes, block.num_files, sums()) == (20, 2, (50, 5, 2))
    assert set(BlockReplica.objects.filter(block=block).values_list("size_bytes", "num_files")) == {(20, 2)}
    assert not PresentFile.objects.exists()


def test_a_file_that_is_gone_at_one_site_alone_leaves_an_incomplete_replica_that_knows_what_it_has(two_sites: World) -> None:
    confirm(files=[lfn("b0", 1)])
    Deletion.objects.all().delete()
    plan_enqueue(Plan.objects.get().pk)
    Deletion.objects.filter(site_name="T2_A").update(not_before=timezone.now() + timedelta(hours=1))
    work(worker="w", clock=Clock(timezone.now()), limits=EAGER, rng=seeded())
    gone, whole = (BlockReplica.objects.get(block__name="b0", site__name=name) for name in ("T3_B", "T2_A"))
    assert (gone.size_bytes, gone.num_files) == (20, 2)
    assert set(PresentFile.objects.filter(block_replica=gone).values_list("file__lfn", flat=True)) == {lfn("b0", 0), lfn("b0", 2)}
    assert (whole.size_bytes, whole.num_files) == (30, 3)
    assert File.objects.filter(lfn=lfn("b0", 1)).exists()


def test_a_block_goes_with_all_its_files(two_sites: World) -> None:
    done = confirm(datasets=[RAW], block="b0")
    carry_out()
    done.refresh_from_db()
    assert done.state == InvalidationState.DONE
    assert not Block.objects.filter(name="b0").exists()
    assert (sums(), len(two_sites.files("T2_A")), len(two_sites.files("T3_B"))) == ((30, 3, 1), 3, 3)


def test_all_files_of_a_block_by_name_are_the_block(two_sites: World) -> None:
    found = preview(files=[lfn("b0", number) for number in range(3)])
    assert [block.is_whole for block in found.named.blocks] == [True]


def test_a_dataset_goes_last_copies_included_and_leaves_no_trace_but_its_record(world: World) -> None:
    world.replica(world.block(RAW), world.site("T2_A"))
    found = preview(datasets=[RAW])
    assert (found.num_last_copies, found.last_copies) == (1, (f"{RAW}#b0 at T2_A",))
    done = confirm(datasets=[RAW])
    carry_out()
    done.refresh_from_db()
    assert done.state == InvalidationState.DONE
    assert not Dataset.objects.exists()
    assert world.files("T2_A") == set()
    assert audit_verify() is None


def test_data_without_copies_are_forgotten_at_once(world: World) -> None:
    world.block(RAW)
    done = confirm(datasets=[RAW])
    assert (done.state, done.plan_id) == (InvalidationState.DONE, None)
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("names", "left"), [({"datasets": [RAW]}, 0), ({"files": [lfn("b0", 1)]}, 5), ({"datasets": [RAW], "block": "b1"}, 3)]
)
def test_metadata_only_forgets_at_once_and_leaves_the_files(two_sites: World, names: dict[str, Any], left: int) -> None:
    done = confirm(is_metadata_only=True, **names)
    assert (done.state, done.plan_id) == (InvalidationState.DONE, None)
    assert len(two_sites.files("T2_A")) == 6
    assert File.objects.count() == left
    assert len(two_sites.files_in_inventory("T2_A")) == left


# --- what is kept of it


def test_the_record_has_names_sizes_and_checksums_of_everything(two_sites: World) -> None:
    File.objects.update(checksum="adler32:01020304")
    done = confirm(files=[lfn("b0", 1)])
    with default_storage.open(done.archive) as stored:
        content = stored.read()
    assert hashlib.sha256(content).hexdigest() == done.archive_digest
    rows = [json.loads(line) for line in gzip.decompress(content).splitlines()]
    assert rows[0]["files"] == [{"name": lfn("b0", 1), "size": 10, "checksum": "adler32:01020304"}]
    assert [row["site"] for row in rows[1:]] == ["T2_A", "T3_B"]
    event = AuditEvent.objects.get(action="operations.invalidate")
    assert (event.reason, event.details["archive_digest"]) == ("bad detector geometry", done.archive_digest)


# --- what refuses


def test_the_confirmation_is_of_the_preview_alone(two_sites: World) -> None:
    digest = preview(datasets=[RAW], block="b0").digest
    with pytest.raises(InvalidationChangedError, match="not what the preview"):
        confirm(datasets=[RAW], digest=digest)
    with pytest.raises(InvalidationChangedError):
        confirm(datasets=[RAW], block="b0", digest=digest, is_metadata_only=True)
    assert not Plan.objects.exists()


def _new_copy(world: World) -> None:
    world.replica(Block.objects.get(name="b0"), world.site("T4_C"))


def _new_file(world: World) -> None:
    File.objects.create(block=Block.objects.get(name="b0"), lfn="/store/new.root", size_bytes=1)


def _fewer(world: World) -> None:
    BlockReplica.objects.filter(block__name="b0", site__name="T3_B").delete()


def _locked(world: World) -> None:
    Lock.objects.create(dataset_pattern=RAW, owner="higgs")


def _planned(world: World) -> None:
    world.plan(BlockReplica.objects.filter(block__name="b0"))


@pytest.mark.parametrize("change", [_new_copy, _new_file, _fewer, _locked, _planned])
def test_anything_that_changed_since_the_preview_refuses(two_sites: World, change: Any) -> None:
    digest = preview(datasets=[RAW], block="b0").digest
    change(two_sites)
    archives = _archives()
    with pytest.raises(InvalidationChangedError):
        confirm(datasets=[RAW], block="b0", digest=digest)
    assert not Invalidation.objects.exists()
    assert _archives() == archives


def _archives() -> list[str]:
    return default_storage.listdir("invalidations")[1] if default_storage.exists("invalidations") else []


def test_locked_data_need_their_lock_overridden_by_name(two_sites: World) -> None:
    lock = lock_create(dataset_pattern=RAW, actor=Actor("higgs"), now=timezone.now())
    found = preview(datasets=[RAW])
    (held,) = found.locks
    assert (held.lock_id, held.owner, held.num_block_replicas, held.size_bytes) == (lock.pk, "higgs", 4, 120)
    with pytest.raises(LockedDataError, match=f"lock {lock.pk} of higgs holds 4"):
        confirm(datasets=[RAW])
    confirm(datasets=[RAW], override_locks=(lock.pk,))
    carry_out()
    assert not Dataset.objects.exists()


def user(name: str, *rights: str) -> Actor:
    account = get_user_model().objects.create_user(name)
    account.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return Actor.of(get_user_model().objects.get(pk=account.pk))


def test_only_the_owner_or_who_has_the_right_overrides_a_lock(two_sites: World) -> None:
    lock = Lock.objects.create(dataset_pattern=RAW, owner="higgs")
    with pytest.raises(LockedDataError, match="is higgs's: other may not override it"):
        confirm(datasets=[RAW], override_locks=(lock.pk,), actor=user("other", "invalidate"))
    confirm(datasets=[RAW], block="b0", override_locks=(lock.pk,), actor=user("higgs", "invalidate"))
    confirm(datasets=[RAW], block="b1", override_locks=(lock.pk,), actor=user("admin", "invalidate", "override_lock"))


def test_a_lock_that_comes_later_still_protects(two_sites: World) -> None:
    first = lock_create(dataset_pattern=RAW, actor=ACTOR, now=timezone.now())
    done = confirm(datasets=[RAW], override_locks=(first.pk,))
    lock_create(dataset_pattern=RAW, block_pattern="b1", actor=Actor("late"), now=timezone.now())
    carry_out()
    done.refresh_from_db()
    assert done.state == InvalidationState.KEPT
    assert done.kept == {f"{RAW}#b1": "there are copies of it at T2_A, T3_B", RAW: "it has 1 blocks left"}
    assert set(Deletion.objects.values_list("block_name", "state")) == {("b0", "DONE"), ("b1", "DROPPED")}


def test_it_takes_the_right_and_a_reason(two_sites: World) -> None:
    with pytest.raises(PermissionDenied):
        confirm(datasets=[RAW], actor=user("nobody"))
    with pytest.raises(InvalidTransitionError, match="say why"):
        invalidation_confirm(targets=targets_named(datasets=[RAW]), digest="", actor=ACTOR, reason=" ")


def test_what_is_being_deleted_at_this_moment_is_waited_for(two_sites: World) -> None:
    plan_enqueue(two_sites.plan(BlockReplica.objects.filter(block__name="b0", site__name="T3_B")).pk)
    Deletion.objects.update(state=DeletionState.ACTING, lease_token="0" * 32, lease_until=timezone.now())
    with pytest.raises(InvalidTransitionError, match="1 of the block replicas are being deleted"):
        confirm(datasets=[RAW])


def test_unknown_names_are_shown_and_left_out(two_sites: World) -> None:
    found = preview(datasets=[RAW, "/No/Such/SET"])
    assert found.named.unknown == ("/No/Such/SET",)
    with pytest.raises(InvalidTransitionError, match="nothing of that is in the inventory"):
        confirm(datasets=["/No/Such/SET"])
    assert preview(datasets=[RAW], block="b1", files=[lfn("b0", 1)]).named.unknown == (lfn("b0", 1),)


# --- what comes in between


def test_a_block_that_grows_meanwhile_is_not_deleted_by_halves(two_sites: World) -> None:
    done = confirm(datasets=[RAW], block="b0")
    block = Block.objects.get(name="b0")
    new = File.objects.create(block=block, lfn="/store/new.root", size_bytes=5)
    Block.objects.filter(pk=block.pk).update(size_bytes=35, num_files=4)
    BlockReplica.objects.filter(block=block).update(size_bytes=35, num_files=4)
    carry_out()
    done.refresh_from_db()
    assert done.state == InvalidationState.KEPT
    assert done.kept[f"{RAW}#b0"] == "it has other files than when it was named: 4 now, 3 then"
    assert len(two_sites.files("T2_A")) == 6
    assert File.objects.filter(pk=new.pk).exists()
    assert "changed since the plan" in Deletion.objects.first().reason


def test_a_copy_that_comes_meanwhile_keeps_the_block_and_says_so(two_sites: World) -> None:
    done = confirm(datasets=[RAW])
    two_sites.replica(Block.objects.get(name="b0"), two_sites.site("T4_C"))
    carry_out()
    done.refresh_from_db()
    assert done.kept == {f"{RAW}#b0": "there are copies of it at T4_C", RAW: "it has 1 blocks left"}
    assert len(two_sites.files("T4_C")) == 3


def test_an_altered_list_of_files_is_not_carried_out(two_sites: World) -> None:
    confirm(files=[lfn("b0", 1)])
    plan = Plan.objects.get(kind=PlanKind.INVALIDATION)
    assert plan_digest_matches(plan.pk)
    PlanItemFile.objects.update(lfn=lfn("b0", 2))
    assert not plan_digest_matches(plan.pk)


def test_an_old_inventory_holds_the_plan_for_a_person(two_sites: World) -> None:
    Injection.objects.update(finished_at=timezone.now() - timedelta(days=30))
    assert confirm(datasets=[RAW]).plan.state == PlanState.HELD


# --- documents and the command


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"dataset": []}, "no dataset is named"),
        ({"dataset": [{"name": RAW, "blocks": []}]}, 'leave "blocks" out to name the dataset'),
        ({"dataset": [{"name": RAW, "blocks": [{"name": "b0", "files": {}}]}]}, 'leave "files" out to name the block b0'),
        ({"dataset": [{"size": 1}]}, r"dataset\[0\]: a dataset with a name was expected"),
        ({"dataset": [{"name": 7}]}, "is no name of a dataset"),
        ({"site": [{"name": "T2_A"}]}, 'a section "site" names no data'),
    ],
)
def test_a_document_that_names_nothing_says_where(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        targets_of(document)


def test_the_documented_example_works_as_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One dataset with a block of two files and a replica; one of its files is invalidated."""
    document = tmp_path / "new.json"
    files = [{"name": f"/store/a/{number}.root", "size": 10} for number in (1, 2)]
    (tmp_path / "mit").mkdir()
    (tmp_path / "mit" / "store" / "a").mkdir(parents=True)
    for file in files:
        (tmp_path / "mit" / str(file["name"]).removeprefix("/")).write_bytes(b"x" * 10)
    when = {"last_update": 1764547200}
    site = {"name": "T2_US_MIT", "storage_type": "disk", "status": "ready", "backend": (tmp_path / "mit").as_uri()}
    content = {
        "site": [site],
        "dataset": [{"name": "/A/B/C", "blocks": [{"name": "b1", "files": files} | when]} | when],
        "datasetreplica": [{"dataset": "/A/B/C", "site": "T2_US_MIT", "blockreplicas": [{"block": "b1"} | when]}],
    }
    document.write_text(json.dumps(content))
    inject(source=str(document), actor=ACTOR)
    bad = tmp_path / "bad.json"
    block = {"name": "b1", "files": [{"name": "/store/a/1.root"}]}
    bad.write_text(json.dumps({"dataset": [{"name": "/A/B/C", "blocks": [block]}]}))
    assert [str(target) for target in targets_read(str(bad))] == ["/store/a/1.root"]
    call_command("invalidate", str(bad))
    said = capsys.readouterr().out
    assert "1 block, 1 file, 10 B" in said
    assert "LAST COPIES: 1" in said
    digest = said.split("--confirm ")[1].split()[0]
    call_command("invalidate", str(bad), confirm=digest, reason="bad file")
    carry_out()
    assert list(File.objects.values_list("lfn", flat=True)) == ["/store/a/2.root"]
    assert [path.name for path in data_files(tmp_path / "mit")] == ["2.root"]
    out = io.StringIO()
    call_command("invalidate", dataset=["/A/B/C"], block="b1", file=["/store/a/2.root"], stdout=out)
    assert "1 whole" not in out.getvalue()


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        ({}, 2, "name a FILE, or data"),
        ({"dataset": ["/A/B/C"], "confirm": "0"}, 2, "--reason is needed"),
        ({"dataset": ["/A/B/C"], "confirm": "0" * 64, "reason": "why"}, 1, "not what the preview"),
        ({"block": "b1"}, 1, "of which dataset is the block"),
    ],
)
def test_the_command_refuses_wrong_use(options: dict[str, Any], code: int, problem: str) -> None:
    with pytest.raises(CommandError, match=problem) as refused:
        call_command("invalidate", **options)
    assert refused.value.returncode == code


def test_a_preview_of_many_files_asks_as_few_queries_as_one_of_few(two_sites: World, django_assert_max_num_queries) -> None:
    block = two_sites.block("/A/B-2/RAW", "big", num_files=400)
    two_sites.replica(block, two_sites.site("T9"), with_files=False)
    names = [row.lfn for row in File.objects.filter(block=block)[:399]]
    with django_assert_max_num_queries(24):
        assert preview(files=names).num_files == 399
