"""How values, states and bars look: one wording and one set of colours for every page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.choices import ItemOutcome
from dynamo_site.acts import ACTS, act_url
from dynamo_site.bars import NOTHING_DONE, Bar, SiteDone, bar_scale, occupancy_bar, storage_bar
from dynamo_site.panels import partition_panels
from dynamo_site.plots import Series, plot_of
from dynamo_site.stories import STORY_RIGHTS, dataset_story
from inventory.permissions import may
from inventory.selectors import wording
from inventory.selectors.datasets_overview import Copy
from inventory.selectors.lock_holdings import Patterns, lock_holdings, where_text
from operations.selectors.belts import BELT_RIGHTS, Belt, belts_of_partition, belts_of_site
from operations.selectors.overview import deleted_bytes_of_plans, plan_progress
from operations.selectors.pausing import pause_file, pause_state
from operations.selectors.trash import trash_of_deletion
from operations.services.scan_overview import scan_overview
from policies.selectors.occupancy import partition_occupancies, site_in_partitions
from policies.selectors.quotas import quota_moments
from policies.selectors.storage import StorageRow
from policies.selectors.wording import rule_text

register = template.Library()

register.filter("size", wording.size_html)
register.filter("size_text", wording.size_text)
register.filter("quota", wording.quota_text)
register.filter("count", wording.count_text)
register.filter("share", wording.share_text)
register.filter("rule_name", rule_text)
register.filter("when_text", wording.when_text)

#: Word of the colour vocabulary for each state of a cycle, plan or deletion.
STATE_KINDS = {
    "RUNNING": "running",
    "COMPLETED": "fine",
    "FAILED": "danger",
    "FROZEN": "kept",
    "HELD": "warning",
    "RELEASED": "delete",
    "DONE": "deleted",
    "DISCARDED": "ignored",
    "QUEUED": "delete",
    "ACTING": "running",
    "DROPPED": "kept",
}


@register.filter
def when(moment: datetime | None) -> SafeString:
    """``3 days ago`` with the exact UTC on hover."""
    return wording.when_html(moment)


@register.filter
def on_paper(moment: str | None) -> SafeString:
    """A moment of a document (ISO 8601) that is read years later: the day and minute in UTC, exactly as it is on hover."""
    if not moment:
        return format_html("{}", wording.NOTHING)
    at = datetime.fromisoformat(moment).astimezone(UTC)
    return format_html('<time datetime="{}" title="{}">{}</time>', moment, moment, f"{at:%d %b %Y %H:%M} UTC")


@register.filter
def outcome_words(outcome: str) -> str:
    """What people read for the outcome of an item of a campaign's report."""
    return str(ItemOutcome(outcome.upper()).label)


@register.filter
def a_week(per_day: float) -> str:
    """Bytes a week from bytes a day, with the sign."""
    size = round(7 * per_day)
    return f"{'+' if size > 0 else ''}{wording.size_text(size)}"


@register.filter
def lasted(duration: timedelta | None) -> str:
    """A duration in words."""
    return wording.duration_text(duration)


@register.filter
def counted(number: int, noun: str) -> str:
    """``1,204 replicas`` from a number and its singular noun, or ``one|many``."""
    one, _, many = noun.partition("|")
    return wording.plural(number, one, many or None)


@register.simple_tag
def badge(kind: str, text: str) -> SafeString:
    """A badge in a colour of the vocabulary."""
    return wording.badge_html(kind, text)


@register.simple_tag
def state_badge(state: str, text: str) -> SafeString:
    """The state of a cycle, plan or deletion as a badge."""
    return wording.badge_html(STATE_KINDS.get(state, "kept"), text)


@register.inclusion_tag("dynamo/bar.html")
def site_bar(
    bar: Any, marks: Any, scale: float, done: Mapping[str, SiteDone] | None = None, height: int = 16
) -> dict[str, Bar | int]:
    """The stacked bar of a site; *scale* is the part of the quota at its right end, *done* by site what is done already."""
    of_site = (done or {}).get(bar.site_name, NOTHING_DONE)
    return {"bar": occupancy_bar(bar, marks, scale=scale, done=of_site), "height": height}


@register.inclusion_tag("dynamo/bar.html")
def stored_bar(row: StorageRow, trash_bytes: int, height: int = 12) -> dict[str, Bar | int]:
    """The stacked bar of a partition at a site by its latest reading."""
    return {"bar": storage_bar(row, trash_bytes), "height": height}


@register.simple_tag(takes_context=True)
def act_button(context: Context, name: str, key: str | int = "", kind: str = "plain") -> SafeString | str:
    """A link to the page where the act is confirmed, or nothing for a user who may not do it."""
    act = ACTS[name]
    if not act.is_open_to(context["request"].user, key):
        return ""
    return format_html('<a class="dy-button dy-{}" href="{}">{}</a>', kind, act_url(name, key), act.label)


@register.inclusion_tag("dynamo/top_corner.html", takes_context=True)
def top_corner(context: Context) -> dict[str, Any]:
    """The search box and the pause switch that stand on every page."""
    request = context["request"]
    return {"request": request, "pause": pause_state(), "pause_file": pause_file(), "query": request.GET.get("dataset", "")}


@register.filter
def may_act(user: Any, name: str) -> bool:
    """Tell whether *user* may do the act in general."""
    return may(user, ACTS[name].permission)


@register.filter
def quota_words(size_bytes: int) -> str:
    """Words for a quota that is no limit: unlimited, or none given (0)."""
    return "without a quota" if size_bytes == 0 else wording.quota_text(size_bytes)


@register.inclusion_tag("dynamo/strip_bar.html")
def strip_bar(cycle: Any, peak: int) -> dict[str, Any]:
    """A bar of the strip of cycles: its height is the bytes planned against the largest of them."""
    height = max(3.0, 100 * cycle.deleted_bytes / peak) if peak and cycle.deleted_bytes else 3.0
    if cycle.state == "FAILED":
        kind = "dy-failed"
    elif cycle.kind == "TEST_RUN":
        kind = "dy-test"
    else:
        kind = "" if cycle.deleted_bytes else "dy-none"
    return {"cycle": cycle, "height": round(height, 2), "y": round(100 - height, 2), "kind": kind}


#: Words and colours of decisions: word of a decisions file -> (word of the vocabulary, what people read).
DECISION_WORDS = {
    "delete": ("delete", "to delete"),
    "keep": ("kept", "kept"),
    "protect": ("protected", "protected"),
    "ignore": ("ignored", "ignored"),
    "reown": ("kept", "handed over"),
    "none": ("unknown", "no decision"),
}


#: The same for what only one side of a comparison has.
_MISSING_WORDS = {"outside": ("ignored", "not seen"), "gone": ("deleted", "not there any more")}


@register.filter
def exact(moment: datetime | None) -> str:
    """The exact time in UTC."""
    return wording.exact_text(moment)


@register.filter
def decision_word(decision: str) -> str:
    """What people read for the word of a decisions file, or of a side of a comparison."""
    return (DECISION_WORDS.get(decision) or _MISSING_WORDS[decision])[1]


@register.simple_tag
def deletion_trash(deletion_id: int) -> Any:
    """What a deletion put aside, None where it put nothing."""
    return trash_of_deletion(deletion_id)


@register.simple_tag
def scan_page(scan: Any) -> Any:
    """What a scan found, summed up, and what its decisions would do."""
    return scan_overview(scan, now=timezone.now())


@register.simple_tag
def decision_badge(decision: str, new_owner: str | None = None) -> SafeString:
    """A decision as a badge."""
    kind, text = DECISION_WORDS[decision]
    return wording.badge_html(kind, f"{text} to {new_owner}" if new_owner else text)


@register.simple_tag
def change_badge(decision: str, line: int | None) -> SafeString:
    """One side of a change between two texts: the decision and what made it."""
    kind, text = DECISION_WORDS.get(decision) or _MISSING_WORDS[decision]
    return wording.badge_html(kind, text if line is None else f"{text}, {rule_text(line)}")


@register.inclusion_tag("dynamo/completeness.html")
def completeness_bar(copy: Copy) -> dict[str, Any]:
    """How much of a dataset lies at a site."""
    width = 100 * copy.size_bytes / copy.whole_bytes if copy.whole_bytes else (100 if copy.is_complete else 0)
    label = f"{copy.site_name}: {wording.size_text(copy.size_bytes)} of {wording.size_text(copy.whole_bytes)}"
    return {"width": round(min(100.0, width), 2), "label": label, "kind": "dy-kept" if copy.is_complete else "dy-delete"}


@register.inclusion_tag("dynamo/plan_progress.html")
def plan_progress_box(plan: Any) -> dict[str, Any]:
    """How far the deletions of a plan are."""
    return {"plan": plan, "progress": plan_progress(plan.pk)}


@register.inclusion_tag("dynamo/partition_panel.html")
def partition_panel(partition_id: int) -> dict[str, Any]:
    """The bars of one partition."""
    return {"panel": partition_panels(partition_occupancies([partition_id]))[0]}


@register.inclusion_tag("dynamo/site_panel.html")
def site_panel(site_name: str) -> dict[str, Any]:
    """The bars of one site, a row per partition that a cycle has seen there."""
    rows = [
        {
            "bar": panel.occupancy.bars[0],
            "label": panel.occupancy.partition_name,
            "marks": panel.occupancy.marks,
            "scale": panel.scale,
            "done": panel.done,
        }
        for panel in partition_panels(site_in_partitions(site_name))
    ]
    return {"rows": rows}


def _belt_card(
    context: Context, belts_of: Callable[..., list[Belt]], name: str, *, shows_scope: bool, empty: str
) -> dict[str, Any]:
    is_shown = context["request"].user.has_perms(BELT_RIGHTS)
    found = belts_of(name, now=timezone.now()) if is_shown else []
    return {"is_shown": is_shown, "belts": found, "shows_scope": shows_scope, "empty": empty}


@register.inclusion_tag("dynamo/belt_card.html", takes_context=True)
def partition_belts(context: Context, name: str) -> dict[str, Any]:
    """The safety limits of a partition, for a user who may see them."""
    return _belt_card(context, belts_of_partition, name, shows_scope=False, empty="No plan of it was made yet.")


@register.inclusion_tag("dynamo/belt_card.html", takes_context=True)
def site_belts(context: Context, name: str) -> dict[str, Any]:
    """The safety limits of a site, for a user who may see them."""
    return _belt_card(context, belts_of_site, name, shows_scope=True, empty="Nothing was ever deleted here.")


@register.inclusion_tag("dynamo/lock_holding.html")
def lock_holding(lock: Any) -> dict[str, Any]:
    """What a lock matches now, and where."""
    patterns = Patterns.of(lock)
    (held,) = lock_holdings([patterns])
    return {"held": held, "held_where": where_text(patterns, held)}


@register.inclusion_tag("dynamo/quota_history.html")
def quota_history(quota: Any) -> dict[str, Any]:
    """How a quota was set over time, as a line and as a list; unlimited and no quota are gaps of the line."""
    moments = quota_moments(quota.partition_id, quota.site.name)
    points = [(moment.at, moment.size_bytes if (moment.size_bytes or 0) >= 0 else None) for moment in moments]
    line = Series("quota", "quota", points, is_step=True)
    summary = f"Quota of {quota}, set {wording.plural(len(moments), 'time')}"
    return {"plot": plot_of([line], summary=summary, end=timezone.now()), "moments": moments[::-1]}


@register.simple_tag
def done_of(plan: Any) -> dict[str, SiteDone]:
    """Return by site what of the plan is deleted already."""
    deleted = deleted_bytes_of_plans([plan.pk]).get(plan.pk, {}) if plan else {}
    return {site: SiteDone(gone_bytes=size) for site, size in deleted.items()}


@register.filter
def scale_of(bars: Any) -> float:
    """The common scale of bars."""
    return bar_scale(bars)


@register.inclusion_tag("dynamo/story.html", takes_context=True)
def dataset_history(context: Context, name: str) -> dict[str, Any]:
    """What happened to the dataset, for a user who may look at acts, decisions and deletions; nothing of it for others."""
    user = context["request"].user
    may_look = all(user.has_perm(right) for right in STORY_RIGHTS)
    return {"events": dataset_story(name) if may_look else []}
