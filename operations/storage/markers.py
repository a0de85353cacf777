"""The marker of a local folder: proof that it is the storage of a site, which it names."""

from __future__ import annotations

import logging
import os

from operations.storage.errors import message_of

logger = logging.getLogger(__name__)

#: Proof that a folder is the storage of a site; its text is the site's name.
MARKER_NAME = ".dynamo-storage"
_MAX_MARKER_BYTES = 256


def marker_owner(folder: int) -> str | None:
    """Return the site that the marker in a folder names, empty for an interrupted marker, None without one."""
    try:
        marker = os.open(MARKER_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("a marker %s cannot be read: %s", MARKER_NAME, message_of(error))
        return "an unreadable marker"
    try:
        return os.read(marker, _MAX_MARKER_BYTES).decode(errors="replace").strip()
    except OSError as error:
        logger.warning("a marker %s cannot be read: %s", MARKER_NAME, message_of(error))
        return "an unreadable marker"
    finally:
        os.close(marker)


def leave_marker(root: int, site_name: str) -> None:
    """Mark an opened root as the storage of a site; a root that takes no marker goes without."""
    try:
        marker = os.open(MARKER_NAME, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=root)
    except OSError as error:
        logger.warning("no marker left in the storage folder of %s: %s", site_name, message_of(error))
        return
    try:
        os.write(marker, site_name.encode())
    except OSError as error:
        logger.warning("the marker in the storage folder of %s is empty: %s", site_name, message_of(error))
    finally:
        os.close(marker)
