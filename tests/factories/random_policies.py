"""Random policies as text: every kind of rule, every variable and every operator on few values, so that rules often meet."""

from __future__ import annotations

from dataclasses import dataclass

from tests.factories.random_choices import Choices

Options = tuple[str, ...]

_NUMBER: Options = ("1", "2", "0", "3", "5.5", "1e1")
_SIZE: Options = ("1 TB", "0", "2 TB", "3e12", "1.5 TB")
_MOMENT: Options = ("30 days ago", "90 days ago", "60 days ago", "2025-12-31", "@0")
_NAME: Options = ("*", "/A/*", "*/RAW", "/A/x/RAW", "/?/x*/*", "/[AB]/y/*", "/C/*")
_RE: Options = ("/A/", "/.*/RAW$", "/[^/]+/x", "(?:/A|/B)/y/.+")
_OWNER: Options = ("AnalysisOps", "DataOps", "RelVal", "None", "*Ops", "local")
_SITE: Options = ("S1", "S2", "S3", "S*", "*_MSS", "X_MSS")
_NUMERIC: Options = ("==", "!=", "<", ">", "<=", ">=")
_EQUAL: Options = ("==", "!=")
_MATCH: Options = ("=~", "!=~")
_WHEN: Options = ("older_than", "newer_than")
_NOT: Options = ("", "not")


@dataclass(frozen=True, slots=True)
class _Listed:
    """``in [...]`` or ``notin [...]`` of up to three of the options."""

    options: Options


#: A predicate: what stands in it word by word; options are chosen from.
Template = tuple[str | Options | _Listed, ...]

_DATASET_PREDICATES: tuple[Template, ...] = (
    ("dataset.name", _EQUAL, _NAME),
    ("dataset.name", _Listed(_NAME)),
    ("dataset.name", _MATCH, _RE),
    ("dataset.status", _EQUAL, ("VALID", "INVALID", "PRODUCTION")),
    ("dataset.status", _Listed(("VALID", "INVALID", "UNKNOWN"))),
    ("dataset.on_tape", _EQUAL, ("NONE", "PARTIAL", "FULL")),
    ("dataset.on_tape", _EQUAL, ("NONE", "PARTIAL", "FULL")),
    ("dataset.release", _EQUAL, ("10_6_0", "10_6_*")),
    (("dataset.usage_rank", "dataset.demand_rank", "replica.num_access"), _NUMERIC, _NUMBER),
    ("replica.num_access", _Listed(_NUMBER)),
    ("dataset.size", _NUMERIC, _SIZE),
    (("dataset.last_update", "dataset.last_access"), _WHEN, _MOMENT),
    ("dataset.num_full_disk_copy", _NUMERIC, _NUMBER),
    ("dataset.num_full_disk_copy", (">", "<"), ("1", "2")),
    (_NOT, ("dataset.tape_copy_requested", "dataset.is_latest_production_release", "dataset.on_protected_site")),
    (_NOT, ("dataset.unknown_in_all_dbs", "dataset.unhandled_copy_exists", "dataset.attr.good")),
    ("dataset.attr.tier", _EQUAL, ("RAW", "A*")),
    ("dataset.attr.runs", _NUMERIC, _NUMBER),
)
_REPLICA_PREDICATES: tuple[Template, ...] = (
    ("replica.size", _NUMERIC, _SIZE),
    (_NOT, ("replica.incomplete", "replica.enforcer_protected")),
    (("replica.last_block_created", "replica.first_block_created"), _WHEN, _MOMENT),
    ("replica.num_full_disk_copy_common_owner", _NUMERIC, _NUMBER),
    ("replica.num_full_other_copy_common_owner", _NUMERIC, _NUMBER),
    ("replica.num_full_other_copy_common_owner", (">", "=="), ("0", "1")),
    ("site.name", _EQUAL, _SITE),
    ("site.name", _Listed(_SITE)),
    ("site.status", _EQUAL, ("READY", "MORGUE")),
    ("site.storage_type", _EQUAL, ("DISK", "MSS")),
)
#: Often true, so that what comes behind them in the stack or the condition is reached.
_EASY_PREDICATES: tuple[Template, ...] = (
    ("dataset.name == *",),
    ("site.name", ("==",), ("S*", "S1", "S2")),
    ("replica.size > 0",),
    ("dataset.last_update older_than 20 days ago",),
    ("blockreplica.owner", ("==", "!="), ("DataOps", "AnalysisOps", "None")),
)
_BLOCK_PREDICATES: tuple[Template, ...] = (
    ("blockreplica.owner", _EQUAL, _OWNER),
    ("blockreplica.owner", ("==",), ("DataOps", "AnalysisOps")),
    ("blockreplica.owner", _Listed(_OWNER)),
    ("blockreplica.last_update", _WHEN, _MOMENT),
    (_NOT, ("blockreplica.is_locked", "blockreplica.on_tape", "blockreplica.is_last_transfer_source")),
    ("blockreplica.num_full_disk_copy", _NUMERIC, _NUMBER),
    ("blockreplica.age_relative_to_newest", _NUMERIC, ("864000", "0", "1000000")),
)
ALL_PREDICATES = _DATASET_PREDICATES + _REPLICA_PREDICATES + _BLOCK_PREDICATES
_OCCUPANCY: Options = ("0.25", "0.1", "0.5", "0.9", "50 %")
_SITE_CONDITIONS: tuple[Template, ...] = (
    ("site.occupancy", ("<", ">", "<="), _OCCUPANCY),
    ("site.status", _EQUAL, ("MORGUE",)),
    ("site.quota > 3 TB",),
    ("site.quota < 0",),
    ("site.occupancy > 0.5 until 2025-06-01",),
    ("site.name == * from 2025-06-01",),
    ("site.storage_type == DISK and site.occupancy < 0.5",),
    ("site.name", _EQUAL, _SITE),
)
_ORDER_VARIABLES: Options = (
    "dataset.usage_rank",
    "dataset.last_update",
    "dataset.last_access",
    "dataset.size",
    "dataset.num_full_disk_copy",
    "replica.size",
    "replica.last_block_created",
    "replica.num_full_other_copy_common_owner",
    "dataset.attr.runs",
)
_ACTIONS: Options = (
    *("Dismiss", "Delete", "Protect", "DismissBlock", "DeleteBlock", "ProtectBlock", "Ignore"),
    *("Dismiss", "Dismiss", "Delete", "Protect", "DismissBlock", "DismissBlock", "DeleteBlock"),
)
_WINDOWS: Options = (*[""] * 20, "until 2026-06-01", "until 2025-06-01", "from 2025-06-01", "from 2026-06-01")
_LABELS: Options = (*[""] * 8, "@a(owner=x, expires=2025-12-31)", "@b(owner=y, expires=2026-01-31)")


def _filled(template: Template, choose: Choices) -> str:
    words = []
    for word in template:
        if isinstance(word, _Listed):
            elements = [choose(*word.options) for _ in range(choose(1, 2, 3, 0))]
            words.append(f"{choose('in', 'notin')} [{' '.join(elements)}]")
        else:
            words.append(word if isinstance(word, str) else choose(*word))
    return " ".join(word for word in words if word)


def _operand(templates: tuple[Template, ...], choose: Choices, depth: int = 0) -> str:
    shape = choose(*["predicate"] * 10, "or", "not and", "not") if depth < 2 else "predicate"
    if shape == "predicate":
        return _filled(choose(*choose(templates, templates, _EASY_PREDICATES)), choose)
    if shape == "not":
        return f"not ({_operand(templates, choose, depth + 1)})"
    first, second = (_operand(templates, choose, depth + 1) for _ in range(2))
    return f"({first} or {second})" if shape == "or" else f"not ({first} and {second})"


def random_condition(templates: tuple[Template, ...], choose: Choices) -> str:
    """Return a replica condition: mostly one or two predicates, at times with groups, negations and a window."""
    words = [_operand(templates, choose)]
    for _ in range(choose(0, 0, 0, 1, 1, 2)):
        words += [choose("and", "and", "and", "or"), _operand(templates, choose)]
    return " ".join([*words, choose(*_WINDOWS)]).rstrip()


def _rule(choose: Choices) -> str:
    action = choose(*_ACTIONS)
    templates = choose(_BLOCK_PREDICATES, _BLOCK_PREDICATES, ALL_PREDICATES) if action.endswith("Block") else ALL_PREDICATES
    return " ".join(word for word in (action, choose(*_LABELS), random_condition(templates, choose)) if word)


#: Lines that belong together, so that hiding, ignoring, last copies and handing over meet often enough.
_MOTIFS: tuple[tuple[str, ...], ...] = (
    ("DismissBlock blockreplica.owner == DataOps", "Ignore site.name == S1"),
    ("DismissBlock blockreplica.last_update older_than 20 days ago", "Ignore dataset.num_full_disk_copy == 0"),
    ("ProtectBlock blockreplica.last_update newer_than 60 days ago", "Dismiss dataset.num_full_disk_copy == 0"),
    ("ProtectBlock blockreplica.owner == RelVal", "Protect dataset.num_full_disk_copy > 0", "Dismiss"),
    ("Protect dataset.num_full_disk_copy < 2", "Dismiss"),
    ("Protect dataset.num_full_disk_copy < 2", "Dismiss"),
    ("Protect replica.num_full_other_copy_common_owner == 0", "Dismiss replica.size > 0"),
    ("Protect replica.incomplete and site.storage_type == MSS",),
    ("DeleteBlock blockreplica.owner == DataOps",),
    ("DeleteBlock blockreplica.owner in [DataOps local]", "Protect"),
    ("Delete site.name == S2 and dataset.num_full_disk_copy > 1",),
)


def random_rules(choose: Choices) -> list[str]:
    """Return a rule, or some that belong together; a bare action there stands for a rule that takes all."""
    if choose(False, False, True):
        return [line if " " in line else f"{line} dataset.name == *" for line in choose(*_MOTIFS)]
    return [_rule(choose)]


def random_frame(partition: str, choose: Choices) -> tuple[list[str], list[str]]:
    """Return the lines above the rules and those below."""
    targets = choose(*[["site.name == *"]] * 8, ["site.storage_type == DISK"], None)
    triggers = choose(["always"], ["always"], ["always"], None)
    stops = choose(["never"], ["never"], None)
    above = [f"Partition {partition}"]
    for word, texts in (("On", targets), ("When", triggers), ("Until", stops)):
        drawn = texts or [_filled(choose(*_SITE_CONDITIONS), choose) for _ in range(choose(1, 2))]
        above += [f"{word} {text}" for text in drawn]
    below = [choose(*["Dismiss"] * 7, *["Protect"] * 3, "Delete", "Ignore")]
    keys = [f"{choose('increasing', 'decreasing')} {choose(*_ORDER_VARIABLES)}" for _ in range(choose(0, 1, 2))]
    below += [f"Order {' '.join(keys)}"] if keys else []
    below += choose([], [], ["Algo Static"])
    return above, below
