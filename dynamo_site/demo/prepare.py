"""Everything before the first cycle, by the commands and services that an operator uses; done once, resumed if interrupted."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from campaigns.selectors.campaigns import campaign_exists
from dynamo_site.demo.accounts import OPERATOR, Logins, logins_ensure
from dynamo_site.demo.campaign import TITLE, campaign_prepare
from dynamo_site.demo.folders import DemoError, DemoFolders
from dynamo_site.demo.sample import (
    LAST_COPY,
    LOCKED,
    PARTITION,
    TIER2,
    TIER3,
    SampleSize,
    sample_datasets,
    sample_document,
    sample_document_write,
    sample_write,
)
from dynamo_site.demo.scanned import scanned_document, scanned_scan, scanned_write
from inventory.selectors.locks import active_locks
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from operations.services.schedule import schedule_hurry
from policies.choices import CycleKind
from policies.selectors.partitions import partition_by_name
from policies.services.cycles import cycle_run
from policies.services.partition_limits import partition_limits_set
from policies.services.partitions import partition_define
from policies.services.policies import guardrail_define, policy_create, policy_version_activate, policy_version_create

POLICY_FILE = Path(__file__).with_name("MyCache.policy")
#: The demo's only partition may be cut more than the general settings allow: it is small, and one dataset is much of it.
MAX_SITE_FRACTION = 0.20
MAX_PARTITION_FRACTION = 0.15

GUARDRAILS = (
    ("last-copies", "blockreplica.num_full_disk_copy < 2", "What has no other complete copy stays."),
    ("locked", "blockreplica.is_locked", "What somebody has locked stays."),
)

Say = Callable[[str], None]


def demo_prepare(folders: DemoFolders, *, size: SampleSize, period_seconds: int, say: Say) -> Logins:
    """Bring database, accounts, sample data, partition and policy to where the demo begins; return the logins.

    Each step is noted when it is complete, and repeats what an interrupted start has left half-way.
    """
    call_command("migrate", verbosity=0, interactive=False)
    logins = logins_ensure(folders.logins)
    operator = Actor.of(get_user_model().objects.get(username=OPERATOR))
    steps: Mapping[str, Callable[[], None]] = {
        "sample": lambda: _sample(folders, size, say),
        "inject": lambda: _inject(folders, say),
        "rules": lambda: _rules(operator, say),
        "policy": lambda: _policy(operator, period_seconds, say),
        "campaign": lambda: _campaign(operator, say),
        "scan": lambda: _scan(folders, operator, say),
    }
    if all(folders.done(step) for step in steps):
        say(f"Going on from what is in {folders.var} ('make demo-reset' starts afresh).")
    for step, perform in steps.items():
        if not folders.done(step):
            perform()
            folders.mark_done(step)
    _demand_storage(folders)
    return logins


def _sample(folders: DemoFolders, size: SampleSize, say: Say) -> None:
    datasets = sample_datasets(size)
    with _writing(folders):
        count = sample_write(datasets, storage=folders.storage)
        sample_document_write(sample_document(datasets, storage=folders.storage, now=timezone.now()), folders.sample)
    say(f"Sample data: {len(datasets)} datasets, {count} files at {TIER2} and {TIER3} in {folders.storage}")


@contextmanager
def _writing(folders: DemoFolders) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "Mend that and start again: it goes on from here."
        raise DemoError(f"the sample files cannot be written to {folders.storage}: {error.strerror}. {advice}") from error


def _inject(folders: DemoFolders, say: Say) -> None:
    _take_in(folders.sample)
    say(f"Inventory: filled from {folders.sample} by the inject command")


def _take_in(document: Path) -> None:
    report = io.StringIO()
    try:
        call_command("inject", str(document), stdout=report, stderr=report)
    except SystemExit as error:
        raise DemoError(f"the inventory did not take the sample data:\n{report.getvalue()}") from error


def _rules(operator: Actor, say: Say) -> None:
    with transaction.atomic():
        partition_define(name=PARTITION, condition=f"site.name in [ {TIER2} {TIER3} ]", actor=operator)
        partition_limits_set(
            name=PARTITION,
            max_site_fraction=MAX_SITE_FRACTION,
            max_partition_fraction=MAX_PARTITION_FRACTION,
            actor=operator,
            reason="a demo of a few datasets: one of them is much of a site",
        )
        for name, condition, comment in GUARDRAILS:
            guardrail_define(
                name=name, condition=condition, partition_name=PARTITION, is_protecting=True, actor=operator, comment=comment
            )
        if not any(lock.dataset_pattern == LOCKED for lock in active_locks(timezone.now())):
            lock_create(
                dataset_pattern=LOCKED, owner="physics", comment="needed for a thesis", actor=Actor("physics"), now=timezone.now()
            )
    limits = f"{MAX_SITE_FRACTION * 100:.0f} % of a site's quota and {MAX_PARTITION_FRACTION * 100:.0f} % of its bytes per cycle"
    say(f"Partition {PARTITION}: safety limits of its own, {limits}, so that this small cycle may run")
    say(f"Guardrails: last copies and locked data stay. {LAST_COPY} has its last copy at {TIER3}; {LOCKED} is locked")


def _policy(operator: Actor, period_seconds: int, say: Say) -> None:
    text = POLICY_FILE.read_text()
    if partition_by_name(PARTITION).policies.filter(active_version__isnull=False).exists():
        return  # the start before this one was interrupted after its last word to the database
    with transaction.atomic():
        schedule_hurry(every_seconds=period_seconds)
        policy = policy_create(name=PARTITION, partition_name=PARTITION, actor=operator, period=timedelta(seconds=period_seconds))
        version = policy_version_create(policy_id=policy.pk, text=text, actor=operator, comment="the documented example")
        test = cycle_run(
            text=text,
            source=str(version),
            kind=CycleKind.TEST_RUN,
            actor=operator,
            now=timezone.now(),
            policy_version=version,
            deletion_per_iteration=policy.deletion_per_iteration,
        ).cycle
        policy_version_activate(version_id=version.pk, actor=operator, reason=f"test run: cycle {test.pk}")
    say(f"Policy {PARTITION}: version {version.number} tested and active, evaluated every {period_seconds} s:\n")
    say("\n".join(f"    {line}" for line in text.splitlines()))


def _campaign(operator: Actor, say: Say) -> None:
    with transaction.atomic():
        if not campaign_exists(TITLE):
            say(campaign_prepare(operator))


def _scan(folders: DemoFolders, operator: Actor, say: Say) -> None:
    now = timezone.now()
    with _writing(folders):
        scanned_write(storage=folders.storage, now=now)
        sample_document_write(scanned_document(storage=folders.storage, now=now), folders.scanned)
    _take_in(folders.scanned)
    say(scanned_scan(operator))


def _demand_storage(folders: DemoFolders) -> None:
    for site in (TIER2, TIER3):
        path = folders.storage / site
        if not path.is_dir():
            raise DemoError(
                f"the storage of {site} is missing: {path} is no folder. Put it back, or start afresh: make demo-reset"
            )
