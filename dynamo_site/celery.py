"""The Celery application: a message is only a wake-up, the database holds every state."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dynamo_site.settings.base")

app = Celery("dynamo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
