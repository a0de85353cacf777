"""Formats the text of a policy: same meaning, same comments, one way to write blanks.

Lines are kept one for one but for runs of empty lines, which become one. A line with an error keeps its words: the
formatter repairs nothing.
"""

from __future__ import annotations

from policies.language.allowances import ALLOW_LAST_COPY, split_allowance
from policies.language.ast import Operator
from policies.language.conditions import ConditionReader, split_clause
from policies.language.diagnostics import Reporter
from policies.language.labels import read_label
from policies.language.scanner import RawPredicate, Scanner
from policies.language.source import Fragment, fold, read_source, split_comment, suspect_characters
from policies.language.statements import ACTIONS, SITE_STATEMENTS


def format_policy(text: str) -> str:
    """Return *text* formatted: blanks folded, dots in names, lists and parentheses without inner blanks, comments kept.

    Formatting twice changes nothing more, and the formatted text parses to the same policy but for line numbers.
    """
    source = read_source(text, "<policy>")
    # One for all lines: it looks for close matches while errors are few, and here nobody reads them.
    reporter = Reporter(source)
    formatted: list[str] = []
    for number, line in enumerate(source.lines, start=1):
        if not line.strip(" \t"):
            if formatted and formatted[-1]:
                formatted.append("")
            continue
        formatted.append(_format_line(line, number, reporter))
    while formatted and not formatted[-1]:
        formatted.pop()
    return "".join(f"{line}\n" for line in formatted)


def _format_line(line: str, number: int, reporter: Reporter) -> str:
    if suspect_characters(line) is not None:
        return line
    comment = split_comment(line)[1].rstrip(" \t")
    fragment = fold(line, number)
    if not fragment.text:
        return comment
    content = _format_statement(fragment, reporter)
    return f"{content}  {comment}" if comment else content


def _format_statement(line: Fragment, reporter: Reporter) -> str:
    word, _, _ = line.text.partition(" ")
    if word == "Order":
        return _format_order(line)
    rest = line.cut(len(word))
    if not rest.text or word not in (*ACTIONS, *SITE_STATEMENTS):
        return line.text
    label = ""
    if word in ACTIONS and rest.text.startswith("@"):
        after = read_label(rest, reporter)[1]
        if after is None or not after.text:
            return line.text
        label = f"{rest.text[: len(rest.text) - len(after.text)].rstrip()} "
        rest = after
    body, has_allowance = split_allowance(rest) if word in ACTIONS else (rest, False)
    if not body.text:
        return line.text
    condition = _format_condition(body, reporter, is_site=word in SITE_STATEMENTS)
    return f"{word} {label}{condition}" + (f" {ALLOW_LAST_COPY}" if has_allowance else "")


def _format_order(line: Fragment) -> str:
    """Put the dot into names that were written with a blank."""
    words: list[str] = []
    for word in line.text.split(" "):
        if words and words[-1] in ("dataset", "replica", "site", "blockreplica") and word not in ("increasing", "decreasing"):
            words[-1] = f"{words[-1]}.{word}"
        else:
            words.append(word)
    return " ".join(words)


def _format_condition(condition: Fragment, reporter: Reporter, *, is_site: bool) -> str:
    """Return the condition from its terminals; one with an error as it is."""
    if ConditionReader(reporter).read(condition, "site" if is_site else "replica") is None:
        return condition.text
    body, clause = split_clause(condition)
    tokens = Scanner(body, reporter).scan() or []
    pieces: list[str] = []
    for token in tokens:
        if token.predicate is not None:
            pieces.append(_format_predicate(token.predicate))
        elif token.kind in ("AND", "OR"):
            pieces.append(f" {token.kind.lower()} ")
        else:
            pieces.append({"LPAR": "(", "RPAR": ")", "NOT": "not "}[token.kind])
    return "".join(pieces) + (f" {clause}" if clause else "")


def _format_predicate(raw: RawPredicate) -> str:
    name = f"not {raw.name}" if raw.is_negated else raw.name
    if not raw.value:
        return name
    value = raw.value
    # Only here is the bracket the list's own: in a pattern or a regular expression it opens a set.
    if raw.operator in (Operator.IN, Operator.NOT_IN):
        value = f"[{value[1:-1].strip()}]"
    return f"{name} {raw.operator.value} {value}"
