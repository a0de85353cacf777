"""Scans of storages: what is missing, dark or stray, what counts and when, and what stops everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from inventory.models import AuditEvent, BlockReplica, File, PresentFile
from inventory.selectors.sites import SiteStorage
from inventory.services.audit import Actor, audit_verify
from operations.choices import FileOutcome, FindingKind, ScanState
from operations.exceptions import InvalidTransitionError
from operations.models import ScanFinding, ScanFolder, ScanSeen, SiteScans, StorageScan
from operations.services.scan_limits import ScanLimits
from operations.services.scan_missing import missing_confirm, missing_take_back
from operations.services.scan_worker import ScanSummary, scan_work
from operations.services.scans import scan_accept, scan_cancel, scan_discard, scan_start, scans_due_start
from operations.storage import Entry, Gateway, ListingError, Sight, SightKind
from tests.factories.operations import Clock, World, local_gateway

WHO = Actor("tester")
#: Worlds here are small: one file is more than one in a hundred.
LOOSE = ScanLimits(dark_fraction=Decimal("0.9"), missing_fraction=Decimal("0.9"))
OLD = timedelta(days=60)


def write(world: World, path: str, *, at: datetime, size: int = 7, site: str = "T2_A") -> None:
    """Put a file at a path that nobody has said anything of, last changed at a moment."""
    file = world.root(site) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"d" * size)
    os.utime(file, (at.timestamp(), at.timestamp()))


def scan(world: World, clock: Clock, limits: ScanLimits = LOOSE, site: str = "T2_A", **kwargs: Any) -> StorageScan:
    begun = scan_start(site_name=site, actor=WHO, now=clock.now)
    go_on(clock, limits, **kwargs)
    begun.refresh_from_db()
    return begun


def go_on(clock: Clock, limits: ScanLimits = LOOSE, **kwargs: Any) -> ScanSummary:
    kwargs.setdefault("gateway", local_gateway)
    return scan_work(worker="w", clock=clock, limits=limits, sleep=lambda seconds: clock.advance(seconds=seconds), **kwargs)


def findings(of: StorageScan) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for kind, path in ScanFinding.objects.filter(scan=of).values_list("kind", "path"):
        found.setdefault(kind, set()).add(path.lstrip("/"))
    return found


@pytest.fixture
def small(world: World, clock: Clock) -> World:
    """A site with a block of three files, complete in inventory and storage."""
    world.replica(world.block(), world.site())
    return world


LFN = "/store/A/B-1/RAW/b0/f000{}.root"


def test_site_that_is_as_the_inventory_says_has_no_findings(small: World, clock: Clock):
    done = scan(small, clock)
    assert (done.state, done.failure, findings(done)) == (ScanState.DONE, "", {})
    assert (done.files_seen, done.files_known, done.files_expected) == (3, 3, 3)
    assert (done.bytes_seen, done.bytes_expected) == (30, 30)
    assert not ScanFolder.objects.exists()
    assert not ScanSeen.objects.exists()
    assert audit_verify() is None


def test_missing_dark_and_stray_are_told_apart(small: World, clock: Clock):
    elsewhere = small.block(name="b1", num_files=1)
    small.replica(elsewhere, small.site("T3_B"))
    small.path("T2_A", LFN.format(1)).unlink()
    write(small, "store/A/B-1/RAW/b1/f0000.root", at=clock.now)
    write(small, "lost/found", at=clock.now - OLD, size=5)
    write(small, "lost/young", at=clock.now)
    write(small, ".dynamo-trash/2026-01-01/x/y", at=clock.now - OLD)
    (small.root("T2_A") / ".dynamo-storage").write_text("T2_A")
    done = scan(small, clock)
    assert done.state == ScanState.DONE
    assert findings(done) == {
        "MISSING": {LFN.format(1).lstrip("/")},
        "DARK": {"lost/found", "lost/young"},
        "STRAY": {"store/A/B-1/RAW/b1/f0000.root"},
    }
    assert (done.files_missing, done.bytes_missing, done.files_dark, done.bytes_dark) == (1, 10, 1, 5)
    assert (done.files_young, done.files_stray) == (1, 1)


def test_name_by_the_rules_of_the_site_is_known_and_a_path_that_no_rule_makes_is_dark(world: World, clock: Clock):
    rules = [{"pattern": "/store/(.*)", "replacement": "/pool/$1"}]
    site = world.site(lfn_rules=rules)
    world.replica(world.block(num_files=1), site, with_files=False)
    write(world, "pool/A/B-1/RAW/b0/f0000.root", at=clock.now)
    write(world, "store/A/B-1/RAW/b0/f0000.root", at=clock.now)
    done = scan(world, clock)
    assert (done.files_known, findings(done)) == (1, {"DARK": {"store/A/B-1/RAW/b0/f0000.root"}})


def test_rules_that_cannot_be_read_backwards_refuse_the_scan(world: World, clock: Clock):
    world.site(lfn_rules=[{"pattern": "/store/(.*)/(.*)", "replacement": "/$2/$1"}])
    with pytest.raises(InvalidTransitionError, match="LFN rule 1 cannot be read backwards"):
        scan_start(site_name="T2_A", actor=WHO)


@pytest.mark.parametrize(("num_dark", "state"), [(2, "DONE"), (3, "HELD")])
def test_one_per_cent_dark_is_let_through_and_more_is_held(world: World, clock: Clock, num_dark: int, state: str):
    world.replica(world.block(num_files=198, size_bytes=10), world.site())
    for index in range(num_dark):
        write(world, f"dark/{index}", at=clock.now - OLD, size=10)
    done = scan(world, clock, ScanLimits())
    assert done.state == state  # 2 of 200 is 1 % exactly, 3 of 201 is more
    if state == "HELD":
        assert "3 of 201 files that are there are dark (1.49 %), more than 1.00 %" in done.tripped
        assert AuditEvent.objects.filter(action="operations.scan_held").exists()


@pytest.mark.parametrize(("num_missing", "state"), [(1, "DONE"), (2, "HELD")])
def test_one_per_cent_missing_is_let_through_and_more_is_held(world: World, clock: Clock, num_missing: int, state: str):
    world.replica(world.block(num_files=100), world.site())
    for index in range(num_missing):
        world.path("T2_A", LFN.format(index)).unlink()
    assert scan(world, clock, ScanLimits()).state == state


def test_part_of_bytes_counts_as_that_of_files_does(world: World, clock: Clock):
    world.replica(world.block(num_files=150, size_bytes=1), world.site())
    write(world, "dark/large", at=clock.now - OLD, size=2)
    done = scan(world, clock, ScanLimits())
    assert done.tripped == ["2 of 152 bytes that are there are dark (1.32 %), more than 1.00 %"]


def test_held_scan_counts_only_once_a_person_said_why(small: World, clock: Clock):
    small.path("T2_A", LFN.format(1)).unlink()
    held = scan(small, clock, ScanLimits())
    assert held.state == ScanState.HELD
    with pytest.raises(InvalidTransitionError, match="only what a scan that is done found"):
        missing_confirm(scan_id=held.pk, actor=WHO, reason="gone")
    with pytest.raises(InvalidTransitionError, match="decide on it"):
        scan_start(site_name="T2_A", actor=WHO)
    with pytest.raises(InvalidTransitionError, match="say why"):
        scan_accept(scan_id=held.pk, actor=WHO, reason=" ")
    assert scan_accept(scan_id=held.pk, actor=WHO, reason="a disk died").state == ScanState.DONE
    event = AuditEvent.objects.get(action="operations.scan_accept")
    assert (event.reason, event.details["tripped"]) == ("a disk died", held.tripped)
    with pytest.raises(InvalidTransitionError, match="no limit holds it"):
        scan_discard(scan_id=held.pk, actor=WHO, reason="no")


# What a storage shows is not always what is there.


def empty(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
    return iter([])


def breaks_off(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
    for page in gateway.list_folder(folder, should_stop=lambda: False):
        yield page[:1]
        raise ListingError(FileOutcome.RETRYABLE, "503 Service Unavailable")


def shows_twice(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
    """A folder that changes while it is listed may show a name on two pages."""
    pages = list(gateway.list_folder(folder, should_stop=lambda: False))
    yield from [*pages, *pages]


def forbids(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
    raise ListingError(FileOutcome.REFUSED, "permission denied")


def shows_half(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
    for page in gateway.list_folder(folder, should_stop=lambda: False):
        yield [entry for entry in page if entry.is_folder or not entry.name.endswith("1.root")]


@dataclass
class Showing:
    """A storage that lists and looks as it is told, and has never more than a thousand names in a question."""

    real: Gateway
    lists: Any = None
    looks: Any = None
    asked: list[str] = field(default_factory=list)

    def list_folder(self, folder: tuple[str, ...], *, should_stop: Any) -> Iterator[list[Entry]]:
        return self.lists(self.real, folder) if self.lists else self.real.list_folder(folder, should_stop=should_stop)

    def look(self, lfns: Any, *, should_stop: Any) -> list[Sight]:
        self.asked += lfns
        sights = self.real.look(lfns, should_stop=should_stop)
        return [self.looks(sight) for sight in sights] if self.looks else sights


def test_name_that_a_list_shows_twice_is_one_finding_and_a_folder_is_listed_once(small: World, clock: Clock):
    write(small, "lost/found", at=clock.now - OLD)
    done = scan(small, clock, gateway=lambda site: Showing(local_gateway(site), lists=shows_twice))
    assert (done.state, findings(done), done.files_dark) == (ScanState.DONE, {"DARK": {"lost/found"}}, 1)
    assert done.folders_done == 7


@pytest.mark.parametrize(("lists", "why"), [(empty, "no file was found"), (breaks_off, "503"), (forbids, "permission denied")])
def test_storage_that_does_not_show_itself_fails_the_scan_and_nothing_is_missing(
    small: World, clock: Clock, lists: Any, why: str
):
    done = scan(small, clock, gateway=lambda site: Showing(local_gateway(site), lists=lists))
    assert (done.state, findings(done)) == (ScanState.FAILED, {})
    assert why in done.failure


def test_folder_that_is_not_mounted_fails_the_scan(small: World, clock: Clock):
    small.root("T2_A").rename(small.folder / "elsewhere")
    small.root("T2_A").mkdir()
    done = scan(small, clock)
    assert (done.state, done.files_missing) == (ScanState.FAILED, 0)
    assert "is the storage mounted" in done.failure


def test_wrong_place_in_which_nothing_is_known_fails_the_scan(small: World, clock: Clock):
    small.root("T2_A").rename(small.folder / "elsewhere")
    write(small, "some/other/data", at=clock.now - OLD)
    done = scan(small, clock)
    assert "not one of them is among those" in done.failure


def test_file_that_a_list_left_out_is_not_missing_when_it_is_there(small: World, clock: Clock):
    done = scan(small, clock, gateway=lambda site: Showing(local_gateway(site), lists=shows_half))
    assert (done.state, done.files_seen, findings(done)) == (ScanState.DONE, 2, {})


@pytest.mark.parametrize(
    "looks",
    [
        lambda sight: replace(sight, kind=SightKind.UNCLEAR, message="500"),
        lambda sight: sight if sight.kind == SightKind.THERE else replace(sight, kind=SightKind.UNCLEAR),
    ],
)
def test_file_of_which_the_storage_says_nothing_certain_is_not_missing(small: World, clock: Clock, looks: Any):
    small.path("T2_A", LFN.format(1)).unlink()
    done = scan(small, clock, gateway=lambda site: Showing(local_gateway(site), looks=looks))
    assert (done.state, findings(done), done.files_unclear > 0) == (ScanState.DONE, {}, True)


def test_storage_that_goes_away_between_list_and_look_does_not_look_empty(small: World, clock: Clock):
    def goes_away(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
        yield from shows_half(gateway, folder)
        if folder[-1:] == ("b0",):
            small.root("T2_A").rename(small.folder / "elsewhere")
            small.root("T2_A").mkdir()

    done = scan(small, clock, gateway=lambda site: Showing(local_gateway(site), lists=goes_away))
    assert findings(done).get("MISSING", set()) == set()


def test_one_folder_that_may_not_be_listed_is_named_and_the_rest_counts(small: World, clock: Clock):
    write(small, "locked/dark", at=clock.now - OLD)
    write(small, "open/dark", at=clock.now - OLD)

    def some(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
        return forbids(gateway, folder) if folder == ("locked",) else gateway.list_folder(folder, should_stop=lambda: False)

    done = scan(small, clock, gateway=lambda site: Showing(local_gateway(site), lists=some))
    assert (done.state, done.folders_failed, findings(done)) == (ScanState.DONE, 1, {"DARK": {"open/dark"}})
    assert [(f.path, f.problem) for f in ScanFolder.objects.all()] == [("locked", "refused: permission denied")]


def test_links_and_odd_names_are_shown_and_never_followed(small: World, clock: Clock):
    outside = small.folder / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = small.root("T2_A")
    (root / "out").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "%2e%2e").mkdir()
    (root / "%2e%2e" / "x").write_text("x")
    (root / "a\\b").write_text("x")
    (root / "bad\udcff").write_text("x")
    done = scan(small, clock)
    dark = dict(ScanFinding.objects.filter(scan=done).values_list("path", "problem"))
    assert dark.keys() == {"out", "loop", "a\\b", "bad\\xff" if "bad\\xff" in dark else "bad\\udcff"}
    assert all(dark.values())
    assert dark["out"] == "is a symbolic link"
    assert ScanFolder.objects.get().problem.startswith("the path has a percent-encoded character")


# Killed, paused, two at a time.


class Killed(BaseException):
    """Stands for a kill -9: nothing is tidied up."""


def dies_when(steps: Iterator[int]) -> Any:
    """Return a list that is cut off by a kill when *steps* are used up."""

    def lists(gateway: Gateway, folder: tuple[str, ...]) -> Iterator[list[Entry]]:
        for page in gateway.list_folder(folder, should_stop=lambda: False):
            yield page
            if next(steps, None) is None:
                raise Killed

    return lists


def is_killed_on_the_way(clock: Clock) -> bool:
    """Go on with a scan until a kill in the third list; tell whether it came to that."""
    lists = dies_when(iter(range(2)))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("operations.services.scan_worker.scan_release", lambda lease: None)
            go_on(clock, gateway=lambda site: Showing(local_gateway(site), lists=lists))
    except Killed:
        return True
    return False


def one_by_one(*acts: Any) -> Any:
    """Return what does one of *acts* each time it is called, then nothing."""
    left = iter(acts)

    def act() -> None:
        next(left, lambda: None)()

    return act


def test_scan_that_was_killed_goes_on_after_its_lease_where_it_was_written_down(world: World, clock: Clock):
    site = world.site()
    for index in range(4):
        world.replica(world.block(name=f"b{index}"), site)
    world.path("T2_A", LFN.format(1)).unlink()
    write(world, "dark/one", at=clock.now)
    begun = scan_start(site_name="T2_A", actor=WHO, now=clock.now)
    num_runs = 0
    while is_killed_on_the_way(clock):
        num_runs += 1
        assert go_on(clock).num_steps == 0, "the dead worker's lease was ignored"
        clock.advance(seconds=121)
    begun.refresh_from_db()
    assert num_runs >= 3
    assert (begun.state, begun.files_seen, begun.files_known) == (ScanState.DONE, 12, 11)
    assert findings(begun) == {"MISSING": {LFN.format(1).lstrip("/")}, "DARK": {"dark/one"}}


def test_second_scan_of_a_site_is_refused_and_a_second_worker_finds_nothing_to_do(small: World, clock: Clock):
    begun = scan_start(site_name="T2_A", actor=WHO, now=clock.now)
    with pytest.raises(InvalidTransitionError, match="is listing: wait for it"):
        scan_start(site_name="T2_A", actor=WHO)
    others = []

    def meanwhile() -> None:
        others.append(go_on(clock, only=begun.pk).num_steps)

    go_on(clock, on_step=meanwhile)
    assert set(others) == {0}
    begun.refresh_from_db()
    assert (begun.state, begun.files_seen) == (ScanState.DONE, 3)


def test_cancelled_scan_stops_at_its_next_step_and_nothing_of_it_counts(small: World, clock: Clock):
    begun = scan_start(site_name="T2_A", actor=WHO, now=clock.now)
    said = go_on(clock, on_step=one_by_one(lambda: scan_cancel(scan_id=begun.pk, actor=WHO, reason="too slow")))
    begun.refresh_from_db()
    assert (begun.state, begun.decided_reason) == (ScanState.CANCELLED, "too slow")
    assert said.num_steps == 2
    assert not ScanFolder.objects.exists()


def test_rate_is_kept_by_waiting(world: World, clock: Clock):
    world.replica(world.block(num_files=20), world.site())
    begun_at = clock.now
    scan(world, clock, replace(LOOSE, files_per_second=2))
    assert clock.now - begun_at >= timedelta(seconds=10)


def test_scan_does_not_go_on_in_another_place(small: World, clock: Clock):
    begun = scan_start(site_name="T2_A", actor=WHO, now=clock.now)
    small.root("T9").mkdir()
    site = BlockReplica.objects.get().site
    site.endpoint_url = small.root("T9").as_uri()
    site.save()
    go_on(clock)
    begun.refresh_from_db()
    assert (begun.state, "were changed since scan" in begun.failure) == (ScanState.FAILED, True)


# Races with the inventory and the pipeline.


def test_file_that_is_injected_while_the_scan_runs_is_neither_dark_nor_missing(small: World, clock: Clock):
    write(small, "store/A/B-1/RAW/new/f0000.root", at=clock.now, size=10)
    scan_start(site_name="T2_A", actor=WHO, now=clock.now)
    site = BlockReplica.objects.get().site

    def arrives() -> None:
        small.replica(small.block(name="new", num_files=2), site, with_files=False)

    go_on(clock, on_step=one_by_one(*[lambda: None] * 6, arrives))
    assert BlockReplica.objects.count() == 2, "it was never injected"
    done = StorageScan.objects.get()
    # One file of the new block was there and is known now; the other is not there yet, and was not asked for.
    assert (done.state, findings(done)) == (ScanState.DONE, {})


def test_file_that_is_deleted_while_the_scan_runs_is_not_missing(world: World, clock: Clock):
    site = world.site()
    gone = world.replica(world.block(name="gone"), site)
    world.replica(world.block(name="stays"), site)
    for lfn in File.objects.filter(block=gone.block).values_list("lfn", flat=True):
        world.path("T2_A", lfn).unlink()

    def look(sight: Sight) -> Sight:
        BlockReplica.objects.filter(pk=gone.pk).delete()
        return sight

    done = scan(world, clock, gateway=lambda site: Showing(local_gateway(site), looks=look))
    assert (done.state, findings(done)) == (ScanState.DONE, {})


@pytest.mark.parametrize("names_known", [True, False])
def test_incomplete_replica_misses_only_what_it_is_known_to_have(world: World, clock: Clock, names_known: bool):
    replica = world.replica(world.block(), world.site())
    replica.num_files, replica.size_bytes = 2, 20
    replica.save()
    if names_known:
        files = File.objects.order_by("lfn")[:2]
        PresentFile.objects.bulk_create(PresentFile(block_replica=replica, file=file) for file in files)
    for index in (1, 2):
        world.path("T2_A", LFN.format(index)).unlink()
    done = scan(world, clock)
    assert findings(done) == ({"MISSING": {LFN.format(1).lstrip("/")}} if names_known else {})


def test_tape_site_has_no_missing_files_unless_its_lists_show_tape(small: World, clock: Clock):
    site = BlockReplica.objects.get().site
    site.storage_type = "MSS"
    site.save()
    small.path("T2_A", LFN.format(1)).unlink()
    assert findings(scan(small, clock)) == {}
    SiteScans.objects.create(site=site, lists_tape=True)
    assert findings(scan(small, clock)).keys() == {FindingKind.MISSING}


# What becomes of missing files.


def test_missing_files_leave_the_inventory_once_confirmed_and_the_story_is_told(small: World, clock: Clock):
    small.path("T2_A", LFN.format(1)).unlink()
    done = scan(small, clock)
    assert BlockReplica.objects.get().num_files == 3, "a scan alone changes nothing"
    missing_confirm(scan_id=done.pk, actor=WHO, reason="disk 7 died", now=clock.now)
    go_on(clock)
    done.refresh_from_db()
    replica = BlockReplica.objects.get()
    assert (done.state, replica.num_files, replica.size_bytes) == (ScanState.DONE, 2, 20)
    present = PresentFile.objects.order_by("file__lfn").values_list("file__lfn", flat=True)
    assert list(present) == [LFN.format(0), LFN.format(2)]
    event = AuditEvent.objects.get(action="operations.files_missing")
    assert (event.subject, event.actor) == ("/A/B-1/RAW", "tester")
    assert event.reason == "1 file (10 B) of block b0 are not at T2_A; disk 7 died"
    assert event.details["files"] == [[LFN.format(1), 10]]
    assert (event.details["replica_before"]["files"], event.details["replica_after"]["files"]) == (3, 2)
    assert ScanFinding.objects.get().state == "APPLIED"
    with pytest.raises(InvalidTransitionError, match="no missing file waits"):
        missing_confirm(scan_id=done.pk, actor=WHO, reason="again")


def test_file_that_is_there_again_before_it_was_taken_out_stays(small: World, clock: Clock):
    path = small.path("T2_A", LFN.format(1))
    path.rename(small.folder / "aside")
    done = scan(small, clock)
    (small.folder / "aside").rename(path)
    missing_confirm(scan_id=done.pk, actor=WHO, reason="gone", now=clock.now)
    go_on(clock)
    assert BlockReplica.objects.get().num_files == 3
    assert ScanFinding.objects.get().state == "CLEARED"


def test_installation_may_have_them_taken_out_without_a_person_but_not_past_a_limit(small: World, clock: Clock):
    small.path("T2_A", LFN.format(1)).unlink()
    held = scan(small, clock, replace(ScanLimits(), applies_missing=True))
    assert (held.state, BlockReplica.objects.get().num_files) == (ScanState.HELD, 3)
    scan_discard(scan_id=held.pk, actor=WHO, reason="try the setting")
    scan(small, clock, replace(LOOSE, applies_missing=True))
    assert BlockReplica.objects.get().num_files == 2
    assert AuditEvent.objects.get(action="operations.missing_confirm").actor == "setting"


def test_what_is_there_again_at_a_later_scan_can_be_taken_back(small: World, clock: Clock):
    for index in range(3):
        small.path("T2_A", LFN.format(index)).rename(small.folder / f"aside{index}")
    small.replica(small.block(name="other"), BlockReplica.objects.get().site)
    first = scan(small, clock)
    missing_confirm(scan_id=first.pk, actor=WHO, reason="gone", now=clock.now)
    go_on(clock)
    assert BlockReplica.objects.count() == 1, "a replica without files is none"
    with pytest.raises(InvalidTransitionError, match="saw nothing again"):
        missing_take_back(scan_id=first.pk, actor=WHO, reason="back", gateway=local_gateway)
    for index in range(3):
        path = small.path("T2_A", LFN.format(index))
        path.parent.mkdir(parents=True, exist_ok=True)
        (small.folder / f"aside{index}").rename(path)
    small.path("T2_A", LFN.format(2)).write_bytes(b"another size")
    second = scan(small, clock)
    assert findings(second) == {"STRAY": {LFN.format(index).lstrip("/") for index in range(3)}}
    assert missing_take_back(scan_id=second.pk, actor=WHO, reason="back", gateway=local_gateway) == (2, 1)
    replica = BlockReplica.objects.get(block__name="b0")
    assert (replica.num_files, replica.size_bytes) == (2, 20)
    assert AuditEvent.objects.get(action="operations.files_found_again").subject == "/A/B-1/RAW"


def test_scans_of_the_calendar_begin_when_they_are_due_and_not_before(small: World, clock: Clock):
    site = BlockReplica.objects.get().site
    assert scans_due_start(now=clock.now) == [], "off unless somebody says so"
    SiteScans.objects.create(site=site, every_days=7)
    assert len(scans_due_start(now=clock.now)) == 1
    assert scans_due_start(now=clock.now) == []
    go_on(clock)
    clock.advance(days=6.9)
    assert scans_due_start(now=clock.now) == []
    clock.advance(days=0.2)
    site.status = "MORGUE"
    site.save()
    assert scans_due_start(now=clock.now) == []
    site.status = "READY"
    site.save()
    assert len(scans_due_start(now=clock.now)) == 1


def test_gateway_is_that_of_the_site(small: World, clock: Clock):
    asked: list[str] = []

    def way(site: SiteStorage) -> Gateway:
        asked.append(site.name)
        return local_gateway(site)

    scan(small, clock, gateway=way)
    assert set(asked) == {"T2_A"}
