"""Check the audit trail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import AuditHead
from inventory.services.audit import audit_verify


class Command(BaseCommand):
    """``audit_verify``."""

    help = (
        "Recompute the chain of digests of the audit trail. Example: manage.py audit_verify. "
        "Exit codes: 0 whole, 1 an event was changed, removed, inserted or moved, 2 wrong arguments."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = audit_verify()
        if broken is not None:
            raise CommandError(
                f"the audit trail is broken at event {broken.event_id}: {broken.problem}. "
                "Compare with a backup of the table inventory_auditevent, and find out who had write access to the database."
            )
        head = AuditHead.objects.filter(pk=1).first()
        self.stdout.write(f"the audit trail is whole: {head.num_events if head else 0} events")
