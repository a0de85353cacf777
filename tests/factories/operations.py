"""Small worlds for the deletion pipeline: sites as real folders, block replicas with real files, released plans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File, Group, Site
from inventory.selectors.sites import SiteStorage
from operations.choices import FileOutcome
from operations.services.limits import QueueLimits
from operations.storage import Entry, FileResult, Gateway, Sight, TrashedFile, gateway_for
from policies.choices import CycleKind, CycleState, PlanAction, PlanState
from policies.models import Cycle, Partition, Plan, PlanItem, PlanItemFile
from policies.selectors.plans import digest_row, file_names_digest, items_digest

NOW = datetime(2026, 1, 1, tzinfo=UTC)

#: Looks at pause and lease before each file, never waits long.
EAGER = QueueLimits(watch_interval=timedelta(0), local_batch_factor=1)


@dataclass
class Clock:
    """A clock that tests move; every reading may move it too."""

    now: datetime = NOW
    step: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def advance(self, **kwargs: float) -> None:
        self.now += timedelta(**kwargs)


@dataclass
class World:
    """An inventory and the storage that it describes, below one folder."""

    folder: Path
    partition_name: str = "Everything"
    _datasets: dict[str, Dataset] = field(default_factory=dict)

    def root(self, site_name: str) -> Path:
        return self.folder / site_name

    def site(self, name: str = "T2_A", **kwargs: Any) -> Site:
        """Make a site and its folder; ``endpoint_url`` may be given."""
        self.root(name).mkdir(parents=True, exist_ok=True)
        return Site.objects.create(**{"name": name, "endpoint_url": self.root(name).as_uri()} | kwargs)

    def block(self, dataset: str = "/A/B-1/RAW", name: str = "b0", num_files: int = 3, size_bytes: int = 10) -> Block:
        """Make a block with files of *size_bytes* each."""
        if dataset not in self._datasets:
            self._datasets[dataset] = Dataset.objects.create(name=dataset, last_update=NOW, is_open=False)
        block = Block.objects.create(
            dataset=self._datasets[dataset], name=name, size_bytes=num_files * size_bytes, num_files=num_files, last_update=NOW
        )
        File.objects.bulk_create(
            File(block=block, lfn=f"/store{dataset}/{name}/f{index:04d}.root", size_bytes=size_bytes)
            for index in range(num_files)
        )
        return block

    def replica(self, block: Block, site: Site, group: Group | None = None, *, with_files: bool = True) -> BlockReplica:
        """Put a complete replica of a block at a site, in the inventory and (unless told not to) in its folder."""
        parent, _ = DatasetReplica.objects.get_or_create(dataset=block.dataset, site=site, defaults={"group": group})
        if with_files:
            for lfn, size in block.files.values_list("lfn", "size_bytes"):
                path = self.path(site.name, lfn)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x" * size)
        return BlockReplica.objects.create(
            dataset_replica=parent,
            block=block,
            site=site,
            group=group,
            size_bytes=block.size_bytes,
            num_files=block.num_files,
            last_update=NOW,
        )

    def path(self, site_name: str, lfn: str) -> Path:
        return self.root(site_name) / lfn.removeprefix("/")

    def two_copies(self, num_blocks: int = 1, num_files: int = 3, dataset: str = "/A/B-1/RAW") -> list[BlockReplica]:
        """Make blocks with copies at T2_A and T3_B and return the copies at T3_B, which may go."""
        keep = Site.objects.filter(name="T2_A").first() or self.site("T2_A")
        spare = Site.objects.filter(name="T3_B").first() or self.site("T3_B")
        copies = []
        for index in range(num_blocks):
            block = self.block(dataset, f"b{index:05d}", num_files)
            self.replica(block, keep, with_files=False)
            copies.append(self.replica(block, spare))
        return copies

    def plan(
        self,
        replicas: Iterable[BlockReplica],
        *,
        state: PlanState = PlanState.RELEASED,
        hand_over: Sequence[tuple[BlockReplica, str]] = (),
        only_files: Sequence[str] = (),
    ) -> Plan:
        """Freeze a plan that deletes *replicas*, or *only_files* of them, and then hands over, with the right digest."""
        partition, _ = Partition.objects.get_or_create(name=self.partition_name, defaults={"condition": "replica.size >= 0"})
        cycle = Cycle.objects.create(
            kind=CycleKind.AUTOMATIC,
            state=CycleState.COMPLETED,
            partition=partition,
            text="",
            source="test",
            started_by="test",
            clock=NOW,
            finished_at=NOW,
        )
        wanted = [(replica, PlanAction.DELETE, "") for replica in replicas]
        wanted += [(replica, PlanAction.REOWN, owner) for replica, owner in hand_over]
        plan = Plan.objects.create(
            title=cycle.source, partition=partition, cycle=cycle, state=state, digest="", num_items=len(wanted), size_bytes=0
        )
        items = [
            PlanItem(
                plan=plan,
                sequence=sequence,
                action=action,
                site_name=replica.site.name,
                dataset_name=replica.block.dataset.name,
                block_name=replica.block.name,
                block_replica_key=replica.pk,
                size_bytes=replica.size_bytes,
                num_files=replica.num_files,
                line=0 if action == PlanAction.DELETE else None,
                rule_text="Dismiss",
                new_owner=owner,
                owner=replica.group.name if replica.group is not None else "None",
            )
            for sequence, (replica, action, owner) in enumerate(wanted)
        ]
        PlanItem.objects.bulk_create(items)
        if only_files:
            self._name_files(items, only_files)
        plan.num_items, plan.digest = items_digest(digest_row(item) for item in items)
        plan.size_bytes = sum(item.size_bytes for item in items if not item.new_owner)
        plan.save()
        return plan

    def _name_files(self, items: Sequence[PlanItem], lfns: Sequence[str]) -> None:
        for item in items:
            block = Block.objects.get(dataset__name=item.dataset_name, name=item.block_name)
            files = dict(block.files.filter(lfn__in=lfns).values_list("lfn", "size_bytes"))
            PlanItemFile.objects.bulk_create(
                PlanItemFile(plan_item=item, lfn=lfn, size_bytes=size) for lfn, size in files.items()
            )
            item.files_digest = file_names_digest(files)
            item.num_files, item.size_bytes = len(files), sum(files.values())
            item.save()

    def files(self, site_name: str) -> set[str]:
        """Return the logical names of the files in a site's folder, Dynamo's own left out."""
        root = self.root(site_name)
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return {f"/{path}" for path in found if not path.parts[0].startswith(".dynamo-")}

    def files_in_inventory(self, site_name: str) -> set[str]:
        """Return the logical names of the files that the inventory knows at a site."""
        return set(File.objects.filter(block__replicas__site__name=site_name).values_list("lfn", flat=True))


def local_gateway(site: SiteStorage) -> Gateway:
    return gateway_for(site_name=site.name, endpoint_url=site.endpoint_url, lfn_rules=site.lfn_rules)


@dataclass
class FaultyGateway:
    """A storage that behaves as ``faults`` say, per logical name, in front of a real one.

    A fault is called with a way to the real storage and the name, and returns what the storage claims; it may do anything before.
    ``trashes``: files are put aside; then deleting a file, for a fault, is moving it to the trash.
    """

    real: Gateway
    faults: dict[str, Callable[[Gateway, str], Any]] = field(default_factory=dict)
    default: Callable[[Gateway, str], Any] | None = None
    before: Callable[[str], None] | None = None
    asked: list[str] = field(default_factory=list)
    trashes: bool = False

    @property
    def can_trash(self) -> bool:
        return self.trashes

    def delete(self, lfns: Sequence[str], *, should_stop: Callable[[], bool]) -> list[FileResult]:
        return self._each(lfns, should_stop, lambda lfn: self.real)

    def trash(self, files: Sequence[TrashedFile], *, should_stop: Callable[[], bool]) -> list[FileResult]:
        named = {file.lfn: file for file in files}
        return self._each(list(named), should_stop, lambda lfn: _One(self.real.trash, named[lfn]))

    def purge(self, files: Sequence[TrashedFile], *, should_stop: Callable[[], bool]) -> list[FileResult]:
        named = {file.lfn: file for file in files}
        return self._each(list(named), should_stop, lambda lfn: _One(self.real.purge, named[lfn]))

    def restore(self, files: Sequence[TrashedFile], *, should_stop: Callable[[], bool]) -> list[Any]:
        named = {file.lfn: file for file in files}
        return self._each(list(named), should_stop, lambda lfn: _One(self.real.restore, named[lfn]))

    @property
    def shows_links(self) -> bool:
        return self.real.shows_links

    def list_folder(self, folder: tuple[str, ...], *, should_stop: Callable[[], bool]) -> Iterator[list[Entry]]:
        return self.real.list_folder(folder, should_stop=should_stop)

    def look(self, lfns: Sequence[str], *, should_stop: Callable[[], bool]) -> list[Sight]:
        return self.real.look(lfns, should_stop=should_stop)

    def by_path(self) -> FaultyGateway:
        return replace(self, real=self.real.by_path())

    def _each(self, lfns: Sequence[str], should_stop: Callable[[], bool], real: Callable[[str], Any]) -> list[Any]:
        results = []
        for lfn in lfns:
            if should_stop():
                break
            self.asked.append(lfn)
            if self.before is not None:
                self.before(lfn)
            fault = self.faults.get(lfn, self.default)
            results.append(fault(real(lfn), lfn) if fault else delete_one(real(lfn), lfn))
        return results


@dataclass
class _One:
    """One file and what is done with it, in the shape of a deletion."""

    act: Callable[..., list[Any]]
    file: TrashedFile

    def delete(self, lfns: Sequence[str], *, should_stop: Callable[[], bool]) -> list[Any]:
        return self.act([self.file], should_stop=should_stop)


def delete_one(real: Gateway, lfn: str) -> FileResult:
    return real.delete([lfn], should_stop=lambda: False)[0]


def says(outcome: FileOutcome, message: str = "said so", *, is_untouched: bool = False) -> Callable[[Gateway, str], FileResult]:
    """Return a fault: the storage does nothing and answers so."""
    return lambda real, lfn: FileResult(lfn, outcome, message, is_untouched=is_untouched)


def deletes_but_says(outcome: FileOutcome, message: str = "said so") -> Callable[[Gateway, str], FileResult]:
    """Return a fault: the storage deletes the file and answers so."""

    def fault(real: Gateway, lfn: str) -> FileResult:
        delete_one(real, lfn)
        return FileResult(lfn, outcome, message)

    return fault


def seeded() -> Random:
    return Random(1)
