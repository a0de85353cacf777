"""Lists that no cycle made, on their way into a plan: a campaign's, an invalidation's, a request's, a clean-up's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from policies.choices import PlanAction
from policies.models import PlanItem, PlanItemFile
from policies.selectors.plans import file_names_digest

_BATCH = 2000


@dataclass(slots=True)
class PlanRow:
    """One row of the table of items, by the names of its columns: a tenth of what it costs to make a model's instance."""

    plan_id: int
    sequence: int
    action: str
    site_name: str
    size_bytes: int
    num_files: int
    dataset_name: str = ""
    block_name: str = ""
    block_replica_key: int | None = None
    path: str = ""
    modified_at: datetime | None = None
    line: int | None = None
    rule_text: str = ""
    new_owner: str = ""
    owner: str = ""
    may_be_last_copy: bool = False
    files_digest: str = ""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that goes while the rest of its block replica stays."""

    lfn: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ListedReplica:
    """One block replica that is to go, as the inventory has it at that moment; what differs when its turn comes drops out.

    ``owner``: "None" for nobody. ``line`` and ``rule_text``: the rule of a text that decided, or no line and the reason.
    ``may_be_last_copy``: somebody who may said by name that it goes even as the last copy. ``files``: only these go; then bytes
    and number of files are theirs.
    """

    block_replica_key: int
    site_name: str
    dataset_name: str
    block_name: str
    owner: str
    size_bytes: int
    num_files: int
    rule_text: str
    line: int | None = None
    may_be_last_copy: bool = False
    files: tuple[ListedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedPath:
    """One file of a clean-up: known to nobody, named by its path below the root of its site, with size and time as seen."""

    site_name: str
    path: str
    size_bytes: int
    modified_at: datetime
    rule_text: str


def listed_rows(plan_id: int, items: Iterable[ListedReplica | ListedPath]) -> Iterator[PlanRow]:
    """Yield the items of a plan in the order of *items*."""
    for sequence, item in enumerate(items):
        if isinstance(item, ListedPath):
            yield PlanRow(
                plan_id=plan_id,
                sequence=sequence,
                action=PlanAction.DELETE,
                site_name=item.site_name,
                path=item.path,
                modified_at=item.modified_at,
                size_bytes=item.size_bytes,
                num_files=1,
                rule_text=item.rule_text,
            )
            continue
        yield PlanRow(
            plan_id=plan_id,
            sequence=sequence,
            action=PlanAction.DELETE,
            block_replica_key=item.block_replica_key,
            site_name=item.site_name,
            dataset_name=item.dataset_name,
            block_name=item.block_name,
            owner=item.owner,
            size_bytes=item.size_bytes,
            num_files=item.num_files,
            line=item.line,
            rule_text=item.rule_text,
            may_be_last_copy=item.may_be_last_copy,
            files_digest=file_names_digest(file.lfn for file in item.files) if item.files else "",
        )


def listed_files_store(plan_id: int, files: Mapping[int, Sequence[ListedFile]]) -> None:
    """Store the files of items of which not the whole goes, by the sequence of the item in its plan."""
    keys = dict(PlanItem.objects.filter(plan_id=plan_id).exclude(files_digest="").values_list("sequence", "pk"))
    rows = (
        PlanItemFile(plan_item_id=keys[sequence], lfn=file.lfn, size_bytes=file.size_bytes)
        for sequence, some in files.items()
        for file in some
    )
    while batch := list(islice(rows, _BATCH)):
        PlanItemFile.objects.bulk_create(batch)
