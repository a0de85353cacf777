"""``/healthz`` and ``/readyz``: whether this process answers, and whether what it needs is there."""

from __future__ import annotations

import dataclasses
import errno
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from health_check.base import HealthCheck
from health_check.checks import Storage
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView
from kombu.exceptions import OperationalError

from inventory.selectors.clock import database_now
from operations.selectors.pausing import pause_state

#: A host may be off by so much from the clock of the database.
MOST_AHEAD = timedelta(seconds=30)


class Check(HealthCheck):
    """A check that answers under a name for people."""

    name = ""

    def __repr__(self) -> str:
        return self.name


class Migrations(Check):
    """The database answers, and has the tables of this version of Dynamo."""

    name = "migrations"

    def run(self) -> None:
        try:
            with connection.temporary_connection():
                executor = MigrationExecutor(connection)
                missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except Error as error:
            raise ServiceUnavailable("the database does not answer") from error
        if missing:
            raise ServiceUnavailable(f"{len(missing)} migrations are not applied: run migrate")


class Broker(Check):
    """Messages can be sent."""

    name = "broker"

    def run(self) -> None:
        try:
            with current_app.connection_for_write() as broker:
                broker.ensure_connection(max_retries=1, interval_start=0, timeout=self.timeout.total_seconds())
        except (OperationalError, OSError) as error:
            raise ServiceUnavailable("the broker does not answer") from error


class PauseFile(Check):
    """The folder of the file that stops the workers can be looked into; else no worker would begin anything."""

    name = "pause file"

    def run(self) -> None:
        try:
            with connection.temporary_connection():  # checks run in threads of their own: what they open, they close
                pause_state()
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, type(error).__name__)
            raise ServiceUnavailable(f"DYNAMO_VAR_DIR cannot be read ({name})") from error


class Clock(Check):
    """The clock of this host is that of the database: what a request does by its own clock, workers go on with by the other."""

    name = "clock"

    def run(self) -> None:
        try:
            with connection.temporary_connection():
                ahead = timezone.now() - database_now()
        except Error as error:
            raise ServiceUnavailable("the database does not answer") from error
        if abs(ahead) > MOST_AHEAD:
            seconds = ahead.total_seconds()
            way = "ahead of" if seconds > 0 else "behind"
            raise ServiceUnavailable(
                f"the clock of this host is {abs(seconds):.0f} s {way} that of the database "
                f"(at most {MOST_AHEAD.total_seconds():.0f} s): set both by NTP"
            )


@dataclasses.dataclass(repr=False)
class FileStorage(Check, Storage):
    """A file can be written to the folder of documents and reports, read and deleted."""

    name = "file storage"


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process serves requests; asks nothing else, so that a lost database restarts no process."""
    return HttpResponse("alive\n", content_type="text/plain; charset=utf-8")


class Readiness(HealthCheckView):
    """Whether this host can do its work: 200, or 503 with the reason beside each check that fails. Text, or JSON if asked for."""

    checks = (
        Migrations,
        Broker,
        PauseFile,
        Clock,
        FileStorage,
    )

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        return self.render_to_response_text(kwargs.get("status", 200))

    def render_to_response_text(self, status: int) -> HttpResponse:
        return super().render_to_response_text(_status(status))

    def render_to_response_json(self, status: int) -> HttpResponse:
        return super().render_to_response_json(_status(status))


def _status(status: int) -> int:
    # A load balancer takes 503 for "not now"; 500 would say that the page is broken.
    return 503 if status == 500 else status
