"""What the workloads of a canary should be: decided by rules, brought about by `workloads`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from config.api.canary import Canary
from config.api.references import AutoscalerKind


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
class Autoscaler:
    """The autoscaler of a target, by its kind and name."""

    kind: AutoscalerKind
    name: str

    @classmethod
    def of(cls, canary: Canary) -> Self | None:
        """The one that a manifest names."""
        ref = canary.spec.autoscaler_ref
        return cls(ref.kind, ref.name) if ref else None

    def __str__(self) -> str:
        """As people say it."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class WorkloadIntent:
    """What the workloads should be; `seq` grows with every change of mind.

    From the first `seq` on there is to be a primary. `promote` is the revision it is to be given
    now; empty when it is to be left as it is. `base` is the only revision a lost primary may be
    made anew from; empty as long as none was promoted, when any will do. `freed` are autoscalers
    that the canary names no more: one that is paused is to be resumed.
    """

    seq: int
    canary: CanaryScale
    promote: str = ""
    base: str = ""
    freed: tuple[Autoscaler, ...] = ()
