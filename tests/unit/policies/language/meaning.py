"""What a policy means, without the places and the words in which it was written."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from policies.language.variables import Variable

_PLACES = {"span", "text", "line", "lines", "file_name"}


def meaning(node: object) -> object:
    """Return the tree as tuples of what counts: no spans, no line numbers, no source texts."""
    if isinstance(node, Variable):
        return node.name
    if isinstance(node, tuple):
        return tuple(meaning(item) for item in node)
    if is_dataclass(node) and not isinstance(node, type):
        inner = tuple((f.name, meaning(getattr(node, f.name))) for f in fields(node) if f.name not in _PLACES)
        return (type(node).__name__, *inner)
    return node
