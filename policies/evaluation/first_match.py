"""Runs of rules that depend on the dataset alone, answered once per dataset: 4,000 lines cost about as much as 40.

Exact names are looked up in a dictionary; other conditions are asked only of the datasets that no earlier rule of
the run has decided.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.matching import TRUE, UNKNOWN
from policies.evaluation.nodes import ConstantNode, DatasetNode
from policies.language.ast import Operator, Predicate, Rule, TextLiteral
from policies.language.types import Action


def exact_name(rule: Rule) -> str | None:
    """Return NAME if the rule's condition is just ``dataset.name == NAME``, else None."""
    expression = rule.condition.expression if rule.condition is not None else None
    match expression:
        case Predicate(operator=Operator.EQ, literal=TextLiteral(value=value)) if expression.variable.name == "dataset.name":
            return value
    return None


def first_matches(run: Sequence[tuple[int, Rule]], compiler: ConditionCompiler, names: Sequence[str]) -> NDArray[np.int32]:
    """Return for each dataset the row of the first rule of *run* that holds for it, -1 = none.

    Conditions that are unknown hold for Protect and Ignore rules alone.
    """
    first = np.full(len(names), -1, dtype=np.int32)
    wanted = {name for _, rule in run if (name := exact_name(rule)) is not None}
    row_of = {name: row for row, name in enumerate(names) if name in wanted}
    for row, rule in run:
        name = exact_name(rule)
        if name is not None:
            dataset = row_of.get(name)
            if dataset is not None and first[dataset] < 0:
                first[dataset] = row
            continue
        if rule.condition is None:
            raise ValueError(f"line {rule.line}: the default cannot be part of a run")
        threshold = UNKNOWN if rule.action in {Action.PROTECT, Action.IGNORE} else TRUE
        node = compiler.condition(rule.condition)
        if isinstance(node, ConstantNode):
            values = np.full(len(names), node.truth, dtype=np.int8)
        elif isinstance(node, DatasetNode):
            values = node.truths
        else:
            raise TypeError(f"line {rule.line}: the condition reads more than the dataset")
        first[(first < 0) & (values >= threshold)] = row
    return first
