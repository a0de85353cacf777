from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

from dynamo_site.roles import default_roles_ensure


class DynamoSiteConfig(AppConfig):
    name = "dynamo_site"
    verbose_name = "Dynamo"

    def ready(self) -> None:
        post_migrate.connect(default_roles_ensure, dispatch_uid="dynamo_site.roles")


class DynamoAdminConfig(AdminConfig):
    """Django's admin with Dynamo's site as the default one."""

    default_site = "dynamo_site.sites.DynamoAdminSite"
