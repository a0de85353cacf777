"""What previews of quotas and decisions say in words: the same ones on screens and terminals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inventory.selectors.wording import plural, quota_text, share_text, size_text, some_of

#: Safety limits that are told one by one: of a large partition each site may trip its own.
_LIMITS_SHOWN = 3


def rule_text(line: int | None) -> str:
    """Return what decided, by the line that decisions carry; what is handed over carries none."""
    if line is None:
        return "handing over"
    if line > 0:
        return f"line {line}"
    return "the default" if line == 0 else "a guardrail"


def preview_sentences(policy: Any) -> list[str]:
    """Return what the active policy would do with the new quotas; *policy* is a ``PolicyPreview`` or its JSON."""
    policy = _Plain(policy)
    sites = [_Plain(site) for site in policy.sites]
    more = policy.deleted_then - policy.deleted_now
    sentences = [_deleted(policy.deleted_then, more)]
    newly = [site.site for site in sites if site.is_triggered_then and not site.is_triggered_now]
    if newly:
        sentences.append(f"{plural(len(newly), 'site')} would be cleaned that {_is(len(newly))} not now: {some_of(newly, 8)}.")
    spared = [site.site for site in sites if site.is_triggered_now and not site.is_triggered_then]
    if spared:
        sentences.append(f"{plural(len(spared), 'site')} would not be cleaned any more: {some_of(spared, 8)}.")
    sentences += [unreachable_sentence(site) for site in sites if site.is_reachable is False]
    shown = policy.tripped[:_LIMITS_SHOWN]
    sentences += [f"A safety limit would hold the plan: {text}." for text in shown]
    if len(policy.tripped) > len(shown):
        sentences.append(f"So would {plural(len(policy.tripped) - len(shown), 'more safety limit')}.")
    return sentences


def sites_concerned(policy: Any) -> list[Any]:
    """Return the sites of a preview (or of its JSON) at which something would be another, or whose quota cannot be reached."""
    return [
        site
        for site in _Plain(policy).sites
        for seen in [_Plain(site)]
        if seen.quota_now != seen.quota_then or seen.deleted_now != seen.deleted_then or seen.is_reachable is False
    ]


def unreachable_sentence(site: Any) -> str:
    """Return why the new quota of a site cannot be reached."""
    site = _Plain(site)
    share = share_text(site.protected_fraction)
    stays = size_text(site.after_then)
    return f"{site.site}: {quota_text(site.quota_then)} cannot be reached: {share} of it is protected, and {stays} would stay."


def _deleted(then: int, more: int) -> str:
    if not then:
        return "The next cycle would delete nothing." + (f" Now it would delete {size_text(-more)}." if more else "")
    if not more:
        return f"The next cycle would delete {size_text(then)}, as it would now."
    return f"The next cycle would delete {size_text(then)}: {size_text(abs(more))} {'more' if more > 0 else 'less'} than now."


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


class _Plain:
    """Attributes of a dataclass or of its JSON alike."""

    def __init__(self, of: Any) -> None:
        self._of = of._of if isinstance(of, _Plain) else of

    def __getattr__(self, name: str) -> Any:
        return self._of[name] if isinstance(self._of, Mapping) else getattr(self._of, name)
