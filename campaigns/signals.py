"""What campaigns tell whoever does their work outside of requests: a worker is woken."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after the commit that recorded a study as started; keywords ``study_id``, ``actor_name``.
study_started = Signal()

#: Sent after the commit that moved a campaign on; keyword ``campaign_id``: people are to be told, mails to be sent.
campaign_moved = Signal()

#: Sent after the commit that recorded a report as asked for; keyword ``report_id``.
report_started = Signal()
