"""What all of Dynamo's commands have in common."""

from __future__ import annotations

from django.core.management.base import BaseCommand


class DynamoCommand(BaseCommand):
    """A command that starts at once: ``manage.py check`` is there for Django's checks, which read every page and view first.

    Measured: they are a quarter of the start, also of ``pause_all``.
    """

    requires_system_checks = ()
