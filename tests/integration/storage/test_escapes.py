"""Names that try to leave a site's root, on a real server of each kind: whatever is asked, nothing beside it is touched."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import File, Injection, Site
from inventory.selectors.sites import LfnRule
from inventory.services.audit import Actor
from operations.choices import FileOutcome
from operations.models import Deletion, ScanFinding, ScanFolder, SiteScans, StorageScan
from operations.services.clean_ups import clean_up_create, clean_up_release
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.scan_limits import ScanLimits
from operations.services.scan_worker import scan_work
from operations.services.scans import scan_start
from operations.services.worker import work
from operations.storage import Gateway, ListingError, TrashedFile, path_problem
from operations.storage.paths import MAX_RULES
from policies.models import PlanItem
from tests.factories.operations import Clock, local_gateway, seeded
from tests.factories.storages import FolderStorage, RealStorage, Servers
from tests.integration.storage.test_back_ends import FOLDER, never
from tests.integration.storage.test_shows import world_at
from tests.unit.operations.path_escapes import ODD, RULE_TRICKS, UNNAMEABLE, escapes

CONTENT = b"canary"
CORPUS = escapes()
NO_STOP = ScanLimits(dark_fraction=Decimal(1), missing_fraction=Decimal(1))


def kept(lfns: Sequence[str]) -> list[TrashedFile]:
    """Return files whose place in the trash is one that is there, so that only their names can keep them from coming back."""
    return [TrashedFile(lfn, FOLDER, "kept", len(CONTENT), f"adler32:{zlib.adler32(CONTENT):08x}") for lfn in lfns]


#: What is asked of a storage, and the one answer that names of the corpus get.
ACTS: dict[str, tuple[Callable[[Gateway, Sequence[str]], Sequence[Any]], str]] = {
    "delete": (lambda gateway, lfns: gateway.delete(lfns, should_stop=never), "REFUSED"),
    "trash": (lambda gateway, lfns: gateway.trash(kept(lfns), should_stop=never), "REFUSED"),
    "restore": (lambda gateway, lfns: gateway.restore(kept(lfns), should_stop=never), "REFUSED"),
    "look": (lambda gateway, lfns: gateway.look(lfns, should_stop=never), "not known"),
}


def filled(storage: RealStorage) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Put what names could be mistaken for into the root; return what lies in it and what lies beside it."""
    for name in ("/store/a/b", "/store/f", "/b", "/secret", "/outside/secret", "/store/outside/secret", "/.dynamo-storage"):
        storage.put(name, b"T2_A" if name == "/.dynamo-storage" else CONTENT)
    storage.put(f"/.dynamo-trash/{FOLDER}/kept", CONTENT)
    assert len(storage.outside()) >= 2
    return storage.files(), storage.outside()


def answer(result: Any) -> str:
    return str(result.outcome if hasattr(result, "outcome") else result.kind.value)


def test_corpus_is_large_enough():
    assert len(CORPUS) >= 200


@pytest.mark.parametrize("act", ACTS)
def test_no_name_of_the_corpus_leads_out_of_the_root(storage: RealStorage, act: str):
    ask, expected = ACTS[act]
    before = filled(storage)
    results = ask(storage.gateway(), CORPUS)
    assert {result.lfn: answer(result) for result in results} == dict.fromkeys(CORPUS, expected)
    assert all(result.message for result in results)
    assert (storage.files(), storage.outside()) == before


def rule_sets() -> list[dict[str, LfnRule]]:
    """Return rules, by the one harmless name that each takes, that make each name of the corpus, in sets that a site may have."""
    sayable = [name for name in CORPUS if len(name) <= 1024 and not any("\ud800" <= char <= "\udfff" for char in name)]
    rules = {f"/plain/{n}": LfnRule(f"/plain/{n}", path.replace("$", "$$")) for n, path in enumerate(sayable)}
    names = list(rules)
    return [{name: rules[name] for name in names[start : start + MAX_RULES]} for start in range(0, len(names), MAX_RULES)]


@pytest.mark.parametrize("act", ACTS)
def test_no_rule_makes_a_path_that_leads_out_of_the_root(storage: RealStorage, act: str):
    ask, expected = ACTS[act]
    before = filled(storage)
    number = 0
    for rules in rule_sets():
        results = ask(storage.gateway(rules=tuple(rules.values())), list(rules))
        assert {result.lfn: answer(result) for result in results} == dict.fromkeys(rules, expected)
        number += len(results)
    for pattern, replacement, lfn in RULE_TRICKS:
        (result,) = ask(storage.gateway(rules=(LfnRule(pattern, replacement),)), [lfn])
        assert (answer(result), pattern, replacement) == (expected, pattern, replacement)
    assert number + len(RULE_TRICKS) >= 200
    assert (storage.files(), storage.outside()) == before


def test_no_folder_of_the_corpus_is_listed(storage: RealStorage):
    before = filled(storage)
    gateway, folders = storage.gateway(), {tuple(name.removeprefix("/").split("/")) for name in CORPUS} - {("",)}
    assert len(folders) >= 200
    for folder in sorted(folders):
        with pytest.raises(ListingError) as refused:
            list(gateway.list_folder(folder, should_stop=never))
        assert refused.value.outcome == FileOutcome.REFUSED
    assert (storage.files(), storage.outside()) == before


def held(storage: RealStorage) -> list[str]:
    """Put files of such names into the root, as far as this kind of storage can hold them; return their names."""
    names = []
    for name in CORPUS:
        is_marker = name.endswith("/.dynamo-storage")  # then the folder would be another site's
        if is_marker or "\ud800" in name or not name.strip("/.") or len(name) > 900:
            continue
        if storage.kind == "s3" and any(char < " " for char in name):
            continue  # a list is XML, which has no such characters
        if storage.kind == "xrootd" and "\n" in name:
            continue  # its folder cannot be listed at all: see below
        if storage.kind != "s3" and {"", ".", ".."}.intersection(name.removeprefix("/").split("/")):
            continue  # to a file system that is another file, or the root's parent
        with contextlib.suppress(OSError, ValueError):  # a folder has this name, or none can
            storage.put(f"/{name.removeprefix('/')}", CONTENT)
            names.append(name)
    return names


@pytest.mark.django_db
def test_scan_and_clean_up_take_nothing_of_such_a_name(storage: RealStorage, tmp_path: Any):
    """A storage may hold them: they are shown with what is wrong with them, and stay; what is merely dark goes."""
    clock = Clock(now=timezone.now() + timedelta(days=100))
    world = world_at(storage, tmp_path, num_blocks=1, num_files=3)
    for name in (*world.files_in_inventory("T3_B"), "/left/over"):
        storage.put(name, b"x" * 10)
    names = held(storage)
    assert len(names) >= 100
    before, outside = storage.files(), storage.outside()
    done = scanned_twice(clock)
    named = ScanFinding.objects.filter(scan=done).exclude(problem="").count() + ScanFolder.objects.filter(scan=done).count()
    assert named >= 20
    planned = cleaned_up(done, clock)
    assert "left/over" in planned
    assert {path for path in planned if path_problem(path.split("/"))} == set()
    assert planned.isdisjoint(name.removeprefix("/") for name in names)
    assert set(Deletion.objects.values_list("state", flat=True)) == {"DONE"}
    assert storage.files() == {name: content for name, content in before.items() if name != "/left/over"}
    assert storage.outside() == outside


@pytest.mark.django_db
def test_dark_files_of_odd_names_are_cleaned_up_or_shown_with_the_reason_why_they_stay(storage: RealStorage, tmp_path: Any):
    """None is listed for a clean-up that then fails; a file of such a name that the inventory knows is not dark."""
    clock = Clock(now=timezone.now() + timedelta(days=100))
    world = world_at(storage, tmp_path, num_blocks=1, num_files=3)
    known, *dark = ["/store/known?", *ODD]
    File.objects.filter(lfn=world.files_in_inventory("T3_B").pop()).update(lfn=known)
    for name in world.files_in_inventory("T3_B"):
        storage.put(name, b"x" * 10)
    for name in dark:
        storage.put(name, b"x" * 10)
    done = scanned_twice(clock)
    stays = {name for name in dark if any(text in name for text in UNNAMEABLE[storage.kind])}
    # Of what lies in a folder that cannot be asked for nothing is known.
    shown = {name for name in stays if "?/" not in name}
    findings = {f"/{row.path}": row.problem for row in ScanFinding.objects.filter(scan=done)}
    assert {name for name, problem in findings.items() if "which this storage cannot name" in problem} == shown
    assert set(findings) == set(dark) - stays | shown
    folders = {f"/{row.path}/" for row in ScanFolder.objects.filter(scan=done, problem__contains="cannot name")}
    assert folders == {name.removesuffix("c") for name in stays - shown}
    assert cleaned_up(done, clock) == {name.removeprefix("/") for name in set(dark) - stays}
    assert set(Deletion.objects.values_list("state", flat=True)) == {"DONE"}
    assert storage.names() == {*world.files_in_inventory("T3_B"), *stays}


def scanned_twice(clock: Clock) -> StorageScan:
    """Scan T3_B twice, 28 days apart, with limits that let all count; return the second scan."""
    SiteScans.objects.create(site=Site.objects.get(name="T3_B"), has_no_links=True)
    for _ in range(2):
        done = scan_start(site_name="T3_B", actor=Actor("tester"), now=clock.now)
        scan_work(worker="w", clock=clock, limits=NO_STOP, gateway=local_gateway)
        clock.advance(days=28)
    done = StorageScan.objects.get(pk=done.pk)
    assert (done.state, done.failure, done.files_known) == ("DONE", "", 3)
    return done


def cleaned_up(done: StorageScan, clock: Clock) -> set[str]:
    """Have all that counts cleaned up, without a trash; return the paths that were planned."""
    row = clean_up_create(
        scan_id=done.pk, actor=Actor("tester"), reason="left over", now=clock.now, limits=NO_STOP, gateway=local_gateway
    )
    Injection.objects.create(state="COMPLETED", started_at=clock.now, finished_at=clock.now)
    clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=Actor("another"), reason="seen", now=clock.now)
    plan_enqueue(row.plan_id, now=clock.now)
    work(worker="w", clock=clock, gateway=local_gateway, limits=QueueLimits(trash_days=None), rng=seeded())
    return set(PlanItem.objects.filter(plan_id=row.plan_id).values_list("path", flat=True))


@pytest.mark.xrootd
def test_xrootd_folder_with_a_line_break_in_a_name_has_no_list(servers: Servers):
    """Its lists are lines: half a name is never taken for a file."""
    storage = servers.storage("xrootd")
    storage.put("/store/a\nb")
    with pytest.raises(ListingError):
        list(storage.gateway().list_folder(("store",), should_stop=never))


@pytest.mark.parametrize("act", ["delete", "trash", "restore", "look"])
@pytest.mark.parametrize("target", ["/{outside}", "../../outside", "/{outside}/secret", "../../outside/secret"])
def test_link_in_a_local_folder_leads_nowhere(servers: Servers, act: str, target: str):
    storage = servers.storage("local")
    assert isinstance(storage, FolderStorage)
    filled(storage)
    (storage.root / "store/link").symlink_to(target.replace("/{outside}", str(storage.folder / "outside")))
    before = storage.files(), storage.outside()
    ask, _ = ACTS[act]
    is_folder = not target.endswith("secret")
    lfn = "/store/link/secret" if is_folder else "/store/link"
    (result,) = ask(storage.gateway(), [lfn])
    # What is to come back to a place at which a link lies finds it taken.
    refusals = {"restore": "UNKNOWN" if is_folder else "TAKEN", "look": "not known"}
    assert answer(result) == refusals.get(act, "REFUSED")
    assert (storage.files(), storage.outside()) == before
    assert (storage.root / "store/link").is_symlink()
