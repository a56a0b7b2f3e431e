"""What the workloads of a canary should be: decided by rules, brought about by `workloads`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CanaryScale(StrEnum):
    """What should become of the replicas of the target workload."""

    LEAVE = "leave"
    """Not to be changed: the primary does not serve yet, or it is not sure what does."""
    RUNNING = "running"
    """Scaled up from zero if it is at zero; otherwise left alone."""
    ZERO = "zero"
    RESTORED = "restored"
    """Scaled up to the replicas of the primary, which is left as it is, or to be gone."""


@dataclass(frozen=True, slots=True)
class WorkloadIntent:
    """What the workloads should be; `seq` grows with every change of mind.

    From the first `seq` on there is to be a primary. `promote` is the revision it is to be given
    now; empty when it is to be left as it is. `base` is the only revision a lost primary may be
    made anew from; empty as long as none was promoted, when any will do.
    """

    seq: int
    canary: CanaryScale
    promote: str = ""
    base: str = ""
