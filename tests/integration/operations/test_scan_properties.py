"""After any interleaving of writes, injections, removals and scans nothing known or young is ever in a clean-up plan."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.models import Block, File, Injection
from inventory.services.audit import Actor
from operations.exceptions import OperationsError
from operations.models import Deletion, StorageScan
from operations.services.clean_ups import clean_up_create, clean_up_release
from policies.exceptions import PolicyError
from policies.models import PlanItem
from tests.factories.operations import Clock, World, local_gateway
from tests.integration.operations.test_clean_ups import carry_out
from tests.integration.operations.test_scans import LOOSE, WHO, one_by_one, scan, write

pytestmark = pytest.mark.django_db

PATHS = ("dark/a", "dark/b", "store/c")
APART = timedelta(days=28)
#: Bytes and time of last change.
Signature = tuple[int, datetime]

paths = st.sampled_from(PATHS)
quick = st.one_of(
    st.tuples(st.just("write"), paths, st.integers(1, 2), st.sampled_from([0, 27, 60])),
    st.tuples(st.just("remove"), paths),
    st.tuples(st.just("inject"), paths),
)
waits = st.tuples(st.just("wait"), st.sampled_from([1, 14, 28, 40]))


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Draw rounds of changes, a scan in which something may happen, changes, and a wait; each may end with a clean-up."""
    script: list[tuple[Any, ...]] = [("write", draw(paths), 1, 60)]
    for _ in range(draw(st.integers(2, 3))):
        script += draw(st.lists(quick, max_size=2))
        script.append(("scan", draw(st.none() | quick)))
        if draw(st.booleans()):
            script += [*draw(st.lists(quick, max_size=1)), ("clean up", draw(st.none() | quick))]
        script.append(draw(waits))
    return [*script, ("scan", None), ("clean up", draw(st.none() | quick))]


@dataclass
class Model:
    """What is known without asking Dynamo: what lies there since when, what the inventory knows, and what each scan could see."""

    world: World
    clock: Clock
    there: dict[str, Signature] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    seen: list[tuple[datetime, set[tuple[str, Signature]]]] = field(default_factory=list)

    def do(self, act: tuple[Any, ...]) -> None:
        match act:
            case ("write", path, size, days):
                at = self.clock.now - timedelta(days=days)
                write(self.world, path, at=at, size=size)
                self.there[path] = (size, at)
            case ("remove", path):
                (self.world.root("T2_A") / path).unlink(missing_ok=True)
                self.there.pop(path, None)
            case ("inject", path):
                if path not in self.known:
                    File.objects.create(block=Block.objects.earliest("pk"), lfn=f"/{path}", size_bytes=1)
                    self.known.add(path)
            case ("wait", days):
                self.clock.advance(days=days)
                Injection.objects.filter(pk=1).update(finished_at=self.clock.now)
            case ("scan", meanwhile):
                before = dict(self.there)
                act_then = (lambda: self.do(meanwhile)) if meanwhile else (lambda: None)
                scan(self.world, self.clock, on_step=one_by_one(act_then))
                # What changed meanwhile may have been seen as it was before or after.
                self.seen.append((self.clock.now, {*before.items(), *self.there.items()}))
            case ("clean up", meanwhile):
                self.clean_up(meanwhile)

    def clean_up(self, meanwhile: tuple[Any, ...] | None) -> None:
        latest = StorageScan.objects.order_by("-pk").first()
        if latest is None:
            return
        with suppress(OperationsError, PolicyError):
            row = clean_up_create(
                scan_id=latest.pk, actor=WHO, reason="r", limits=LOOSE, now=self.clock.now, gateway=local_gateway
            )
            for item in PlanItem.objects.filter(plan_id=row.plan_id):
                self.assert_may_go(item)
            clean_up_release(clean_up_id=row.pk, digest=row.plan.digest, actor=Actor("another"), reason="r", now=self.clock.now)
            if meanwhile is not None:
                self.do(meanwhile)
            expected = {p: s for p, s in self.there.items() if p in self.known or self.is_young(s)}
            carry_out(row, self.clock)
            for path in Deletion.objects.filter(plan_id=row.plan_id, state="DONE").values_list("path", flat=True):
                assert path not in expected, "what is known or young was deleted"
                self.there.pop(path, None)
            assert self.world.files("T2_A") >= {f"/{path}" for path in self.there}

    def is_young(self, signature: Signature) -> bool:
        return signature[1] > self.clock.now - APART

    def assert_may_go(self, item: PlanItem) -> None:
        signature = (item.size_bytes, item.modified_at)
        assert item.path not in self.known, "known"
        assert not self.is_young((item.size_bytes, item.modified_at or self.clock.now)), "young"
        times = [at for at, files in self.seen if (item.path, signature) in files]
        assert times, "never seen so"
        assert times[-1] - times[0] >= APART, "not seen twice far enough apart"


@given(script=scripts())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_known_or_young_is_ever_in_a_clean_up(script: list[tuple[Any, ...]]) -> None:
    with transaction.atomic():
        run(script)
        transaction.set_rollback(True)


def test_script_in_which_something_goes_deletes_it() -> None:
    model = run([("write", "dark/a", 1, 60), ("scan", None), ("wait", 28), ("scan", None), ("clean up", None)])
    assert model.there == {}
    assert Deletion.objects.get().state == "DONE"


def run(script: list[tuple[Any, ...]]) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        world = World(Path(folder))
        world.replica(world.block(), world.site())
        Injection.objects.create(pk=1, state="COMPLETED", started_at=clock.now, finished_at=clock.now)
        model = Model(world, clock)
        for act in script:
            model.do(act)
        return model
