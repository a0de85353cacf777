"""Names of datasets, blocks and files out of a document as ``inject`` takes it; sizes and all else in it do not matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from inventory.exceptions import InvalidInput
from inventory.ingest.documents import open_document
from inventory.selectors.named import Target

_SECTION = "dataset"
_LENGTHS = {"dataset": 512, "block": 128, "file": 1024}
_EXPECTED = 'expected {"dataset": [{"name": ..., "blocks": [{"name": ..., "files": [{"name": ...}]}]}]}'


def targets_read(source: str) -> list[Target]:
    """Return what the document at *source* (a path, or ``-``; JSON lines, ``.gz`` and ``.xz`` too) names.

    Raises ``IngestError`` where it cannot be read to its end, ``InvalidInput`` for a record that names nothing, with its place.
    """
    targets: list[Target] = []
    with open_document(source, known_sections=frozenset({_SECTION})) as document:
        for item in document:
            where = f"{source}: record {item.number} {item.path}".rstrip()
            if item.problem is not None:
                raise InvalidInput(f"{where}: {item.problem.found}; expected {item.problem.expected}")
            if item.section == _SECTION:
                body = msgspec.json.decode(item.body) if isinstance(item.body, msgspec.Raw) else item.body
                targets.extend(_of_dataset(body, where))
    if not targets:
        raise InvalidInput(f"{source}: no dataset is named; {_EXPECTED}")
    return targets


def targets_of(document: Mapping[str, Any]) -> list[Target]:
    """Return what *document* names. Raises ``InvalidInput`` as `targets_read` does."""
    others = sorted(set(document) - {_SECTION, "meta"})
    if others:
        raise InvalidInput(f'a section "{others[0]}" names no data; {_EXPECTED}')
    datasets = document.get(_SECTION)
    if not isinstance(datasets, list) or not datasets:
        raise InvalidInput(f"no dataset is named; {_EXPECTED}")
    return [target for index, body in enumerate(datasets) for target in _of_dataset(body, f"dataset[{index}]")]


def targets_named(*, datasets: Iterable[str] = (), block: str = "", files: Iterable[str] = ()) -> list[Target]:
    """Return what single names say: datasets; or one block, or files, of one dataset; or files by their names alone.

    Raises ``InvalidInput`` for a block without its dataset, or one of several.
    """
    names, lfns = list(datasets), list(files)
    if (block or lfns) and len(names) > 1:
        raise InvalidInput("a block or files are of one dataset: name one, or write a document")
    if block and not names:
        raise InvalidInput(f"of which dataset is the block {block!r}? Name it")
    dataset = _name(names[0], "dataset", "the dataset") if names else ""
    if lfns:
        of_block = _name(block, "block", "the block") if block else ""
        return [Target(dataset, of_block, _name(lfn, "file", "the file")) for lfn in lfns]
    if block:
        return [Target(dataset, _name(block, "block", "the block"))]
    if not names:
        raise InvalidInput("nothing is named: name datasets, blocks or files")
    return [Target(_name(name, "dataset", "the dataset")) for name in names]


def _of_dataset(body: Any, where: str) -> Iterator[Target]:
    dataset = _name_of(body, "dataset", where)
    if "blocks" not in body:
        yield Target(dataset)
        return
    for index, block in enumerate(_list(body, "blocks", where, f"the dataset {dataset}")):
        yield from _of_block(dataset, block, f"{where}.blocks[{index}]")


def _of_block(dataset: str, body: Any, where: str) -> Iterator[Target]:
    block = _name_of(body, "block", where)
    if "files" not in body:
        yield Target(dataset, block)
        return
    for index, file in enumerate(_list(body, "files", where, f"the block {block}")):
        yield Target(dataset, block, _name_of(file, "file", f"{where}.files[{index}]"))


def _list(body: Mapping[str, Any], key: str, where: str, whole: str) -> list[Any]:
    found = body[key]
    if not isinstance(found, list) or not found:
        raise InvalidInput(
            f'{where}.{key}: a list that names something was expected; leave "{key}" out to name {whole} as a whole'
        )
    return found


def _name_of(body: Any, what: str, where: str) -> str:
    if isinstance(body, str):
        return _name(body, what, where)
    if not isinstance(body, Mapping) or "name" not in body:
        raise InvalidInput(f"{where}: a {what} with a name was expected, not {str(body)[:80]!r}")
    return _name(body["name"], what, f"{where}.name")


def _name(value: Any, what: str, where: str) -> str:
    length = _LENGTHS[what]
    if not isinstance(value, str) or not value or len(value) > length or not value.isprintable():
        raise InvalidInput(
            f"{where}: {str(value)[:80]!r} is no name of a {what}: 1 to {length} printable characters were expected"
        )
    return value
