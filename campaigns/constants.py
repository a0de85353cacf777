"""Numbers and names that several modules of campaigns need."""

from datetime import timedelta

#: Roles that may sign where a partition has no rule of its own.
DEFAULT_APPROVER_GROUPS = ("Physics coordinators", "Computing coordinators")

#: An exception lasts at most so long (issue: at most a year); a leap year is one too.
LONGEST_EXCEPTION = timedelta(days=366)

#: From this part of a partition's bytes on, a campaign needs two signatures.
TWO_SIGNATURES_FRACTION = 0.01

#: Names that the list of one exception may hold.
MAX_PATTERNS = 2000

#: How long before exceptions close everybody concerned is reminded, the earliest first.
REMINDERS = (timedelta(days=7), timedelta(days=1))

#: Datasets that the largest list of a revision shows.
LARGEST_SHOWN = 20
