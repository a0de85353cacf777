"""A command whose reader has gone, as ``head`` does after its lines, ends its work and says no more."""

from __future__ import annotations

import os
from typing import Any

import pytest

from inventory.management.base import DynamoCommand


class Talker(DynamoCommand):
    """Says more than a pipe holds."""

    is_done = False

    def handle(self, *args: Any, **options: Any) -> None:
        for number in range(50_000):
            self.stdout.write(f"line {number}")
        self.is_done = True


class Brief(DynamoCommand):
    """Says so little that it goes out at the end."""

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("all is well")


class BrokenElsewhere(DynamoCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        raise BrokenPipeError("the storage hung up")


@pytest.fixture
def closed_pipe() -> Any:
    """Return the writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        yield pipe


def run(command: DynamoCommand) -> None:
    command.run_from_argv(["manage.py", "command"])


def test_a_command_goes_on_when_its_reader_has_gone(closed_pipe: Any) -> None:
    command = Talker(stdout=closed_pipe)
    run(command)
    assert command.is_done


def test_what_is_said_at_the_end_breaks_nothing_either(closed_pipe: Any) -> None:
    run(Brief(stdout=closed_pipe))


def test_another_broken_pipe_is_no_matter_of_the_output(closed_pipe: Any) -> None:
    with pytest.raises(BrokenPipeError, match="the storage hung up"):
        run(BrokenElsewhere(stdout=closed_pipe))
