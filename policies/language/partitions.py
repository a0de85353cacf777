"""Partition definitions: ``NAME: CONDITION`` over block replicas, ``NAME: [A, B]`` for the union of others."""

from __future__ import annotations

from dataclasses import dataclass

from policies.language.ast import PartitionDefinition, Span
from policies.language.conditions import ConditionReader
from policies.language.diagnostics import Diagnostic, Reporter, quote
from policies.language.parser import readable_lines
from policies.language.source import Fragment, read_source


@dataclass(frozen=True, slots=True)
class _Part:
    """A name in the list of a superpartition, with its place."""

    name: str
    span: Span


def parse_partitions(
    text: str | bytes, *, file_name: str = "<partitions>", now: float | None = None
) -> tuple[tuple[PartitionDefinition, ...], tuple[Diagnostic, ...]]:
    """Return the definitions of *text* in its order (none if a diagnostic is an error), and all findings.

    A superpartition may name partitions that are defined below it, and other superpartitions; names that are not
    defined in *text* and cycles are errors. Any bytes are taken, nothing is raised.
    """
    source = read_source(text, file_name)
    reporter = Reporter(source)
    reader = _DefinitionReader(reporter, now)
    for fragment in readable_lines(source, reporter):
        reader.read(fragment)
    reader.check_parts()
    return (() if reporter.error_count else tuple(reader.definitions)), reporter.sorted()


class _DefinitionReader:
    """Reads definitions line by line; ``lines`` holds the first line of every name, wrong ones included."""

    def __init__(self, reporter: Reporter, now: float | None) -> None:
        self.reporter = reporter
        self.conditions = ConditionReader(reporter, now)
        self.lines: dict[str, int] = {}
        self.parts: dict[str, list[_Part]] = {}
        self.definitions: list[PartitionDefinition] = []

    def read(self, line: Fragment) -> None:
        """Read one line that is not empty."""
        colon = line.text.find(":")
        if colon <= 0:
            span = line.span(0, max(colon, len(line.text)))
            self.reporter.report("P601", span, "no partition definition", "write 'NAME: CONDITION' or 'NAME: [A, B]'")
            return
        name, body = line.cut(0, colon), line.cut(colon + 1)
        if name.text in self.lines:
            help_text = f"the first stands on line {self.lines[name.text]}; leave one out"
            self.reporter.report("P602", name.span(0, len(name.text)), f"{quote(name.text)} is defined twice", help_text)
            return
        self.lines[name.text] = line.line
        if not body.text:
            self.reporter.report(
                "P601", line.span(0, colon + 1), f"{quote(name.text)} has no condition", "write one behind the ':'"
            )
        elif body.text.startswith("["):
            self._superpartition(name.text, body)
        else:
            condition = self.conditions.read(body, "partition")
            if condition is not None:
                self.definitions.append(PartitionDefinition(name.text, condition, (), line.line))

    def _superpartition(self, name: str, body: Fragment) -> None:
        parts = self._parts(body)
        if parts is None:
            return
        self.parts[name] = parts
        self.definitions.append(PartitionDefinition(name, None, tuple(part.name for part in parts), body.line))

    def _parts(self, body: Fragment) -> list[_Part] | None:
        help_text = "write 'NAME: [A, B]'"
        close = body.text.find("]")
        if close < 0:
            self.reporter.report("P606", body.span(0, 1), "the list is not closed", help_text)
            return None
        if close + 1 < len(body.text):
            self.reporter.report("P606", body.span(close + 1, len(body.text)), "text follows the list", help_text)
            return None
        parts: list[_Part] = []
        start = 1
        for piece in body.text[1:close].split(","):
            name = body.cut(start, start + len(piece))
            span = name.span(0, len(name.text))
            start += len(piece) + 1
            if not name.text or name.text in {part.name for part in parts}:
                message = "a name is missing in the list" if not name.text else f"{quote(name.text)} stands twice in the list"
                self.reporter.report("P606", span, message, help_text)
                return None
            parts.append(_Part(name.text, span))
        return parts

    def check_parts(self) -> None:
        """Report parts that are not defined, and superpartitions that contain each other."""
        for parts in self.parts.values():
            for part in parts:
                if part.name not in self.lines:
                    self._unknown_part(part)
        # Peel off what rests on no open superpartition; what is left at the end contains itself.
        waiting = {name: {part.name for part in parts} & self.parts.keys() for name, parts in self.parts.items()}
        while done := {name for name, needs in waiting.items() if not needs}:
            waiting = {name: needs - done for name, needs in waiting.items() if name not in done}
        for name, needs in waiting.items():
            place = next(part for part in self.parts[name] if part.name in needs)
            message = f"{quote(name)} contains itself through {quote(place.name)}"
            self.reporter.report("P604", place.span, message, "a superpartition is the union of other partitions")

    def _unknown_part(self, part: _Part) -> None:
        if " " in part.name and all(word in self.lines for word in part.name.split(" ")):
            help_text: str | None = f"names are separated by commas: '{', '.join(part.name.split(' '))}'"
        else:
            help_text = self.reporter.close_matches(part.name, self.lines)
        self.reporter.report("P603", part.span, f"the partition {quote(part.name)} is not defined", help_text)
