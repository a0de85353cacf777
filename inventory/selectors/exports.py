"""Filtered lists as files: CSV or Parquet, written while the rows are read, in the memory of one batch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import Field, Model, QuerySet, fields

from inventory.choices import ExportFormat
from inventory.exceptions import InvalidInput
from inventory.models import AuditEvent, Block, BlockReplica, Dataset, DatasetReplica, File, Site
from inventory.selectors.keyset import bounded_count, keyset_batches

#: Rows that one request sends; it holds a web worker for as long as it takes. More go by ``manage.py inventory_export``.
REQUEST_ROWS = 1_000_000

#: Rows per query, and per row group of a Parquet file.
BATCH_ROWS = 20_000

#: Columns of the files: name -> where the value is. Related rows appear by their natural keys, as in the API.
COLUMNS: dict[type[Model], Mapping[str, str]] = {
    Site: {name: name for name in ("name", "host", "storage_type", "status", "endpoint_url", "deletion_paused_at")},
    Dataset: {
        **{name: name for name in ("name", "tier", "status", "data_type", "release", "is_open", "last_update")},
        **{name: name for name in ("size_bytes", "num_files", "num_blocks")},
        **{name: f"facts__{name}" for name in ("num_accesses", "last_access_at", "usage_rank", "demand_rank")},
    },
    Block: {
        "dataset": "dataset__name",
        **{name: name for name in ("name", "size_bytes", "num_files", "is_open", "last_update")},
    },
    File: {
        "lfn": "lfn",
        "dataset": "block__dataset__name",
        "block": "block__name",
        "size_bytes": "size_bytes",
        "checksum": "checksum",
    },
    AuditEvent: {name: name for name in ("at", "actor", "action", "subject", "reason", "previous_digest", "digest")},
    DatasetReplica: {"dataset": "dataset__name", "site": "site__name", "group": "group__name", "is_growing": "is_growing"},
    BlockReplica: {
        "dataset": "block__dataset__name",
        "block": "block__name",
        "site": "site__name",
        "group": "group__name",
        **{name: name for name in ("size_bytes", "num_files")},
        "block_size_bytes": "block__size_bytes",
        "block_num_files": "block__num_files",
        "is_custodial": "is_custodial",
        "last_update": "last_update",
    },
}

_ARROW_TYPES: tuple[tuple[type[Field[Any, Any]], pa.DataType], ...] = (
    (fields.BooleanField, pa.bool_()),
    (fields.IntegerField, pa.int64()),
    (fields.FloatField, pa.float64()),
    (fields.DateTimeField, pa.timestamp("us", tz="UTC")),
)


@dataclass(frozen=True, slots=True)
class ListFile:
    """A list on its way into a file; ``chunks`` reads the rows as it is asked, each batch at its own moment."""

    name: str
    content_type: str
    chunks: Iterator[bytes]


def list_file(
    rows: QuerySet[Any], file_format: str, *, columns: Mapping[str, str] | None = None, up_to: int | None = REQUEST_ROWS
) -> ListFile:
    """Return *rows* as a file in *file_format*, in the order of their keys.

    *columns*: name -> where the value is, as in ``COLUMNS``, which holds those of the inventory's own lists.

    Raises ``InvalidInput`` for more than *up_to* rows (None: any number): nothing is ever cut off.
    """
    if file_format not in ExportFormat.values:
        raise InvalidInput(f"found the format {file_format!r}, expected one of {', '.join(ExportFormat.values)}")
    if up_to is not None and bounded_count(rows, up_to=up_to)[1]:
        way_out = ", or let manage.py inventory_export write it, which takes any number" if columns is None else ""
        raise InvalidInput(f"the list has more than {up_to:,} rows, which is what one request sends: narrow it{way_out}")
    writers = {ExportFormat.CSV: (_csv_chunks, "text/csv; charset=utf-8"), ExportFormat.PARQUET: (_parquet_chunks, _PARQUET)}
    write, content_type = writers[ExportFormat(file_format)]
    name = f"{rows.model._meta.verbose_name_plural}.{file_format}".replace(" ", "-")
    return ListFile(name, content_type, write(rows, columns or COLUMNS[rows.model]))


_PARQUET = "application/vnd.apache.parquet"


def _csv_chunks(rows: QuerySet[Any], columns: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the head and the rows: times as ISO 8601 in UTC, true and false, nothing for null."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for batch in keyset_batches(rows, tuple(columns.values()), size=BATCH_ROWS):
        writer.writerows([[_plain(value) for value in row] for row in batch])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    if text.tell():
        yield text.getvalue().encode()


def _parquet_chunks(rows: QuerySet[Any], columns: Mapping[str, str]) -> Iterator[bytes]:
    """Yield a Parquet file, one row group per batch."""
    schema = pa.schema([(name, _arrow_type(rows.model, path)) for name, path in columns.items()])
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for batch in keyset_batches(rows, tuple(columns.values()), size=BATCH_ROWS):
            by_column = zip(*batch, strict=True)
            arrays = [pa.array(values, type=field.type) for values, field in zip(by_column, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """A file that keeps only what nobody has taken yet."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _arrow_type(model: type[Model], path: str) -> pa.DataType:
    *way, last = path.split("__")
    for name in way:
        related = model._meta.get_field(name).related_model
        model = related  # type: ignore[assignment] # a path of COLUMNS goes over relations
    field = model._meta.get_field(last)
    return next((arrow for kind, arrow in _ARROW_TYPES if isinstance(field, kind)), pa.string())


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else value
