"""What the campaign commands share: who acts, and refusals as messages with exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from campaigns.exceptions import CampaignError
from inventory.services.audit import Actor
from policies.management.terminal import FINDINGS, WRONG_USE, PolicyCommand


class CampaignCommand(PolicyCommand):
    """A command with an example in its help; refusals end it with a message and code 1, never with a traceback."""

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except (CampaignError, PermissionDenied) as error:
            raise CommandError(str(error), returncode=FINDINGS) from error


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """Give what is to be told of each stage and the part that is done (0 to 1): a bar on the terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)


def account(login: str) -> Actor:
    """Return the person in whose name a command acts: campaigns are acts of people, also from a shell."""
    user = get_user_model().objects.filter(username=login, is_active=True).first()
    if user is None:
        raise CommandError(f"there is no active account {login!r}", returncode=WRONG_USE)
    return Actor.of(user)
