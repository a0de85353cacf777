"""The statements of a policy, line by line: what the first word says and what must follow it."""

from __future__ import annotations

from policies.language.allowances import check_allowance, split_allowance
from policies.language.ast import Condition, OrderKey, Rule
from policies.language.checker import Checker
from policies.language.conditions import ConditionReader
from policies.language.diagnostics import Reporter, quote
from policies.language.labels import read_label
from policies.language.source import Fragment
from policies.language.types import Action, ValueType
from policies.language.variables import VARIABLES, Variable

ACTIONS: dict[str, tuple[Action, bool]] = {action.value: (action, False) for action in Action}
ACTIONS |= {f"{a.value}Block": (a, True) for a in (Action.PROTECT, Action.DISMISS, Action.DELETE)}
SITE_STATEMENTS = ("On", "When", "Until")
STATEMENTS = ("Partition", *SITE_STATEMENTS, *ACTIONS, "Order", "Algo")
_EXAMPLES = {"On": "site.name == T2_*", "When": "site.occupancy > 0.9", "Until": "site.occupancy < 0.85"}
_DIRECTIONS = ("increasing", "decreasing")

#: Statements that people expect from the meaning, and what they are called.
_FOREIGN = {
    "Keep": "Protect",
    "Lock": "Protect",
    "Remove": "Delete",
    "Drop": "Delete",
    "Skip": "Ignore",
    "IgnoreBlock": "Ignore",
    "Sort": "Order",
    "Algorithm": "Algo",
    "Target": "On",
    "Sites": "On",
}


class StatementReader:
    """Reads statements one by one and keeps what they say; every finding goes to the reporter.

    ``statements`` counts statements by name, wrong ones included, so that a wrong line is never reported as missing too.
    """

    def __init__(self, reporter: Reporter, now: float | None = None) -> None:
        self.reporter = reporter
        self.conditions = ConditionReader(reporter, now)
        self.first: dict[str, Fragment] = {}
        self.partition: str | None = None
        self.partition_place: Fragment | None = None
        self.sites: dict[str, list[Condition]] = {name: [] for name in SITE_STATEMENTS}
        self.rules: list[Rule] = []
        self.default: Rule | None = None
        self.order: tuple[OrderKey, ...] = ()
        self.is_static = False

    def read(self, line: Fragment) -> None:
        """Read one line that is not empty."""
        word, _, _ = line.text.partition(" ")
        rest = line.cut(len(word))
        if word in ACTIONS:
            self._rule(word, line, rest)
        elif word in SITE_STATEMENTS:
            self.first.setdefault(word, line)
            condition = self._condition(word, line, rest, "site")
            if condition is not None:
                self.sites[word].append(condition)
        elif word == "Partition":
            self._partition(line, rest)
        elif word == "Order":
            self._order(line, rest)
        elif word == "Algo":
            self._algo(line, rest)
        else:
            self._unknown(word, line)

    def _unknown(self, word: str, line: Fragment) -> None:
        span = line.span(0, len(word))
        bare = word.rstrip(":")
        capital = next((s for s in STATEMENTS if s.lower() == bare.lower()), None)
        if capital is not None:
            help_text: str | None = f"did you mean '{capital}'?"
            self.first.setdefault(capital, line)
        elif bare in _FOREIGN:
            help_text = f"did you mean '{_FOREIGN[bare]}'?"
        else:
            help_text = self.reporter.close_matches(bare, STATEMENTS) or f"statements: {' '.join(STATEMENTS)}"
        self.reporter.report("P101", span, f"unknown statement {quote(word)}", help_text)

    def _is_second(self, name: str, line: Fragment, what: str) -> bool:
        """Report a statement that may stand once and stands again; the first one counts."""
        first = self.first.setdefault(name, line)
        if first is line:
            return False
        span = line.span(0, len(line.text.partition(" ")[0]))
        self.reporter.report("P103", span, f"a second {what}", f"the first stands on line {first.line}; leave one out")
        return True

    def _partition(self, line: Fragment, rest: Fragment) -> None:
        if self._is_second("Partition", line, "Partition"):
            return
        if not rest.text:
            self.reporter.report("P102", line.span(0, len(line.text)), "'Partition' has no name", "write 'Partition NAME'")
            return
        self.partition, self.partition_place = rest.text, rest

    def _condition(self, word: str, line: Fragment, rest: Fragment, kind: str) -> Condition | None:
        if not rest.text:
            example = _EXAMPLES.get(word, "dataset.name == /A/B/C")
            self.reporter.report("P102", line.span(0, len(word)), f"'{word}' has no condition", f"write '{word} {example}'")
            return None
        return self.conditions.read(rest, "site" if kind == "site" else "replica")

    # --- rules

    def _rule(self, word: str, line: Fragment, rest: Fragment) -> None:
        action, is_block = ACTIONS[word]
        if not rest.text:
            self._default(word, line)
            return
        label = None
        if rest.text.startswith("@"):
            errors = self.reporter.error_count
            label, after = read_label(rest, self.reporter)
            if after is None:
                return
            if not after.text:
                if self.reporter.error_count == errors:
                    message = "a condition is missing behind the label"
                    self.reporter.report("P102", rest.span(0, len(rest.text)), message, "a default decision carries no label")
                return
            rest = after
        body, allows_last_copy = split_allowance(rest)
        if allows_last_copy and not check_allowance(word, action, rest, body, self.reporter):
            return
        condition = self._condition(word, line, body, "replica")
        if condition is not None:
            self.rules.append(Rule(action, is_block, condition, line.line, line.text, label, allows_last_copy))

    def _default(self, word: str, line: Fragment) -> None:
        action, is_block = ACTIONS[word]
        if is_block:
            self.first.setdefault("default", line)
            help_text = f"write '{action.value}' for the default, or a condition behind '{word}'"
            self.reporter.report("P110", line.span(0, len(word)), f"'{word}' cannot be the default decision", help_text)
        elif not self._is_second("default", line, "default decision"):
            self.default = Rule(action, False, None, line.line, line.text)

    # --- Order and Algo

    def _order(self, line: Fragment, rest: Fragment) -> None:
        if self._is_second("Order", line, "Order") or not rest.text:
            return
        words = rest.text.split(" ")
        if words[0] == "none":
            if len(words) > 1:
                span = rest.span(5, len(rest.text))
                self.reporter.report("P114", span, "text follows 'Order none'", "leave it out, or leave 'none' out")
            return
        keys: list[OrderKey] = []
        at = 0
        direction: str | None = None
        direction_start = 0
        checker = Checker(rest, "replica", self.reporter)
        while at < len(rest.text):
            end = rest.text.find(" ", at)
            end = len(rest.text) if end < 0 else end
            word = rest.text[at:end]
            if direction is None:
                direction, direction_start = self._direction(word, rest, at, end, has_keys=bool(keys)), at
                if direction is None:
                    return
            else:
                name, end = _joined(rest.text, word, end)
                key = self._key(checker, name, at, end, direction)
                if key is not None:
                    keys.append(key)
                if not self.reporter.spend(1, rest.span(at, end)):
                    return
                direction = None
            at = end + 1
        if direction is not None:
            span = rest.span(direction_start, len(rest.text))
            self.reporter.report("P113", span, f"'{direction}' has no variable", f"write '{direction} VARIABLE'")
        self.order = tuple(keys)

    def _direction(self, word: str, rest: Fragment, start: int, end: int, *, has_keys: bool) -> str | None:
        if word in _DIRECTIONS:
            return word
        if "." in word:
            before = "each variable has its own direction" if has_keys else "a direction is missing"
            message, help_text = f"{before} before {quote(word)}", f"write 'increasing {word[:60]}' or 'decreasing {word[:60]}'"
        else:
            message = f"{quote(word)} is no direction"
            help_text = (
                self.reporter.close_matches(word.lower(), _DIRECTIONS) or "directions: increasing, decreasing; or 'Order none'"
            )
        self.reporter.report("P111", rest.span(start, end), message, help_text)
        return None

    def _key(self, checker: Checker, name: str, start: int, end: int, direction: str) -> OrderKey | None:
        resolved = checker.variable(name, start, end)
        if resolved is None:
            return None
        variable, attribute = resolved
        if not variable.is_sortable:
            self._unsortable(variable, checker, start, end)
            return None
        return OrderKey(variable, direction == "decreasing", attribute)

    def _unsortable(self, variable: Variable, checker: Checker, start: int, end: int) -> None:
        if variable.type in (ValueType.NUMBER, ValueType.TIME):
            reason = f"'{variable.name}' has a value for each block, and Order sorts replicas"
        else:
            reason = f"'{variable.name}' is a {variable.type.value}, and Order sorts by numbers and times"
        sortable = [v.name for v in VARIABLES if v.type in (ValueType.NUMBER, ValueType.TIME) and v.is_sortable]
        help_text = self.reporter.close_matches(variable.name, sortable) or "for example 'replica.size' or 'dataset.last_access'"
        self.reporter.report("P112", checker.fragment.span(start, end), reason, help_text)

    def _algo(self, line: Fragment, rest: Fragment) -> None:
        if self._is_second("Algo", line, "Algo"):
            return
        if not rest.text:
            self.reporter.report(
                "P102", line.span(0, len(line.text)), "'Algo' has no word", "write 'Algo Static', or leave the line out"
            )
        elif rest.text != "Static":
            word = rest.text.partition(" ")[0]
            if word == "Static":
                span, message = rest.span(7, len(rest.text)), "text follows 'Algo Static'"
            else:
                span, message = rest.span(0, len(rest.text)), f"unknown algorithm {quote(rest.text)}"
            self.reporter.report("P115", span, message, "the only one is 'Algo Static'; without a line a cycle goes in steps")
        else:
            self.is_static = True


def _joined(text: str, word: str, end: int) -> tuple[str, int]:
    """Read a blank in the place of the dot in a name of ``Order``."""
    if "." in word or word not in ("dataset", "replica", "blockreplica", "site"):
        return word, end
    following = text.find(" ", end + 1)
    following = len(text) if following < 0 else following
    second = text[end + 1 : following]
    return (f"{word}.{second}", following) if second and second not in _DIRECTIONS else (word, end)
