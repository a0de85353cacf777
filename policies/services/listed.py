"""Lists that no cycle made, on their way into a plan: a campaign's, an invalidation's, a request's, a clean-up's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policies.choices import PlanAction
from policies.models import PlanItem


@dataclass(frozen=True, slots=True)
class ListedReplica:
    """One block replica that is to go, as the inventory has it at that moment; what differs when its turn comes drops out.

    ``owner``: "None" for nobody. ``line`` and ``rule_text``: the rule of a text that decided, or no line and the reason.
    ``may_be_last_copy``: somebody who may said by name that it goes even as the last copy.
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


def listed_rows(plan_id: int, items: Iterable[ListedReplica]) -> Iterator[PlanItem]:
    """Yield the items of a plan in the order of *items*."""
    for sequence, item in enumerate(items):
        yield PlanItem(
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
        )
