"""What the safety limits read of a campaign's list: shown to those who sign, asked again before it is released."""

from __future__ import annotations

from datetime import datetime

from campaigns.exceptions import NotReady
from campaigns.models import Campaign, Revision
from policies.exceptions import PolicyError
from policies.services.judging import judge_list
from policies.services.limits import Reading, SiteLoad
from policies.services.studied_lists import StudiedList

#: Limits on how much goes at once: who signs a list that exceeds them passes them, knowing it. Stale facts nobody can pass.
PASSED_BY_SIGNING = frozenset({"site_fraction", "partition_fraction"})


def study_readings(campaign: Campaign, studied: StudiedList, now: datetime) -> list[Reading]:
    """Return every reading of a list as it is studied. Raises what ``partition_scope`` raises."""
    return judge_list(
        partition=campaign.partition,
        loads=studied.loads,
        partition_bytes=studied.partition_bytes,
        left_to_guardrails=studied.against_guardrails,
        feeds=studied.feeds,
        now=now,
    )


def release_readings(campaign: Campaign, revision: Revision, now: datetime) -> list[Reading]:
    """Return every reading of a signed list, with the quotas, limits and feeds of *now*.

    Raises `NotReady` where the partition's definition cannot be read.
    """
    sums = revision.sums
    try:
        return judge_list(
            partition=campaign.partition,
            loads=[SiteLoad(**load) for load in sums.get("loads", ())],
            partition_bytes=revision.partition_bytes,
            left_to_guardrails=sums.get("against_guardrails", {}),
            feeds=sums.get("feeds", ()),
            now=now,
        )
    except PolicyError as error:
        raise NotReady(str(error)) from error


def readings_passed(revision: Revision) -> frozenset[tuple[str, str]]:
    """Return the limits (name, subject) that the list exceeded when it was studied, and that its signatures pass."""
    return frozenset(
        (reading["limit"], reading["subject"])
        for reading in revision.sums.get("readings", ())
        if reading["is_tripped"] and reading["limit"] in PASSED_BY_SIGNING
    )


def check_readings(campaign: Campaign, revision: Revision, now: datetime) -> list[Reading]:
    """Return the readings of a list that is to be released now.

    Raises `NotReady` where one trips that nobody has passed: the inventory or a feed is too old, or a limit is exceeded that was
    not when the list was signed.
    """
    readings, passed = release_readings(campaign, revision, now), readings_passed(revision)
    for reading in readings:
        if reading.is_tripped and (reading.limit, reading.subject) not in passed:
            since = "; nobody saw that who signed: study again" if reading.limit in PASSED_BY_SIGNING else ""
            raise NotReady(f"{reading.text}{since}")
    return readings
