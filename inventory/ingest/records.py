"""The shape of each record, checked while it is decoded: types, lengths, ranges, unknown fields.

A field that is not given is ``UNSET``: it leaves what is there alone. What only the inventory can tell (unknown names,
sums that disagree) is checked where records are applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from inventory.ingest.rejects import BadRecord, Problem, closest, shown

#: 9999-12-31T23:59:59Z, the last moment that a datetime can hold.
LAST_MOMENT = 253402300799

SiteName = Annotated[str, Meta(min_length=1, max_length=64)]
GroupName = Annotated[str, Meta(min_length=1, max_length=64)]
DatasetName = Annotated[str, Meta(min_length=1, max_length=512)]
BlockName = Annotated[str, Meta(min_length=1, max_length=128)]
Lfn = Annotated[str, Meta(min_length=1, max_length=1024)]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]
NumFiles = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Moment = Annotated[int, Meta(ge=0, le=LAST_MOMENT)] | Annotated[float, Meta(ge=0, le=LAST_MOMENT)]
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]

#: The list of blocks or block replicas of a record that has none.
NOTHING = msgspec.Raw(b"[]")


class _Record(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    pass


class LfnRuleRecord(_Record):
    pattern: Annotated[str, Meta(min_length=1, max_length=512)]
    replacement: Annotated[str, Meta(max_length=512)]


class SiteRecord(_Record):
    name: SiteName
    host: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    storage_type: str | UnsetType = UNSET
    backend: Annotated[str, Meta(max_length=512)] | UnsetType = UNSET
    endpoint: Annotated[str, Meta(max_length=512)] | UnsetType = UNSET
    lfn_rules: list[LfnRuleRecord | list[LfnRuleRecord]] | UnsetType = UNSET
    status: str | UnsetType = UNSET


class GroupRecord(_Record):
    name: GroupName
    olevel: str | UnsetType = UNSET


class FileRecord(_Record):
    name: Lfn
    size: Size
    adler32: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    checksum: Annotated[str, Meta(min_length=1, max_length=160)] | UnsetType = UNSET


class BlockRecord(_Record):
    name: BlockName
    size: Size | UnsetType = UNSET
    num_files: NumFiles | UnsetType = UNSET
    is_open: bool | UnsetType = UNSET
    last_update: Moment | UnsetType = UNSET
    files: list[FileRecord] | UnsetType = UNSET


class DatasetHead(_Record):
    """What a record says of a dataset itself."""

    name: DatasetName
    status: str | UnsetType = UNSET
    data_type: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    is_open: bool | UnsetType = UNSET
    last_update: Moment | UnsetType = UNSET
    software_version: list[int | str] | UnsetType | None = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET


class DatasetRecord(DatasetHead):
    blocks: list[BlockRecord] = []


class DatasetText(DatasetHead):
    """A record whose blocks were not looked at yet."""

    blocks: msgspec.Raw = NOTHING


class BlockReplicaRecord(_Record):
    block: BlockName
    group: GroupName | UnsetType | None = UNSET
    size: Size | UnsetType = UNSET
    num_files: NumFiles | UnsetType = UNSET
    is_custodial: bool | UnsetType = UNSET
    last_update: Moment | UnsetType = UNSET
    files: list[Lfn] | UnsetType = UNSET


class DatasetReplicaHead(_Record):
    """What a record says of a dataset replica itself."""

    dataset: DatasetName
    site: SiteName
    group: GroupName | UnsetType | None = UNSET
    growing: bool | UnsetType = UNSET


class DatasetReplicaRecord(DatasetReplicaHead):
    blockreplicas: list[BlockReplicaRecord] = []


class DatasetReplicaText(DatasetReplicaHead):
    """A record whose block replicas were not looked at yet."""

    blockreplicas: msgspec.Raw = NOTHING


class AttrsRecord(_Record):
    dataset: DatasetName
    usage_rank: Number | UnsetType | None = UNSET
    demand_rank: Number | UnsetType | None = UNSET
    num_access: Annotated[float, Meta(ge=0, le=1e300)] | UnsetType | None = UNSET
    last_access: Moment | UnsetType | None = UNSET
    tape_copy_requested: bool | UnsetType | None = UNSET
    unhandled_copy_exists: bool | UnsetType | None = UNSET
    unknown_in_all_dbs: bool | UnsetType | None = UNSET
    on_protected_site: bool | UnsetType | None = UNSET
    latest_production_release: bool | UnsetType | None = UNSET
    attributes: dict[str, Any] | UnsetType | None = UNSET
    locked_blocks: dict[SiteName, list[BlockName] | None] | UnsetType = UNSET
    enforcer_protected_replicas: list[SiteName] | UnsetType = UNSET


class MetaRecord(msgspec.Struct, kw_only=True):
    """What a document says of itself; fields beyond these are ignored."""

    now: Moment | None = None
    feeds: list[str] | None = None
    source: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


#: Records of which some is text.
Text = DatasetText | DatasetReplicaText

#: What the inventory itself takes; other sections belong to those who registered them.
RECORD_TYPES: Mapping[str, type[_Record]] = {
    "site": SiteRecord,
    "group": GroupRecord,
    "dataset": DatasetRecord,
    "datasetreplica": DatasetReplicaRecord,
    "attrs": AttrsRecord,
}

#: All sections whose records have a shape here.
_SHAPES: Mapping[str, type[msgspec.Struct]] = {**RECORD_TYPES, "meta": MetaRecord}
_decoders = {section: msgspec.json.Decoder(type_) for section, type_ in _SHAPES.items()}
_text_decoders: Mapping[str, msgspec.json.Decoder[Any]] = {
    "dataset": msgspec.json.Decoder(list[DatasetText]),
    "datasetreplica": msgspec.json.Decoder(list[DatasetReplicaText]),
}
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`$")
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`$")


def decode_record(section: str, body: bytes | msgspec.Raw | object) -> msgspec.Struct | dict[str, Any]:
    """Return the record of *section* in *body*, which is JSON text or a decoded value.

    Sections that others take stay JSON objects. Raises ``BadRecord`` with the place of what does not fit.
    """
    try:
        if section in _SHAPES:
            if isinstance(body, bytes | msgspec.Raw):
                return _decoders[section].decode(body)
            return msgspec.convert(body, _SHAPES[section])
        if isinstance(body, bytes | msgspec.Raw):
            return msgspec.json.decode(body, type=dict[str, Any])
        return msgspec.convert(body, dict[str, Any])
    except msgspec.ValidationError as error:
        raise BadRecord([_problem(str(error), section, body)]) from None
    except msgspec.DecodeError as error:
        raise BadRecord([Problem("", "text that is not JSON", "a JSON object", str(error))]) from None
    except UnicodeDecodeError as error:
        found = f"invalid UTF-8 (byte 0x{error.object[error.start]:02x})"
        raise BadRecord([Problem("", found, "text in UTF-8", "convert the file, for instance with iconv")]) from None
    except RecursionError:
        raise BadRecord([Problem("", "values nested too deeply", "a JSON object of the documented form")]) from None


def dataset_name(record: Any) -> str:
    """Return the name of the dataset that a record of a dataset, of a replica or of facts is about."""
    return str(record.name if isinstance(record, DatasetHead) else record.dataset)


def texts_of_section(section: str, body: bytes | msgspec.Raw) -> Sequence[Text]:
    """Return the heads of datasets or replicas with the rest as text, which may be wrong; none where not all are right."""
    if section not in _text_decoders:
        return ()
    try:
        texts: Sequence[Text] = _text_decoders[section].decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    return texts


def moment(seconds: float) -> datetime:
    """Return *seconds* since 1970 as a UTC datetime, to the microsecond."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def _problem(message: str, section: str, body: bytes | msgspec.Raw | object) -> Problem:
    """Translate msgspec's message, whose path starts at the record, into what was found and expected."""
    parts = _AT.match(message)
    what, path = (parts["what"], (parts["path"] or "").lstrip(".")) if parts else (message, "")
    if unknown := _UNKNOWN_FIELD.match(what):
        known = _fields_at(section, path)
        help_ = closest(unknown[1], known) or f"the fields are {', '.join(known)}"
        return Problem(path, f"an unknown field {shown(unknown[1])}", "only documented fields", help_)
    if missing := _MISSING_FIELD.match(what):
        return Problem(f"{path}.{missing[1]}".lstrip("."), "nothing", f"a value for {missing[1]}", "this field is mandatory")
    expected = what.removeprefix("Expected ").split(", got ")[0].replace("`", "")
    try:
        tree = msgspec.json.decode(body) if isinstance(body, bytes | msgspec.Raw) else body
    except (msgspec.DecodeError, RecursionError):
        tree = None
    return Problem(path, shown(_value_at(tree, path)), expected)


def _fields_at(section: str, path: str) -> list[str]:
    record: Any = RECORD_TYPES.get(section)
    for step in re.findall(r"[a-z_0-9]+(?=\[|\.|$)", path):
        nested = {"blocks": BlockRecord, "files": FileRecord, "blockreplicas": BlockReplicaRecord, "lfn_rules": LfnRuleRecord}
        record = nested.get(step, record)
    return [field.encode_name for field in msgspec.structs.fields(record)] if record is not None else []


def _value_at(tree: Any, path: str) -> object:
    """Return what is at *path* of *tree*; the innermost value that the path reaches where it names no key (``[...]``)."""
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        try:
            tree = tree[int(index)] if index else tree[key]
        except (KeyError, IndexError, TypeError):
            break
    return tree
