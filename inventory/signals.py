"""What the inventory tells those who have its work carried out."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after the commit that stored a document to be injected; keyword ``injection_id``. The receiver has it carried out by a
#: worker. `injections_sweep` sends it again for what has waited long: a message may be lost.
injection_queued = Signal()

#: Sent after the commit that let deletions at a site go on; keyword ``site_name``.
site_resumed = Signal()
