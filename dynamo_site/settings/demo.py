"""Settings of ``make demo``: SQLite and the local broker under ``var/``, whatever servers the environment of the caller names.

The demo deletes files of sites that it has made up; it must never find itself in a real installation's database.
"""

import os

for _name in ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SECRET_KEY"):
    os.environ.pop(_name, None)

from dynamo_site.settings.base import *  # noqa: E402, F403 - the environment above must be cleared first
from dynamo_site.settings.base import env  # noqa: E402 - the same

#: Beat looks at the schedule this often, in seconds, so that a change of it in the admin is soon followed.
CELERY_BEAT_MAX_LOOP_INTERVAL = 5

#: Seconds after which the work of a worker that was killed goes to another; short, so that one can watch it happen.
DYNAMO_DELETION_LEASE_SECONDS = env.float("DYNAMO_DELETION_LEASE_SECONDS", default=15.0)
