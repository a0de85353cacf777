"""A document out of the few words of a command line: ``NAME key=value ...`` for each object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

_NUMBERS = frozenset({"size", "num_files", "last_update"})
_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}
_ASKED = frozenset({"is_open", "growing", "is_custodial"})


class SmallDocumentError(ValueError):
    """Words that make no record; the text says which, and what was expected."""


def small_document(
    *,
    sites: Sequence[Sequence[str]] = (),
    groups: Sequence[Sequence[str]] = (),
    datasets: Sequence[Sequence[str]] = (),
    blocks: Sequence[Sequence[str]] = (),
    files: Sequence[Sequence[str]] = (),
    replicas: Sequence[Sequence[str]] = (),
) -> bytes:
    """Return the document, one JSON object. Values are checked where it is injected; raises ``SmallDocumentError`` for its form.

    - sites, groups, datasets: ``NAME key=value ...``
    - blocks: ``DATASET#BLOCK key=value ...``
    - files: ``DATASET#BLOCK LFN key=value ...``
    - replicas: ``DATASET SITE key=value ...`` or ``DATASET#BLOCK SITE key=value ...``; size, num_files, is_custodial and
      last_update belong to the block's replica, group and growing to the dataset's.
    """
    document: dict[str, list[dict[str, Any]]] = {}
    for section, given in (("site", sites), ("group", groups)):
        if given:
            document[section] = [{"name": words[0], **_fields(words[1:], f"--{section}")} for words in given]
    named: dict[str, dict[str, Any]] = {}
    for words in datasets:
        named[words[0]] = {"name": words[0], **_fields(words[1:], "--dataset")}
    for words in blocks:
        _block(named, words[0], "--block").update(_fields(words[1:], "--block"))
    for words in files:
        if len(words) < 2:
            raise SmallDocumentError(f"--file {words[0]}: expected DATASET#BLOCK LFN size=BYTES")
        file = {"name": words[1], **_fields(words[2:], "--file")}
        _block(named, words[0], "--file").setdefault("files", []).append(file)
    if named:
        document["dataset"] = list(named.values())
    if replicas:
        document["datasetreplica"] = _replicas(replicas)
    return json.dumps(document).encode()


def _block(datasets: dict[str, dict[str, Any]], item: str, option: str) -> dict[str, Any]:
    name, _, block_name = item.partition("#")
    if not name or not block_name:
        raise SmallDocumentError(f"{option} {item}: expected DATASET#BLOCK, as /A/B/C#b1")
    blocks: list[dict[str, Any]] = datasets.setdefault(name, {"name": name}).setdefault("blocks", [])
    for block in blocks:
        if block["name"] == block_name:
            return block
    block = {"name": block_name}
    blocks.append(block)
    return block


def _replicas(given: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for words in given:
        if len(words) < 2:
            raise SmallDocumentError(f"--replica {words[0]}: expected DATASET#BLOCK SITE, or DATASET SITE")
        name, _, block_name = words[0].partition("#")
        fields = _fields(words[2:], "--replica")
        replica = found.setdefault((name, words[1]), {"dataset": name, "site": words[1], "blockreplicas": []})
        if block_name:
            part = {key: fields.pop(key) for key in ("size", "num_files", "is_custodial", "last_update") if key in fields}
            if "group" in fields:
                part["group"] = fields["group"]
            replica["blockreplicas"].append({"block": block_name, **part})
        replica.update(fields)
    return list(found.values())


def _fields(words: Sequence[str], option: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise SmallDocumentError(f"{option}: found {word!r}, expected key=value")
        if key in fields:
            raise SmallDocumentError(f"{option}: {key} stands twice")
        fields[key] = _value(key, text)
    return fields


def _value(key: str, text: str) -> Any:
    if key in _NUMBERS and text.removeprefix("-").isdigit() and text.isascii():
        return int(text)
    if key in _ASKED:
        return _TRUTHS.get(text.lower(), text)
    return None if key == "group" and not text else text
