"""Facts that are taken after all else of their document, in a temporary file meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec

from inventory.ingest.documents import Item

_Line = tuple[int, str, msgspec.Raw]


class LateFacts:
    """Records of ``attrs`` that were read; iterating gives them back, in their order."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> LateFacts:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def add(self, item: Item) -> None:
        """Keep a record that was found to be right as far as that can be told without the inventory."""
        body = item.body if isinstance(item.body, bytes | msgspec.Raw) else msgspec.json.encode(item.body)
        self._file.write(msgspec.json.encode((item.number, item.path, msgspec.Raw(body))).replace(b"\n", b" ") + b"\n")

    def __iter__(self) -> Iterator[Item]:
        self._file.seek(0)
        decoder = msgspec.json.Decoder(_Line)
        for line in self._file:
            number, path, body = decoder.decode(line)
            yield Item(number, "attrs", path, body.copy(), None, len(line))
