"""All diagnostics of the policy language: code, severity and meaning. Codes are stable, never given twice.

P0 text, P1 statements and names, P2 conditions, P3 values, P4 times, P5 patterns, P6 partition definitions,
P7 findings of the linter, P8 expectations. ``docs/policy-language-diagnostics.md`` is made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How grave a finding is: an error leaves no policy, a warning and a note do."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding."""

    name: str
    severity: Severity
    meaning: str


def _table(severity: Severity, rows: dict[str, str]) -> dict[str, Code]:
    return {name: Code(name, severity, meaning) for name, meaning in rows.items()}


_ERRORS = {
    "P001": "The text is not UTF-8.",
    "P002": "A character is invisible or not printable, so two texts that look alike would differ.",
    "P003": "The text asks for more work than a check may take; from there on it is not read.",
    "P101": "The first word of the line is no statement.",
    "P102": "A statement lacks its condition, name or word.",
    "P103": "A statement that may stand once stands twice.",
    "P104": "The name is no variable of the policy language.",
    "P105": "The variable was dropped from the language; another one replaces it.",
    "P106": "The variable exists, but not in this kind of condition.",
    "P107": "A mandatory statement is missing.",
    "P108": "No partition is named, neither in the text nor beside it (a note while the text has other errors).",
    "P109": "The text names another partition than the one given beside it.",
    "P110": "A default decision has a block action.",
    "P111": "Order lacks a direction, or has a word that is none.",
    "P112": "Order cannot sort by this variable.",
    "P113": "A direction of Order has no variable.",
    "P114": "A word follows 'Order none'.",
    "P115": "The algorithm is unknown, or text follows it.",
    "P116": "The label of a rule is not well formed.",
    "P117": "A label names an unknown or repeated key, or a value that it cannot take.",
    "P118": "'always' or 'never' stands where only a replica condition may.",
    "P120": "'allow last copy' stands where nothing is deleted, or without a condition.",
    "P121": "'allow last copy' is misspelled, or is not at the end of a rule.",
    "P201": "The operator is unknown, or is not set apart by blanks.",
    "P202": "The operator does not fit the type of the variable.",
    "P203": "The value after an operator is missing.",
    "P204": "A condition is missing before or after 'and' or 'or'.",
    "P205": "'and' or 'or' is misspelled and would be read as a part of the value.",
    "P206": "'not' stands where it cannot.",
    "P207": "A variable that is true or false is compared with a value.",
    "P208": "A variable that is not true or false stands alone.",
    "P209": "Text follows a complete condition.",
    "P210": "A parenthesis has no partner, or encloses nothing.",
    "P211": "Parentheses are nested too deeply.",
    "P214": "'until' or 'from' stands before the end of the condition, or twice.",
    "P215": "'until' or 'from' is followed by something that is no moment.",
    "P301": "The value is not a number.",
    "P302": "The unit of a number is unknown, or the variable has no such unit.",
    "P303": "The number is infinite, not a number or too large.",
    "P304": "The word is none of the variable's values.",
    "P305": "A value is in quotes.",
    "P306": "A list has commas.",
    "P307": "A list lacks a bracket.",
    "P308": "Text follows the closing bracket of a list.",
    "P401": "The text is no moment.",
    "P402": "A bare number is no moment.",
    "P403": "The date or the time of day does not exist, or not in every year.",
    "P501": "The regular expression is not well formed.",
    "P502": "The regular expression has look-around or back-references, which can stall a cycle.",
    "P503": "The regular expression uses something that the matching engines read differently.",
    "P504": "The regular expression is too large.",
    "P601": "The line is no partition definition.",
    "P602": "A partition is defined twice.",
    "P603": "A superpartition names a partition that is not defined.",
    "P604": "Superpartitions contain each other.",
    "P605": "A partition definition uses a fact.",
    "P606": "The list of a superpartition is not well formed.",
    "P801": "The line is no expectation.",
    "P802": "An expectation names no decision.",
    "P803": "No site follows 'at' in an expectation.",
}

_WARNINGS = {
    "P212": "A value holds the name of a variable; an 'and' may be missing.",
    "P213": "A value holds a parenthesis without a partner.",
    "P404": "A time without 'ago' lies in the future.",
    "P405": "A bare number is read as a time of day.",
    "P406": "A single letter is read as a time zone.",
    "P407": "A relative moment after 'until' or 'from' moves with the clock.",
    "P505": "Brackets are read literally, because the value has no '*' or '?'.",
    "P701": "A rule can never match, because an earlier one takes all that it would.",
    "P702": "A condition contradicts itself and can never hold.",
    "P703": "A negation of a block variable in a dataset-level rule means 'some block is not'.",
    "P704": "An Until can never hold while a When holds.",
    "P705": "'When always' stands beside an Until on the occupancy.",
    "P706": "The default decision is Delete.",
    "P707": "A condition on tape has no tape site under On.",
    "P708": "A label ends within 14 days.",
    "P709": "A label has ended; its rule is off.",
    "P710": "An exact name is not in the inventory.",
    "P711": "A rule matched nothing in the last cycle.",
}

_NOTES = {
    "P119": "A blank in a variable's name was read as the dot.",
}

CODES: dict[str, Code] = dict(
    sorted((_table(Severity.ERROR, _ERRORS) | _table(Severity.WARNING, _WARNINGS) | _table(Severity.NOTE, _NOTES)).items())
)
