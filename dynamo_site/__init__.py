"""Composition of Dynamo: settings, URLs, admin site, Celery. Nobody imports this package's modules."""

from dynamo_site.celery import app as celery_app

__all__ = ["celery_app"]
