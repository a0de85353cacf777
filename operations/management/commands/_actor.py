"""Who acts when a command acts."""

from __future__ import annotations

import getpass

from inventory.services.audit import Actor
from operations.services.rights import AT_SHELL


def shell_actor() -> Actor:
    """Return the person at the shell: whoever may run commands on this host may run them all."""
    return Actor(name=f"{getpass.getuser()[:140]}{AT_SHELL}")
