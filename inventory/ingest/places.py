"""Sites and groups: few enough to be known all at once, and written one by one so that their history is kept."""

from __future__ import annotations

from typing import Any

from django.db.models import TextChoices
from msgspec import UNSET, UnsetType

from inventory.choices import OwnershipLevel, SiteStatus, StorageType
from inventory.endpoints import endpoint_problem, redacted
from inventory.ingest.names import name_problem
from inventory.ingest.records import GroupRecord, LfnRuleRecord, SiteRecord
from inventory.ingest.rejects import BadRecord, Problem, closest, shown
from inventory.ingest.rows import Counts
from inventory.ingest.sections import Lacks
from inventory.lfn_rules import pattern_problem
from inventory.models import Group, Site

#: What the pages of sites ask for, too. Groups have no page to be changed on.
_ADD_SITE, _CHANGE_SITE = "inventory.add_site", "inventory.change_site"


class Places:
    """All sites and groups by name; those that a document brings are written at once."""

    def __init__(self, counts: Counts, *, lacks: Lacks) -> None:
        self._counts = counts
        self._lacks = lacks
        self._sites = {site.name: site for site in Site.objects.order_by("name")}
        self._groups = {group.name: group for group in Group.objects.order_by("name")}

    def site_id(self, name: str, path: str, problems: list[Problem]) -> int:
        """Return the key of the site; adds a problem (and returns 0) if there is none of that name."""
        if name in self._sites:
            return self._sites[name].pk
        problems.append(Problem(path, shown(name), "the name of a site", closest(name, self._sites) or "inject the site first"))
        return 0

    def group_id(self, name: str | None, path: str, problems: list[Problem]) -> int | None:
        """Return the key of the group, None for nobody; adds a problem (and returns 0) if there is none of that name."""
        if name is None:
            return None
        if name in self._groups:
            return self._groups[name].pk
        hint = closest(name, self._groups) or "inject the group first; null is nobody"
        problems.append(Problem(path, shown(name), "the name of a group", hint))
        return 0

    def take_site(self, record: SiteRecord) -> None:
        """Create the site, or change the fields that are given. Raises ``BadRecord``."""
        problems: list[Problem] = []
        given = {
            "host": record.host,
            "storage_type": _word(StorageType, record.storage_type, "storage_type", problems),
            "status": _word(SiteStatus, record.status, "status", problems),
            "endpoint_url": _endpoint(record, problems),
            "lfn_rules": _lfn_rules(record, problems),
        }
        endpoint = given["endpoint_url"]
        if isinstance(endpoint, str) and (secret := endpoint_problem(endpoint)):
            problems.append(Problem("endpoint", shown(redacted(endpoint)), "an endpoint without secrets", secret))
        for field in ("host", "endpoint_url"):
            if isinstance(given[field], str) and given[field] and not str(given[field]).isprintable():
                problems.append(Problem(field, shown(redacted(str(given[field]))), "printable characters"))
        site = self._sites.get(record.name)
        if site is None and (wrong := name_problem(record.name, "name")):
            problems.append(wrong)
        if problems:
            raise BadRecord(problems)
        wanted = {name: value for name, value in given.items() if value is not UNSET}
        if site is None:
            if lacking := self._lacks(_ADD_SITE, Site(name=record.name)):
                raise BadRecord([Problem("name", shown(record.name), f"a site that is there: {lacking}")])
            self._sites[record.name] = Site.objects.create(name=record.name, **wanted)
            self._counts.add("sites", "created")
            return
        changed = [name for name, value in wanted.items() if getattr(site, name) != value]
        if changed and (lacking := self._lacks(_CHANGE_SITE, site)):
            field = "endpoint" if changed[0] == "endpoint_url" else changed[0]
            found = redacted(str(wanted[changed[0]]))
            help_text = "leave the field out, or let somebody inject it who may change the site"
            raise BadRecord([Problem(field, shown(found), f"no change: {lacking}", help_text)])
        for name in changed:
            setattr(site, name, wanted[name])
        if changed:
            site.save(update_fields=changed)
        self._counts.add("sites", "changed" if changed else "unchanged")

    def take_group(self, record: GroupRecord) -> None:
        """Create the group, or change its level of ownership if that is given. Raises ``BadRecord``."""
        problems: list[Problem] = []
        level = _word(OwnershipLevel, record.olevel, "olevel", problems)
        group = self._groups.get(record.name)
        if group is None and (wrong := name_problem(record.name, "name")):
            problems.append(wrong)
        if record.name == "None":
            problems.append(Problem("name", '"None"', "another name", "None is how policies call nobody; use null for that"))
        if problems:
            raise BadRecord(problems)
        if group is None:
            given = {} if level is UNSET else {"ownership_level": level}
            self._groups[record.name] = Group.objects.create(name=record.name, **given)
            self._counts.add("groups", "created")
        elif level is not UNSET and group.ownership_level != level:
            group.ownership_level = str(level)
            group.save(update_fields=["ownership_level"])
            self._counts.add("groups", "changed")
        else:
            self._counts.add("groups", "unchanged")


def _word(choices: type[TextChoices], word: str | UnsetType, path: str, problems: list[Problem]) -> str | UnsetType:
    """Return the stored form of an enum word, which documents write in lower case; adds a problem for an unknown one."""
    if word is UNSET:
        return UNSET
    if word.upper() in choices.values:
        return word.upper()
    known = [value.lower() for value in choices.values]
    problems.append(Problem(path, shown(word), f"one of {', '.join(known)}", closest(word.lower(), known)))
    return UNSET


def _endpoint(record: SiteRecord, problems: list[Problem]) -> str | UnsetType:
    if record.endpoint is UNSET:
        return record.backend
    if record.backend is not UNSET and record.backend != record.endpoint:
        problems.append(Problem("endpoint", shown(redacted(record.endpoint)), "the same as backend", "give one of the two"))
    return record.endpoint


def _lfn_rules(record: SiteRecord, problems: list[Problem]) -> list[Any] | UnsetType:
    """Return the rules as they are stored: each a step, or a list of steps where it was given as a chain."""
    if record.lfn_rules is UNSET:
        return UNSET
    for index, rule in enumerate(record.lfn_rules):
        if isinstance(rule, list) and not rule:
            problems.append(Problem(f"lfn_rules[{index}]", "[]", "a step, or a list of at least one"))
        for number, step in enumerate(rule if isinstance(rule, list) else [rule]):
            path = f"lfn_rules[{index}][{number}]" if isinstance(rule, list) else f"lfn_rules[{index}]"
            _check_step(step, path, problems)
    return [[_stored(step) for step in rule] if isinstance(rule, list) else _stored(rule) for rule in record.lfn_rules]


def _check_step(step: LfnRuleRecord, path: str, problems: list[Problem]) -> None:
    if not (step.pattern + step.replacement).isprintable():
        problems.append(Problem(path, shown(step.pattern + step.replacement), "printable characters"))
    if not step.pattern or (problem := pattern_problem(step.pattern)):
        why = problem if step.pattern else "the pattern is empty"
        problems.append(Problem(f"{path}.pattern", shown(step.pattern), "a regular expression", why))


def _stored(step: LfnRuleRecord) -> dict[str, str]:
    return {"pattern": step.pattern, "replacement": step.replacement}
