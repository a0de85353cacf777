"""What the LFN rules of a site must be like, whoever writes them: a form, a document, the shell."""

from __future__ import annotations

_KEYS = {"pattern", "replacement"}


def lfn_rule_problems(rules: object) -> list[str]:
    """Return what is wrong with rules as they are stored; nothing is wrong with an empty list (the logical name itself).

    A rule is a pattern and a replacement, or a chain: a list of such steps, each applied to what the one before made.
    """
    if not isinstance(rules, list):
        return ['expected a list of {"pattern": regular expression, "replacement": text}, or of lists of such steps']
    return [f"rule {number}: {problem}" for number, rule in enumerate(rules, start=1) if (problem := _chain_problem(rule))]


def pattern_problem(pattern: str) -> str:
    """Return why *pattern* cannot be matched, empty if it can. The syntax is that of RE2 and Rust, not Python's."""
    import polars as pl  # noqa: PLC0415 - a quarter of a second of the start of each command, for what few of them write

    try:
        pl.Series([""]).str.contains(rf"\A(?:{pattern})\z")
    except pl.exceptions.ComputeError:
        return f"{pattern!r} is not a regular expression in the syntax of RE2, which knows no look-around and no back-references"
    return ""


def _chain_problem(rule: object) -> str:
    if not isinstance(rule, list):
        return _problem(rule)
    if not rule:
        return "a chain without steps"
    return next((f"step {number}: {problem}" for number, step in enumerate(rule, start=1) if (problem := _problem(step))), "")


def _problem(rule: object) -> str:
    if not isinstance(rule, dict) or rule.keys() != _KEYS or not all(isinstance(value, str) for value in rule.values()):
        return 'expected {"pattern": regular expression, "replacement": text} and nothing else'
    if not rule["pattern"]:
        return "the pattern is empty"
    return pattern_problem(rule["pattern"])
