"""What a worker does at its start."""

from __future__ import annotations

import gc

import pytest
from celery import signals


@pytest.mark.parametrize("started", [signals.worker_process_init, signals.worker_ready], ids=["child of a pool", "worker"])
def test_worker_spares_the_collector_what_it_has_loaded(started: signals.Signal):
    gc.unfreeze()
    try:
        answers = started.send(sender=None)
        assert not [answer for _, answer in answers if isinstance(answer, Exception)]
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
