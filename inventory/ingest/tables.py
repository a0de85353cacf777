"""CSV and TSV: one section per file, told by its header; a line is a record, a column a field, an empty cell is not given."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from io import BufferedReader
from typing import Any

from inventory.exceptions import IngestError
from inventory.ingest.rejects import Problem, closest

#: Name of a file -> what separates its columns.
DELIMITERS = {".csv": ",", ".tsv": "\t"}

#: Section -> columns that it must have, all columns it may have. The first whose mandatory columns are there is meant.
SECTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sitepartition": (("site", "partition", "quota"), ("site", "partition", "quota")),
    "attrs": (
        ("dataset",),
        (
            "dataset",
            "usage_rank",
            "demand_rank",
            "num_access",
            "last_access",
            "tape_copy_requested",
            "unhandled_copy_exists",
            "unknown_in_all_dbs",
            "on_protected_site",
            "latest_production_release",
        ),
    ),
    "group": (("name", "olevel"), ("name", "olevel")),
    "site": (("name",), ("name", "host", "storage_type", "status", "endpoint", "backend")),
}
_WHOLE = frozenset({"quota", "last_access"})
_NUMBERS = frozenset({"usage_rank", "demand_rank", "num_access"})
_TEXTS = frozenset({"name", "host", "storage_type", "status", "endpoint", "backend", "olevel", "dataset", "site", "partition"})
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

#: line number, section, record, problem
Line = tuple[int, str, dict[str, Any], Problem | None]


def table_lines(plain: BufferedReader[Any], delimiter: str, *, max_line_bytes: int) -> Iterator[Line]:
    """Yield the records of a table, numbered by line. Raises ``IngestError`` where it cannot be read on."""
    csv.field_size_limit(max_line_bytes)
    rows = csv.reader(_text_lines(plain, max_line_bytes), delimiter=delimiter, strict=True)
    try:
        header = next(rows, [])
        section = _section_of([name.strip() for name in header])
        columns = [name.strip() for name in header]
        for cells in rows:
            if any(cells):
                yield rows.line_num, section, *_record(columns, cells)
    except csv.Error as error:
        raise IngestError(f"line {rows.line_num}: no table: {error}; quote cells that hold the separator or quotes") from error


def _text_lines(plain: BufferedReader[Any], limit: int) -> Iterator[str]:
    number = 0
    while line := plain.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise IngestError(f"line {number}: longer than {limit:,} bytes: is this a table?")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise IngestError(f"line {number}: invalid UTF-8 at byte {error.start}: convert the file, as with iconv") from error


def _section_of(header: list[str]) -> str:
    for section, (needed, allowed) in SECTIONS.items():
        if set(needed) <= set(header):
            unknown = sorted(set(header) - set(allowed))
            if unknown or len(set(header)) < len(header):
                found = unknown[0] if unknown else next(name for name in header if header.count(name) > 1)
                hint = closest(found, allowed) or f"the columns are {', '.join(allowed)}"
                raise IngestError(f"line 1: found a column {found!r}, expected each column of {section} once; {hint}")
            return section
    known = "; ".join(f"{section}: {', '.join(needed)}" for section, (needed, _) in SECTIONS.items())
    raise IngestError(
        f"line 1: found {', '.join(header) or 'no header'}, expected a header with the columns of a section ({known})"
    )


def _record(columns: list[str], cells: list[str]) -> tuple[dict[str, Any], Problem | None]:
    record = {column: _value(column, cell) for column, cell in zip(columns, cells, strict=False) if cell != ""}
    if len(cells) != len(columns):
        return record, Problem(
            "", f"{len(cells)} cells", f"{len(columns)}, as in the header", "quote cells that hold a separator"
        )
    return record, None


def _value(column: str, cell: str) -> Any:
    """Return the cell as the field's type; what is none stays text, which the record's check then names."""
    if column in _TEXTS:
        return cell
    if column in _WHOLE or column in _NUMBERS:
        try:
            return int(cell) if column in _WHOLE else float(cell)
        except ValueError:
            return cell
    return _TRUTHS.get(cell.lower(), cell)
