"""Words that policies store."""

from django.db import models


class CycleKind(models.TextChoices):
    TEST_RUN = "TEST_RUN", "test run"
    AUTOMATIC = "AUTOMATIC", "automatic"
    MANUAL = "MANUAL", "by hand"


class CycleState(models.TextChoices):
    """running -> completed | failed; both ends are final."""

    RUNNING = "RUNNING", "running"
    COMPLETED = "COMPLETED", "completed"
    FAILED = "FAILED", "failed"


class PlanKind(models.TextChoices):
    """Where the list of a plan comes from: who must have decided before it may be released."""

    CYCLE = "CYCLE", "cycle of a policy"
    CAMPAIGN = "CAMPAIGN", "deletion campaign"
    INVALIDATION = "INVALIDATION", "invalidation"
    REQUEST = "REQUEST", "deletion request"
    CLEAN_UP = "CLEAN_UP", "clean-up after a storage scan"


class PlanState(models.TextChoices):
    """frozen -> held -> released -> done | discarded; frozen -> released when no belt and no guardrail trips.

    A plan of a cycle is frozen and judged in one go; any other stays frozen until those who must decide have.

    Only items of a released plan are ever deleted.
    """

    FROZEN = "FROZEN", "frozen"
    HELD = "HELD", "held by a safety limit"
    RELEASED = "RELEASED", "released for deletion"
    DONE = "DONE", "done"
    DISCARDED = "DISCARDED", "discarded"


PLAN_TRANSITIONS: dict[str, frozenset[str]] = {
    PlanState.FROZEN: frozenset({PlanState.HELD, PlanState.RELEASED, PlanState.DISCARDED}),
    PlanState.HELD: frozenset({PlanState.RELEASED, PlanState.DISCARDED}),
    PlanState.RELEASED: frozenset({PlanState.DONE, PlanState.DISCARDED}),
    PlanState.DONE: frozenset(),
    PlanState.DISCARDED: frozenset(),
}


class PlanAction(models.TextChoices):
    DELETE = "DELETE", "delete"
    REOWN = "REOWN", "hand over"
