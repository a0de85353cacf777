"""Terms are joined as ``grammar.lark`` says: the reader's own joining against a parser that is made of the grammar."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from lark import Lark, Token, Tree

from policies.language import ast, conditions
from policies.language.diagnostics import Reporter
from policies.language.parser import parse_condition
from policies.language.scanner import Scanner
from policies.language.source import fold, read_source

GRAMMAR = Path(conditions.__file__).with_name("grammar.lark").read_text(encoding="utf-8")
PREDICATES = ("replica.incomplete", "not replica.incomplete", "dataset.name == /A*/B", "replica.size > 3")
SEEDS = (1, 2, 3, 4)


def written(choose: random.Random, size: int) -> str:
    """Return a condition of *size* predicates with parentheses, negations and connectives at random."""
    if size == 1:
        predicate = choose.choice(PREDICATES)
        return choose.choice((predicate, predicate, f"({predicate})", f"not ({predicate})", f"not(({predicate}))"))
    left = choose.randrange(1, size)
    joined = f"{written(choose, left)} {choose.choice(('and', 'or'))} {written(choose, size - left)}"
    return choose.choice((joined, joined, f"({joined})", f"not ({joined})"))


def by_grammar(text: str) -> object:
    """Return nested tuples of how the grammar joins the terminals of *text*, predicates as their texts."""
    source = read_source(text, "x")
    tokens = Scanner(fold(text, 1), Reporter(source)).scan()
    assert tokens is not None
    parser = Lark(GRAMMAR, parser="lalr").parse_interactive()
    for token in tokens:
        parser.feed_token(Token(token.kind, text[token.start : token.end]))
    return _plain(parser.feed_token(Token("$END", "")))


def _plain(tree: object) -> object:
    if isinstance(tree, Token):
        return str(tree)
    assert isinstance(tree, Tree)
    parts = [
        child for child in tree.children if not (isinstance(child, Token) and child.type in ("LPAR", "RPAR", "NOT", "AND", "OR"))
    ]
    inner = [_plain(part) for part in parts if not (isinstance(part, Tree) and part.data in ("_and", "_or"))]
    if tree.data in ("predicate", "group"):
        return inner[0]
    if tree.data == "negation":
        return ("not", inner[0])
    return _flat("and" if tree.data == "conjunction" else "or", inner)


def _flat(word: str, parts: list[object]) -> object:
    """Nested nodes of one kind are one node: ``(a and b) and c`` has three parts."""
    flat: list[object] = []
    for part in parts:
        flat.extend(part[1:] if isinstance(part, tuple) and part[0] == word else (part,))
    return (word, *flat)


def by_reader(expression: ast.Expression, text: str) -> object:
    match expression:
        case ast.Not(operand=ast.Predicate()) | ast.Predicate():
            return text[expression.span.column - 1 : expression.span.end_column - 1]
        case ast.And(operands=(ast.Predicate() as only,)):
            return by_reader(only, text)
        case ast.Not(operand=operand):
            return ("not", by_reader(operand, text))
        case ast.And(operands=operands):
            return ("and", *(by_reader(operand, text) for operand in operands))
        case ast.Or(operands=operands):
            return ("or", *(by_reader(operand, text) for operand in operands))
    raise AssertionError(expression)


@pytest.mark.parametrize("seed", SEEDS)
def test_terms_are_joined_as_the_grammar_says(seed: int) -> None:
    choose = random.Random(seed)
    for size in [1, 2, 3, 5, 9, 14] * 12:
        text = written(choose, size)
        condition, findings = parse_condition(text)
        assert condition is not None, (text, findings)
        assert by_reader(condition.expression, text) == by_grammar(text), text
