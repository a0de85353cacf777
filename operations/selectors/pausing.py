"""Whether deletions are stopped everywhere, by whom and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from inventory.selectors.audit import events_about
from operations.constants import ALL_SITES, PAUSE_FILE_NAME, PAUSED_AGAIN
from operations.models import PauseSwitch


@dataclass(frozen=True, slots=True)
class PauseState:
    """The switch in the database, and the file on this host; either stops the workers (the file those of its host)."""

    is_switched: bool
    is_file_present: bool
    changed_at: datetime | None
    changed_by: str
    reason: str

    @property
    def is_paused(self) -> bool:
        """Tell whether deletions are stopped here."""
        return self.is_switched or self.is_file_present

    @property
    def paused_by(self) -> str:
        """Return who or what stops deletions here: the last to turn the switch only if it is on."""
        return self.changed_by if self.is_switched else "a file on this host"

    @property
    def to_remove(self) -> str:
        """Return what else is to be done while the file is there, whatever the switch says; empty without it."""
        return f"the file {pause_file()} still stops the workers of this host: remove it" if self.is_file_present else ""

    @property
    def nothing_to_resume(self) -> str:
        """Return why the switch cannot be released; empty where it is on."""
        if self.is_switched:
            return ""
        hint = f"; the file {pause_file()} stops this host: remove it" if self.is_file_present else ""
        return f"deletions are not paused by the switch: there is nothing to resume{hint}"

    def is_further(self, actor_name: str, reason: str) -> bool:
        """Tell whether *reason* adds to why the switch was turned on: from somebody else, or another one."""
        return bool(reason.strip()) and (actor_name[:150], reason[:512]) != (self.changed_by, self.reason)


def pause_file() -> Path:
    """Return the path of the file whose presence stops the workers of this host."""
    return Path(settings.VAR_DIR) / PAUSE_FILE_NAME


def pause_state() -> PauseState:
    """Return the pause state, read fresh. Raises ``OSError`` if the folder of the pause file cannot be looked into."""
    switch = pause_switches().first()
    return PauseState(
        is_switched=switch is not None and switch.is_paused,
        is_file_present=is_pause_file_present(),
        changed_at=switch.changed_at if switch is not None else None,
        changed_by=switch.changed_by_name if switch is not None else "",
        reason=switch.reason if switch is not None else "",
    )


def further_reasons(state: PauseState) -> list[tuple[str, str]]:
    """Return who else gave a reason since the switch was turned on, and which, oldest first; of the last 50 acts on it."""
    again = [event for event in reversed(events_about(ALL_SITES)) if event.action == PAUSED_AGAIN]
    return [(event.actor, event.reason) for event in again if state.changed_at is None or event.at >= state.changed_at]


def pause_switches() -> QuerySet[PauseSwitch]:
    """Return the switch in the database, no row before it was turned for the first time."""
    return PauseSwitch.objects.filter(pk=1)


def is_pause_file_present() -> bool:
    """Tell whether anything has the name of the file, a dangling link too. Raises ``OSError`` if its folder may not be read."""
    try:
        pause_file().lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
