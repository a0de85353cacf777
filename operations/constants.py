"""Fixed numbers of the deletion pipeline; what an installation may choose is in ``operations.services.limits``."""

#: PostgreSQL advisory lock that is held while a claim decides. Claims take turns: two copies of one block that are
#: claimed at the same moment at two sites would each count the other as the copy that remains.
CLAIM_ADVISORY_LOCK = 0x44594E41_0001

#: Most files that one call to a storage names; a pause takes effect between calls.
MAX_FILES_PER_CALL = 1000

#: The brake trips at this many failures in a row ...
BRAKE_FAILURES_IN_ROW = 100
#: ... or when this part of the latest outcomes are failures, or found nothing, once there are BRAKE_MIN_OUTCOMES of them.
BRAKE_FRACTION = 0.5
BRAKE_MIN_OUTCOMES = 100
#: Length of the record of latest outcomes (width of ``SiteHealth.recent_outcomes``).
BRAKE_WINDOW = 200

#: How the policy language calls the owner of what nobody owns.
NOBODY = "None"

#: File whose presence below ``VAR_DIR`` stops every worker of this host, also when the database cannot be reached.
PAUSE_FILE_NAME = "pause_all"
#: Subject in the audit trail of acts on the switch, and the act that adds a reason to a switch that is on already.
ALL_SITES = "all sites"
PAUSED_AGAIN = "operations.pause_all_again"

#: No request to a storage waits longer, in seconds ...
REQUEST_TIMEOUT_SECONDS = 20.0
#: ... and a call begins no further request after so many seconds, so that it ends within 30 s whatever the storage does.
CALL_SECONDS = 10.0
#: A lease is extended once half of it is over, so that more than half is left when a call begins: a lease on a storage behind
#: a server must outlast the longest call twice, and what is around it.
SHORTEST_LEASE_SECONDS = 3 * (CALL_SECONDS + REQUEST_TIMEOUT_SECONDS)

#: Most block replicas that one deletion request may list: more is no request but a campaign.
MAX_REQUESTED_REPLICAS = 100_000

#: Nothing is kept in a trash for longer, in days; what comes from tape is never kept for less than the second.
LONGEST_TRASH_DAYS = 93
SHORTEST_TAPE_TRASH_DAYS = 30
