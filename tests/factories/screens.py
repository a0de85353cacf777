"""A small Dynamo with something on every page: a policy that was evaluated, a held plan, deletions, locks and audit events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import User
from django.utils import timezone

from inventory.models import FactFeed, Lock, Site
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from inventory.services.sites import site_pause
from operations.models import Attempt, Deletion, DeletionFile, PauseSwitch, SiteHealth, Trash, TrashFile
from policies.choices import CycleKind, PlanState
from policies.models import Cycle, Partition, Plan, Policy, PolicyVersion
from policies.services.cycles import cycle_run
from policies.services.partitions import partition_define, quota_set
from policies.services.policies import guardrail_define, policy_create, policy_version_activate, policy_version_create
from tests.factories.inventories import dataset, site
from tests.factories.policies import CLOCK, store

TB = 10**12
TEXT = """\
Partition P
On site.name == *
When site.occupancy > 0.9
Until site.occupancy < 0.5
Protect dataset.name == /Keep/*/*
Dismiss
Order increasing replica.size
"""
#: A name that a page must never take for markup.
NASTY = '/<script>alert("x")</script>/A&B-v1/RAW'
ACTOR = Actor("factory")
PASSWORD = "a password of the tests"


@dataclass(frozen=True)
class Screens:
    """What the pages show."""

    partition: Partition
    policy: Policy
    version: PolicyVersion
    test_run: Cycle
    cycle: Cycle
    plan: Plan
    deletion: Deletion
    lock: Lock
    site: Site


def account(role: str | None, name: str | None = None) -> User:
    """Make an account with a role (None: none)."""
    user = User.objects.create_user(name or (role or "nobody").lower().replace(" ", "_"), password=PASSWORD)
    if role is not None:
        user.groups.add(Role.objects.get(name=role))
    return user


def make_screens(*, num_datasets: int = 12) -> Screens:
    """Fill an empty database by the services, so that pages are tested on what really comes out of them."""
    names = [NASTY, "/Keep/A-v1/RAW", *(f"/Data{index:03d}/A-v1/RAW" for index in range(num_datasets))]
    store(_document(names))
    partition_define(name="P", condition="site.storage_type == DISK", actor=ACTOR)
    for name in ("T1_Full", "T2_Roomy"):
        quota_set(partition_name="P", site_name=name, size_bytes=len(names) * TB if name == "T1_Full" else 100 * TB, actor=ACTOR)
    guardrail_define(
        name="never-a-tape", condition="site.storage_type == MSS", partition_name="P", actor=ACTOR, comment="no tape goes"
    )
    policy = policy_create(name="P", partition_name="P", actor=ACTOR)
    version = policy_version_create(policy_id=policy.pk, text=TEXT, actor=ACTOR, comment="first")
    test_run = _run(version, CycleKind.TEST_RUN)
    policy_version_activate(version_id=version.pk, actor=ACTOR, reason="tested")
    cycle = _run(version, CycleKind.AUTOMATIC)
    policy.refresh_from_db()
    plan = cycle.plan
    assert plan.state == PlanState.HELD, "set DYNAMO_MAX_SITE_FRACTION low enough for the plan of the factory to be held"
    lock = lock_create(dataset_pattern="/Keep/*", owner="physics", actor=ACTOR, now=timezone.now(), comment="a thesis")
    site_pause(site_name="T2_Roomy", actor=ACTOR, reason="disk server down")
    FactFeed.objects.filter(name="popularity").update(measured_at=timezone.now() - timedelta(days=30))
    PauseSwitch.objects.create(pk=1)
    message = "connection refused: /store/data/Run2017F/ZeroBias/MINIAOD/31Mar2018-v1/00001/7d151af7-0000-4e8b-9d60.root"
    back_off_until = timezone.now() + timedelta(hours=1)
    SiteHealth.objects.create(site_name="T1_Full", failures_in_row=2, last_failure=message, back_off_until=back_off_until)
    return Screens(
        Partition.objects.get(name="P"),
        policy,
        version,
        test_run,
        cycle,
        plan,
        _deletion(plan),
        lock,
        Site.objects.get(name="T1_Full"),
    )


def _document(names: list[str]) -> dict[str, object]:
    replicas = [
        {
            "dataset": name,
            "site": where,
            "group": None,
            "growing": False,
            "blockreplicas": [{"block": "b1", "last_update": 1732665600}],
        }
        for name in names
        for where in ("T1_Full", "T2_Roomy")
    ]
    return {
        "site": [site("T1_Full"), site("T2_Roomy"), site("T3_Empty")],
        "group": [{"name": "AnalysisOps", "olevel": "Dataset"}],
        "dataset": [dataset(name) for name in names],
        "datasetreplica": replicas,
    }


def _run(version: PolicyVersion, kind: CycleKind) -> Cycle:
    result = cycle_run(
        text=version.text, source=str(version), kind=kind, actor=ACTOR, now=CLOCK + timedelta(seconds=1), policy_version=version
    )
    return Cycle.objects.get(pk=result.cycle.pk)


def _deletion(plan: Plan) -> Deletion:
    item = plan.items.order_by("sequence").first()
    assert item is not None, "the plan of the factory deletes something"
    row = Deletion.objects.create(
        plan=plan,
        plan_item=item,
        block_replica_key=item.block_replica_key,
        site_name=item.site_name,
        dataset_name=item.dataset_name,
        block_name=item.block_name,
        group_name="None",
        size_bytes=item.size_bytes,
        num_files=item.num_files,
        state="FAILED",
        reason="permission denied",
        num_attempts=1,
    )
    Attempt.objects.create(
        deletion=row, number=1, worker="w1", started_at=timezone.now(), outcome="REFUSED", message="permission denied"
    )
    DeletionFile.objects.create(
        deletion=row, lfn="/store/<b>x</b>", size_bytes=10, outcome="REFUSED", message="permission denied", at=timezone.now()
    )
    trash = Trash.objects.create(
        deletion=row,
        site_name=row.site_name,
        dataset_name=row.dataset_name,
        block_name=row.block_name,
        group_name="None",
        replica_last_update=timezone.now(),
        folder="2026-01-01/120000-1",
        files=[["/store/<b>x</b>", 10, ""]],
        num_files=1,
        size_bytes=10,
        state="KEPT",
        begun_at=timezone.now(),
        kept_since=timezone.now(),
        purge_after=timezone.now() + timedelta(days=7),
        reason="its place is taken",
    )
    TrashFile.objects.create(trash=trash, lfn="/store/<b>x</b>", outcome="TAKEN", message="<b>taken</b>", at=timezone.now())
    return row
