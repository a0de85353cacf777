"""One large object, streamed: what is read is what was written, and half a character is refused, however the bytes arrive."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.exceptions import IngestError
from inventory.ingest.streamed import ObjectStream, Spool


class Drops(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def __init__(self, text: bytes, most: int) -> None:
        super().__init__(text)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


def names(text: bytes, most: int) -> list[str]:
    with Spool() as spool:
        stream = ObjectStream(Drops(text, most), spool=spool, order={"site": 0}, last=1, max_record_bytes=1 << 20)
        return [msgspec.json.decode(body)["name"] for _, _, path, body, _ in stream if path]


WHOLE = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\\"u\U0001f600')))
HALVES = st.characters(categories=["Cs"])


@given(written=st.lists(WHOLE, min_size=1), most=st.integers(1, 40), is_plain=st.booleans())
def test_whole_characters_are_read_as_they_were_written(written: list[str], most: int, is_plain: bool) -> None:
    text = json.dumps({"site": [{"name": name} for name in written]}, ensure_ascii=is_plain)
    assert names(text.encode(), most) == written


@given(before=WHOLE, half=HALVES, after=WHOLE, most=st.integers(1, 40))
def test_half_a_character_is_refused_wherever_it_stands(before: str, half: str, after: str, most: int) -> None:
    text = json.dumps({"site": [{"name": f"{before}{half}{after}"}]})
    with pytest.raises(IngestError, match="half of a character"):
        names(text.encode(), most)
