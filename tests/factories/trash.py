"""The trash of a site, filled by a plan."""

from __future__ import annotations

from inventory.models import BlockReplica, Group, Site
from inventory.services.audit import Actor
from operations.choices import DeletionState, FileOutcome, TrashState
from operations.models import Deletion, Trash
from operations.services.queue import plan_enqueue
from operations.services.restoring import RestoreWanted, restore_request
from operations.services.sweep import sweep
from operations.services.trash_worker import purge_work, restore_work
from operations.services.worker import real_gateway, work
from tests.factories.operations import EAGER, Clock, FaultyGateway, World, says, seeded

ME = Actor("me")


class Killed(BaseException):
    """Stands for SIGKILL: nothing below a worker catches it."""


class Bin:
    """Two copies of some blocks, those at T3_B deleted by a plan into the trash of the site."""

    def __init__(self, world: World, clock: Clock, num_blocks: int = 1, num_files: int = 3, **site: object) -> None:
        group = Group.objects.create(name="owners")
        self.world, self.clock, self.limits = world, clock, EAGER
        replicas = world.two_copies(num_blocks=num_blocks, num_files=num_files)
        BlockReplica.objects.filter(site__name="T3_B").update(group=group, is_custodial=True)
        Site.objects.filter(name="T3_B").update(**site)
        for replica in replicas:
            replica.refresh_from_db()
        self.before = self.inventory()
        self.names = sorted(world.files("T3_B"))
        self.plan = world.plan(replicas)
        plan_enqueue(self.plan.pk, now=clock())
        self.gateway = FaultyGateway(real=None, trashes=True)

    def __call__(self, site):
        self.gateway.real = real_gateway(site)
        return self.gateway

    def inventory(self) -> list[tuple]:
        rows = BlockReplica.objects.filter(site__name="T3_B").order_by("block__name")
        fields = (
            "block__name",
            "group__name",
            "is_custodial",
            "last_update",
            "size_bytes",
            "num_files",
            "dataset_replica__site__name",
        )
        return list(rows.values_list(*fields))

    def delete(self):
        return work(worker="w", clock=self.clock, limits=self.limits, rng=seeded(), gateway=self)

    def later(self, **kwargs: float) -> None:
        self.clock.advance(**kwargs)
        sweep(now=self.clock.now, limits=self.limits, rng=seeded())

    def ask(self, **wanted: object):
        return restore_request(wanted=RestoreWanted(**wanted), actor=ME, reason="needed", now=self.clock.now)

    def restore(self):
        return restore_work(worker="r", clock=self.clock, limits=self.limits, rng=seeded(), gateway=self).files

    def purge(self):
        return purge_work(worker="p", clock=self.clock, limits=self.limits, rng=seeded(), gateway=self).purged

    def in_trash(self) -> int:
        return sum(path.is_file() for path in (self.world.root("T3_B") / ".dynamo-trash").rglob("*"))

    def fail(self) -> int:
        """Let the deletion fail when a part of its files lies in the trash; return its key."""
        self.gateway.faults[self.names[1]] = says(FileOutcome.REFUSED)
        for _ in range(3):
            self.delete()
            self.later(hours=2)
        deletion = Deletion.objects.get()
        assert (deletion.state, Trash.objects.get().state) == (DeletionState.FAILED, TrashState.KEPT)
        self.gateway.faults.clear()
        return deletion.pk
