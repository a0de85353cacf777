"""Stop deletions at one site."""

from __future__ import annotations

from typing import Any

from inventory.services.sites import site_pause
from operations.management.commands._site import SiteCommand


class Command(SiteCommand):
    help = (
        "Stop deletions at one site: its queue waits, other sites go on. "
        "Example: manage.py site_pause T2_US_MIT --reason 'disk server down'. "
        "Exit codes: 0 paused, 1 it was paused already (its first reason stays), 2 wrong arguments, such as an unknown site."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause the site."""
        site = self.turn(site_pause, options)
        self.stdout.write(f"Deletions at {site.name} are paused: {options['reason']}")
