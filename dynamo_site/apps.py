from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.db.models.signals import post_migrate

from dynamo_site.roles import default_roles_ensure


class DynamoSiteConfig(AppConfig):
    name = "dynamo_site"
    verbose_name = "Dynamo"

    def ready(self) -> None:
        post_migrate.connect(default_roles_ensure, dispatch_uid="dynamo_site.roles")


class DynamoAdminConfig(SimpleAdminConfig):
    """Django's admin with Dynamo's site as the default one.

    Its pages are found when the URLs are read, not before: commands and workers show none, and would start half a second later.
    """

    default_site = "dynamo_site.sites.DynamoAdminSite"

    def ready(self) -> None:
        """Register Django's checks of the admin."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check the admin's pages, all of them."""
    import_module(settings.ROOT_URLCONF)
    return list(check_admin_app(**kwargs))
