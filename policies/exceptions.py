"""What policies refuse, each with a code and a message that says what to do.

::

    PolicyError
    ├── PolicyInvalidError          the text has errors (carries the diagnostics)
    ├── PartitionUnknownError       a partition is named that is not defined
    ├── PartitionInvalidError       a definition or a quota breaks a rule of partitions
    ├── QuotaInvalidError           a size that cannot be, or quotas that cannot be set together
    ├── VersionImmutableError       a saved version was to be changed
    ├── VersionUntestedError        activation without a test run of that very version
    ├── ExpectationFailedError      a policy does not decide what its tests say it must
    ├── CycleRunningError           the partition already has a cycle under way
    ├── CycleLostError              the cycle was given up for dead before it finished
    ├── CyclesFailedError           some of the automatic cycles failed, the others had their turn
    ├── ProviderFailedError         a feed of facts could not be loaded
    ├── PlanAlteredError            the items of a plan are not those that were frozen
    ├── WorkerUnreachableError      no worker could be told to do the work
    └── InvalidTransitionError      a plan or a cycle is not in a state that allows the act
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from policies.language.diagnostics import Diagnostic


class PolicyError(Exception):
    """Anything that policies refuse; ``code`` is stable, the text is for people."""

    code: ClassVar[str] = "policy_error"


class PolicyInvalidError(PolicyError):
    """A policy text, a partition file or a guardrail has errors."""

    code = "policy_invalid"

    def __init__(self, what: str, diagnostics: Sequence[Diagnostic]) -> None:
        self.errors = tuple(diagnostic for diagnostic in diagnostics if diagnostic.is_error)
        first = f": line {self.errors[0].span.line}: {self.errors[0].message}" if self.errors else ""
        super().__init__(f"{what} has {len(self.errors)} error{'' if len(self.errors) == 1 else 's'}{first}")
        self.diagnostics = tuple(diagnostics)


class PartitionUnknownError(PolicyError):
    code = "partition_unknown"


class PartitionInvalidError(PolicyError):
    code = "partition_invalid"


class QuotaInvalidError(PolicyError):
    code = "quota_invalid"


class VersionImmutableError(PolicyError):
    code = "version_immutable"


class VersionUntestedError(PolicyError):
    code = "version_untested"


class ExpectationFailedError(PolicyError):
    """A policy does not decide what its expectations say; ``failures`` has a sentence with a counter-example for each."""

    code = "expectation_failed"

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__("; ".join(failures))
        self.failures = tuple(failures)


class CycleRunningError(PolicyError):
    code = "cycle_running"


class CycleLostError(PolicyError):
    code = "cycle_lost"


class CyclesFailedError(PolicyError):
    """Some automatic cycles failed; each is recorded with its own message."""

    code = "cycles_failed"

    def __init__(self, failed: Mapping[str, Exception]) -> None:
        super().__init__("; ".join(f"{name}: {error}" for name, error in failed.items()))
        self.failed = dict(failed)


class ProviderFailedError(PolicyError):
    """A feed that a policy needs could not be loaded; the cycle fails and nothing is deleted."""

    code = "provider_failed"

    def __init__(self, feed: str, cause: BaseException) -> None:
        super().__init__(f"the facts of the feed {feed!r} could not be loaded: {cause}")
        self.feed = feed


class PlanAlteredError(PolicyError):
    code = "plan_altered"


class WorkerUnreachableError(PolicyError):
    """The message broker is down; what was to be done is recorded as failed."""

    code = "worker_unreachable"


class InvalidTransitionError(PolicyError):
    code = "invalid_transition"
