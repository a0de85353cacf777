"""The default roles: groups of accounts with the rights that their work needs.

After every ``migrate`` each default group exists and has at least these rights; what an installation adds to a group,
or the groups that it makes itself, stay as they are. Rights on single partitions, policies and sites come on top,
through guardian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.contrib.auth.management import create_permissions
from django.db import DEFAULT_DB_ALIAS

#: Apps whose data every role may look at.
DATA_APPS = frozenset({"inventory", "policies", "campaigns", "operations"})
#: Apps that only auditors and operators look into: accounts, given rights, beat's schedule, API tokens.
ADMINISTRATION_APPS = frozenset({"auth", "guardian", "django_celery_beat", "dynamo_site"})


@dataclass(frozen=True, slots=True)
class Role:
    """What a role may look at (every model of the apps) and what it may do."""

    views: frozenset[str]
    rights: frozenset[str] = frozenset()


# Who is on duty may always stop; only operators let go on.
_PAUSE = frozenset({"operations.pause_all", "inventory.pause_site", "campaigns.pause_campaign"})
_LOCKS = frozenset({"inventory.add_lock", "inventory.change_lock"})

_REQUESTS = frozenset({"operations.add_deletionrequest"})

ROLES: Mapping[str, Role] = {
    "Operators": Role(
        views=DATA_APPS | ADMINISTRATION_APPS,
        rights=_PAUSE
        | _LOCKS
        | {
            "operations.resume_all",
            "operations.change_deletion",
            "operations.invalidate",
            "operations.change_sitelimits",
            "operations.change_sitescans",
            "inventory.scan_site",
            "inventory.decide_scan",
            "operations.add_deletionrequest",
            "inventory.approve_deletion",
            "operations.override_lock",
            "operations.restore_trash",
            "inventory.resume_site",
            "inventory.add_site",
            "inventory.change_site",
            "inventory.change_factfeed",
            "inventory.add_injection",
            "inventory.change_injection",
            "policies.add_partition",
            "policies.change_partition",
            "policies.set_quota",
            "policies.add_quota",
            "policies.change_quota",
            "policies.add_guardrail",
            "policies.change_guardrail",
            "policies.add_policy",
            "policies.change_policy",
            "policies.add_policyversion",
            "policies.activate_policy",
            "policies.run_policy",
            "policies.release_plan",
            "dynamo_site.issue_apitoken",
            "dynamo_site.revoke_apitoken",
            "campaigns.add_campaign",
            "campaigns.change_campaign",
            "campaigns.propose_campaign",
            "campaigns.pause_campaign",
            "campaigns.execute_campaign",
            "campaigns.decide_exceptions",
            "campaigns.add_quorumrule",
            "campaigns.change_quorumrule",
            "campaigns.add_quorumgroup",
            "campaigns.change_quorumgroup",
            "campaigns.add_grouprepresentative",
            "campaigns.change_grouprepresentative",
        },
    ),
    # Whether they may sign a campaign is said on each, by the quorum of its partition.
    "Physics coordinators": Role(views=DATA_APPS, rights=_PAUSE | _LOCKS | _REQUESTS | {"campaigns.add_campaign"}),
    "Computing coordinators": Role(
        views=DATA_APPS, rights=_PAUSE | _LOCKS | _REQUESTS | {"campaigns.add_campaign", "inventory.approve_deletion"}
    ),
    "Group representatives": Role(views=DATA_APPS, rights=frozenset({"inventory.add_lock"}) | _REQUESTS),
    "Auditors": Role(views=DATA_APPS | ADMINISTRATION_APPS),
    "Services": Role(views=DATA_APPS),
}


def default_roles_ensure(app_config: AppConfig, using: str = DEFAULT_DB_ALIAS, apps: Any = installed_apps, **_: Any) -> None:
    """Give the default roles what they need of *app_config*'s permissions (receiver of ``post_migrate``, once per app).

    Creates the permissions first: Django's own receiver may not have run for this app yet.
    """
    if app_config.label not in DATA_APPS | ADMINISTRATION_APPS:
        return
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:
        return  # an installation migrated back to before accounts existed
    create_permissions(app_config, verbosity=0, using=using, apps=apps)
    of_app = {
        f"{app_config.label}.{permission.codename}": permission
        for permission in permission_model.objects.using(using).filter(content_type__app_label=app_config.label)
    }
    for name, role in ROLES.items():
        group, _created = group_model.objects.using(using).get_or_create(name=name)
        wanted = [p for full, p in of_app.items() if full in role.rights or _is_view(full, role)]
        group.permissions.add(*wanted)


def _is_view(permission: str, role: Role) -> bool:
    app, codename = permission.split(".", 1)
    return app in role.views and codename.startswith("view_")
