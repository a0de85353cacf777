"""Messages as files of a folder, for who has no broker: kombu's transport, but a message appears when it is whole.

Kombu's writes a message under the name by which workers take it, so that a worker may take it empty, and ends with an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils import json

_as_json: Callable[[Any], str] = json.dumps


class Channel(filesystem.Channel):
    """A channel whose messages are renamed to their places."""

    def _put(self, queue: str, *args: Any, **kwargs: Any) -> None:
        (message,) = args  # which the two classes above call differently
        # Taken in the order of their names, which begin with milliseconds as kombu's do.
        name = f"{monotonic_ns() // 1_000_000}_{uuid4()}"
        folder = Path(self.data_folder_out)
        unfinished = folder / f"{name}.unfinished"
        try:
            unfinished.write_text(_as_json(message), encoding="utf-8")
            unfinished.replace(folder / f"{name}.{queue}.msg")
        except OSError as error:
            raise ChannelError(f"no message can be written to {folder}: {error.strerror}") from error


class Transport(filesystem.Transport):
    """The transport of ``filesystem://`` addresses."""

    Channel = Channel


def use() -> None:
    """Let ``filesystem://`` mean this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:{Transport.__qualname__}"
