"""No lease is shorter than what its worker may have to wait for: two would act on one item."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from inventory.models import Site
from operations.constants import CALL_SECONDS, REQUEST_TIMEOUT_SECONDS
from operations.models import Deletion
from operations.services.queue import plan_enqueue
from operations.services.sweep import sweep
from operations.services.worker import work
from tests.factories.operations import EAGER, Clock, FaultyGateway, World, local_gateway, seeded

pytestmark = pytest.mark.django_db

#: What an installation may have set.
SHORT = replace(EAGER, lease=timedelta(seconds=5))


def test_a_call_to_a_server_that_takes_its_full_time_is_not_done_twice(world: World, clock: Clock) -> None:
    replica = world.two_copies(num_files=2)[0]
    place = replica.site.endpoint_url
    plan_enqueue(world.plan([replica]).pk, now=clock())
    Site.objects.filter(pk=replica.site.pk).update(endpoint_url="davs://storage.example.org/data")
    taken_back = []

    def slow(lfn: str) -> None:
        clock.advance(seconds=CALL_SECONDS + REQUEST_TIMEOUT_SECONDS)
        taken_back.append(sweep(now=clock.now, limits=SHORT, rng=seeded()).num_leases)

    def gateway(site: object) -> FaultyGateway:
        return FaultyGateway(local_gateway(replace(site, endpoint_url=place)), before=slow)

    done = work(worker="slow", clock=clock, gateway=gateway, limits=SHORT, rng=seeded())
    assert (taken_back, done.states, done.num_lost) == ([0, 0], {"DONE": 1}, 0)
    assert Deletion.objects.get().num_attempts == 1


def test_a_lease_on_a_local_folder_is_as_short_as_the_setting_says(world: World, clock: Clock) -> None:
    plan_enqueue(world.plan(world.two_copies()).pk, now=clock())

    def look(lfn: str) -> None:
        assert Deletion.objects.get().lease_until - clock.now <= SHORT.lease

    gateway = FaultyGateway(None, before=look)

    def way(site: object) -> FaultyGateway:
        gateway.real = local_gateway(site)
        return gateway

    assert work(worker="w", clock=clock, gateway=way, limits=SHORT, rng=seeded()).states == {"DONE": 1}
    assert len(gateway.asked) == 3
