"""Answers to requests with an idempotency key: the same request gets the same answer and is not carried out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, OperationalError, connection, transaction

from dynamo_site.models import AnsweredRequest

#: So long a request waits for one with the same key that is being carried out, on PostgreSQL; SQLite has its own time-out.
WAIT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What identifies a request: ``digest`` covers method, address and body."""

    key: str
    route: str
    digest: str


class StillAnswering(Exception):
    """A request with the same key is being carried out."""


def answer_begin(*, user: AbstractBaseUser, asked: Asked) -> tuple[AnsweredRequest, bool]:
    """Return the record of *asked* and whether it is a new one; a record that is not new has the answer, of whatever request.

    Inside the transaction of the act: the record of an act that fails or dies goes with it, and whoever asks the same at the
    same moment waits here for its end. Raises ``StillAnswering`` after ``WAIT_SECONDS``.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an answer is kept in the transaction of the act")
    try:
        with transaction.atomic(), _limited_wait():
            return AnsweredRequest.objects.create(
                user_id=user.pk, key=asked.key, route=asked.route[:255], digest=asked.digest
            ), True
    except IntegrityError:
        return AnsweredRequest.objects.get(user_id=user.pk, key=asked.key), False
    except OperationalError as error:
        raise StillAnswering from error


def answer_keep(record: AnsweredRequest, *, status: int, body: str | None, headers: Mapping[str, str]) -> None:
    """Complete *record* in the transaction of the act."""
    record.status, record.body, record.headers = status, body, dict(headers)
    record.save(update_fields=["status", "body", "headers"])


def answer_forget(record: AnsweredRequest) -> None:
    """Let the request be carried out again: what followed its transaction failed."""
    AnsweredRequest.objects.filter(pk=record.pk).delete()


def answers_purge(*, now: datetime) -> int:
    """Forget the answers that are older than ``DYNAMO_IDEMPOTENCY_HOURS``; return how many."""
    limit = now - timedelta(hours=settings.DYNAMO_IDEMPOTENCY_HOURS)
    return AnsweredRequest.objects.filter(answered_at__lt=limit).delete()[0]


@contextmanager
def _limited_wait() -> Iterator[None]:
    """Bound how long PostgreSQL waits for a lock within the block; an error ends the savepoint and the setting with it."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
