"""What each side has to serve with: whether it is ready, and how many pods are available."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from analysis import events
from analysis.decisions import Case
from analysis.events import Event
from analysis.observation import Workload
from analysis.phases import Phase
from analysis.waiting import ON_THE_WAY, WaitReason
from config import readiness
from config.api.canary import Canary
from config.readiness import Readiness

AT_ZERO: Final = Readiness(ready=False, message=f"{readiness.WAITING}scaled to zero")
"""What is said of a workload without replicas."""

_ASKED_FOR: Final[Mapping[Phase, WaitReason]] = {
    Phase.INITIALIZING: WaitReason.PRIMARY_NOT_READY,
    Phase.PROGRESSING: WaitReason.CANARY_NOT_READY,
    Phase.PROMOTING: WaitReason.PRIMARY_NOT_READY,
    Phase.TERMINATING: WaitReason.CANARY_NOT_READY,
}
"""The side whose pods a phase asks for when it begins, by the reason to wait for them."""


@dataclass(frozen=True, slots=True)
class Side:
    """The primary or the canary, as far as it can take traffic.

    `reason` and `not_ready` say that it cannot. An old view of one that is gone says that it is
    there.
    """

    canary: Canary
    workload: Workload | None
    is_gone: bool
    reason: WaitReason
    not_ready: Callable[[Canary, str], Event]

    @property
    def readiness(self) -> Readiness:
        """Whether it can take traffic.

        A workload without replicas, or without any available pod, is not ready, whatever its
        status says and however few pods the manifest asks for.
        """
        workload, kind = self.workload, self.canary.spec.target_ref.kind.lower()
        if workload is None and self.is_gone:
            return Readiness(ready=False, message=f"{kind} not found")
        if workload is None:
            return readiness.stale(kind)
        if workload.replicas == 0:
            return AT_ZERO
        if workload.readiness.ready and workload.available == 0:
            message = f"{readiness.WAITING}no pod is available"
            return replace(workload.readiness, ready=False, message=message)
        return workload.readiness

    @property
    def available(self) -> int | None:
        """The available pods; None while they are not known.

        Those of a workload that is scaled to zero are on their way out.
        """
        if self.workload is None:
            return 0 if self.is_gone else None
        return self.workload.available if self.workload.replicas else 0

    @property
    def patience(self) -> datetime | None:
        """When an unready workload runs out of its deadline; None when no clock is running."""
        return self.workload.patience_ends if self.workload else None

    @property
    def event(self) -> Event:
        """What is told while it is not ready."""
        return self.not_ready(self.canary, self.readiness.message)


def primary(case: Case) -> Side:
    """The primary of `case`."""
    gone, told = case.observation.primary is None, events.primary_not_ready
    return Side(case.canary, case.primary, gone, WaitReason.PRIMARY_NOT_READY, told)


def canary(case: Case) -> Side:
    """The canary of `case`: the pods of the target."""
    gone, told = case.observation.target is None, events.canary_not_ready
    return Side(case.canary, case.target, gone, WaitReason.CANARY_NOT_READY, told)


def unready(case: Case) -> tuple[Side, ...]:
    """The sides that cannot take traffic, the primary first."""
    return tuple(side for side in (primary(case), canary(case)) if not side.readiness.ready)


def on_their_way_until(case: Case, side: Side) -> datetime | None:
    """Until when the missing pods of `side` are no news, since the phase has just asked for them.

    None for pods that were there, which an analysis or asked hooks show, and for a wait that was
    told already.
    """
    state = case.state
    is_news = state.waiting or state.round or state.check_at
    if is_news or _ASKED_FOR.get(state.phase) is not side.reason:
        return None
    until = state.since + ON_THE_WAY
    return until if case.now < until else None


def is_primary_lost(case: Case) -> bool:
    """Whether the primary has no available pod, and will not have one by itself."""
    side = primary(case)
    if side.available != 0:
        return False
    ready = side.readiness
    return side.is_gone or ready == AT_ZERO or not ready.retriable


def is_canary_lost(case: Case) -> bool:
    """Whether the canary has nothing to serve with, and the primary has, or ends with it."""
    side = canary(case)
    return side.is_gone or (side.available == 0 and bool(primary(case).available))
