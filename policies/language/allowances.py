"""``allow last copy`` at the end of a rule: what it deletes may go even where no other complete copy is left anywhere.

The clause changes nothing that a policy decides. It is written down with each item of the plan, and read once: by the last
look before the files are deleted, which otherwise keeps every last copy.
"""

from __future__ import annotations

import re

from policies.language.diagnostics import Reporter, quote
from policies.language.source import Fragment
from policies.language.types import Action

ALLOW_LAST_COPY = "allow last copy"

#: Whatever reads like it, anywhere: as a part of a value it would be lost without a word.
_LIKE_IT = re.compile(r"(?:^|(?<=[ )\]]))allow(?:s|ed|ing)?[ _-]?(?:the |a )?last[ _-]?cop(?:y|ies)(?= |$)", re.IGNORECASE)
_DELETING = (Action.DELETE, Action.DISMISS)


def split_allowance(fragment: Fragment) -> tuple[Fragment, bool]:
    """Return what stands before the clause at the end of a rule's *fragment*, and whether it was there."""
    text = fragment.text
    if text == ALLOW_LAST_COPY:
        return fragment.cut(0, 0), True
    if not text.endswith(f" {ALLOW_LAST_COPY}"):
        return fragment, False
    return fragment.cut(0, len(text) - len(ALLOW_LAST_COPY) - 1), True


def check_allowance(word: str, action: Action, rest: Fragment, condition: Fragment, reporter: Reporter) -> bool:
    """Report a clause at the end of *rest* that says nothing with this rule; *condition* is what stands before it."""
    span = rest.span(len(rest.text) - len(ALLOW_LAST_COPY), len(rest.text))
    if action not in _DELETING:
        message = f"'{word}' deletes nothing, so there is no last copy to allow"
        reporter.report("P120", span, message, "leave 'allow last copy' out, or write a 'Delete' or 'Dismiss' rule")
        return False
    if not condition.text:
        message = "'allow last copy' has no condition before it"
        reporter.report("P120", span, message, f"say which data may go for ever: '{word} CONDITION allow last copy'")
        return False
    return True


def report_misplaced(condition: Fragment, reporter: Reporter) -> bool:
    """Report words in a condition that were meant as the clause; tell whether there are any."""
    found = _LIKE_IT.search(condition.text) if "last" in condition.text.lower() else None
    if found is None:
        return False
    help_text = "it is written 'allow last copy', as the last words of a 'Delete' or 'Dismiss' rule, after a time clause"
    reporter.report("P121", condition.span(*found.span()), f"{quote(found[0])} would be a part of the condition", help_text)
    return True
