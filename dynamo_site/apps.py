from django.apps import AppConfig


class DynamoSiteConfig(AppConfig):
    name = "dynamo_site"
    verbose_name = "Dynamo"
