"""One cycle from the database to its plan in a process of its own, so that its peak memory is that of a cycle and nothing else.

``python -m tests.benchmarks.peak POLICY``; ``TEST_DATABASE_URL`` says where the inventory of the benchmark lies. Prints the peak
in bytes and the number of deletions.
"""

from __future__ import annotations

import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dynamo_site.settings.test")
django.setup()

from policies.language.parser import parse_policy  # noqa: E402 - models want Django to be set up
from policies.planning.planner import plan_cycle  # noqa: E402 - the same
from policies.selectors.partitions import partition_scope  # noqa: E402 - the same
from policies.services.snapshots import snapshot_take  # noqa: E402 - the same
from tests.factories.snapshots import NOW  # noqa: E402 - the same


def main(path: Path) -> None:
    """Plan the policy at *path* for the partition P."""
    policy = parse_policy(path.read_text(encoding="utf-8"), partition="P").policy
    if policy is None:
        raise SystemExit(f"{path} is no policy")
    scope = partition_scope("P")
    named = {variable.name for variable in policy.variables()}
    taken = snapshot_take(quotas=scope.quotas, variables=named, now=datetime.fromtimestamp(NOW, tz=UTC))
    outcome = plan_cycle(policy, scope.conditions, taken.snapshot, now=NOW)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, len(outcome.deletions))  # noqa: T201 - its only answer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
