"""How the admin site looks and what its sidebar holds. An entry shows only to who may see what is behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may_view(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _is_below(name: str, *, but: str) -> Callable[[HttpRequest], bool]:
    """Tell whether a page belongs to an entry: it is below its address, and not that of the other entry *but*."""
    return lambda request: request.path.startswith(str(reverse_lazy(name))) and request.path != str(reverse_lazy(but))


def _entry(title: str, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": _may_view(f"{app}.view_{name}"),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Dynamo",
    "SITE_HEADER": "Dynamo",
    "SITE_SYMBOL": "database",
    "SITE_URL": "/admin/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "dynamo_site.views.front.front_page",
    "STYLES": [lambda request: static("dynamo/dynamo.css")],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("dynamo/favicon.svg")}],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254)",
            "100": "oklch(93.2% .032 255)",
            "200": "oklch(88.2% .059 254)",
            "300": "oklch(80.9% .095 252)",
            "400": "oklch(70.7% .135 255)",
            "500": "oklch(60% .15 257)",
            "600": "oklch(50.5% .155 259)",
            "700": "oklch(44% .145 261)",
            "800": "oklch(38% .12 262)",
            "900": "oklch(33% .1 263)",
            "950": "oklch(25% .07 264)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {
                        "title": "Today",
                        "icon": "today",
                        "link": reverse_lazy("admin:index"),
                        "active": lambda request: request.path == str(reverse_lazy("admin:index")),
                    },
                    {
                        "title": "What happened to…",
                        "icon": "manage_search",
                        "link": reverse_lazy("dynamo_history"),
                        "permission": _may_view("inventory.view_dataset"),
                    },
                ]
            },
            {
                "title": "Campaigns",
                "items": [
                    {
                        "title": "Campaigns",
                        "icon": "campaign",
                        "link": reverse_lazy("admin:campaigns_campaign_changelist"),
                        "active": _is_below("admin:campaigns_campaign_changelist", but="admin:campaigns_inbox"),
                    },
                    {"title": "Inbox", "icon": "inbox", "link": reverse_lazy("admin:campaigns_inbox")},
                    _entry("Who must sign", "draw", "campaigns.quorumrule"),
                    _entry("Representatives", "record_voice_over", "campaigns.grouprepresentative"),
                ],
            },
            {
                "title": "Policies",
                "items": [
                    _entry("Policies", "rule", "policies.policy"),
                    _entry("Cycles", "cycle", "policies.cycle"),
                    _entry("Comparisons", "compare_arrows", "policies.comparison"),
                    _entry("Plans", "checklist", "policies.plan"),
                    _entry("Partitions", "pie_chart", "policies.partition"),
                    _entry("Quotas", "straighten", "policies.quota"),
                    {
                        "title": "Enough storage?",
                        "icon": "monitoring",
                        "link": reverse_lazy("dynamo_storage"),
                        "permission": _may_view("policies.view_partition"),
                    },
                    _entry("Guardrails", "shield", "policies.guardrail"),
                ],
            },
            {
                "title": "Data",
                "items": [
                    _entry("Datasets", "folder_open", "inventory.dataset"),
                    {
                        "title": "Statistics",
                        "icon": "bar_chart",
                        "link": reverse_lazy("dynamo_statistics"),
                        "permission": _may_view("inventory.view_dataset"),
                    },
                    _entry("Dataset replicas", "content_copy", "inventory.datasetreplica"),
                    _entry("Blocks", "view_module", "inventory.block"),
                    _entry("Block replicas", "grid_view", "inventory.blockreplica"),
                    _entry("Files", "draft", "inventory.file"),
                    _entry("Sites", "dns", "inventory.site"),
                    _entry("Groups", "groups", "inventory.group"),
                    _entry("Locks", "lock", "inventory.lock"),
                    _entry("Fact feeds", "sensors", "inventory.factfeed"),
                    _entry("Injections", "input", "inventory.injection"),
                ],
            },
            {
                "title": "Deletions",
                "items": [
                    _entry("Deletions", "delete_sweep", "operations.deletion"),
                    _entry("Deletion requests", "inbox", "operations.deletionrequest"),
                    _entry("Invalidations", "report", "operations.invalidation"),
                    {
                        "title": "Activity",
                        "icon": "bar_chart_4_bars",
                        "link": reverse_lazy("dynamo_activity"),
                        "permission": _may_view("operations.view_deletion"),
                    },
                    {
                        "title": "Safety limits",
                        "icon": "health_and_safety",
                        "link": reverse_lazy("dynamo_belts"),
                        "permission": _may_view("operations.view_deletion"),
                    },
                    _entry("Scans of storages", "travel_explore", "operations.storagescan"),
                    _entry("Files that scans found", "find_in_page", "operations.scanfinding"),
                    _entry("Clean-ups", "cleaning_services", "operations.cleanup"),
                    _entry("Limits of sites", "speed", "operations.sitelimits"),
                    _entry("When sites are scanned", "event_repeat", "operations.sitescans"),
                    _entry("Health of sites", "monitor_heart", "operations.sitehealth"),
                    _entry("Pause switch", "pause_circle", "operations.pauseswitch"),
                ],
            },
            {"title": "Audit", "items": [_entry("Audit trail", "receipt_long", "inventory.auditevent")]},
            {
                "title": "Administration",
                "collapsible": True,
                "items": [
                    _entry("Accounts", "person", "auth.user"),
                    _entry("Roles", "badge", "auth.group"),
                    # Everybody has tokens of one's own.
                    _entry("API tokens", "key", "dynamo_site.apitoken") | {"permission": lambda request: request.user.is_active},
                    _entry("Periodic tasks", "schedule", "django_celery_beat.periodictask"),
                ],
            },
        ],
    },
}
