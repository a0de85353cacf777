"""Let deletions at one site go on."""

from __future__ import annotations

from typing import Any

from inventory.choices import SiteStatus
from inventory.services.sites import site_resume
from operations.management.commands._site import SiteCommand
from operations.selectors.pausing import pause_state


class Command(SiteCommand):
    help = (
        "Let deletions at one site go on after site_pause or the error brake; what failed there waits for deletions --retry. "
        "Example: manage.py site_resume T2_US_MIT --reason 'disk server mended'. "
        "Exit codes: 0 not paused any more, 1 it was not paused, 2 wrong arguments, such as an unknown site."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Resume the site, and say what else still stops deletions there."""
        site = self.turn(site_resume, options)
        if pause_state().is_paused:
            self.stdout.write(f"{site.name} is not paused any more, but all deletions are: see resume_all.")
        elif site.status != SiteStatus.READY:
            self.stdout.write(
                f"{site.name} is not paused any more, but its status is {site.get_status_display()}: it keeps its queue."
            )
        else:
            self.stdout.write(f"Deletions at {site.name} go on.")
