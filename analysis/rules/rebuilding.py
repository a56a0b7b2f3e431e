"""How a rollout goes on when its working state is lost or older than what was reported.

Rebuilt from the Canary status, the live route and the workloads. What is unsure resolves to the
lower canary weight, and a revision that may have failed does not resume.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from analysis.decisions import Decision, Outcome
from analysis.observation import Observation, PastStatus
from analysis.phases import Phase
from analysis.state import RolloutState, unborn
from analysis.strategies import Strategy
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    TOTAL_WEIGHT,
    RouteIntent,
    RouteStage,
    TrafficSplit,
)

_OUR_REVISION: Final = re.compile(r"[0-9a-f]{20}")
"""What a revision of ours looks like; those of other controllers are not comparable with it."""

_ANALYSING: Final = frozenset({"Progressing", "WaitingPromotion"})
_PROMOTING: Final = frozenset({"Promoting", "Finalising"})
_AT_REST: Final = frozenset({"Initialized", "Succeeded", "Waiting", "Failed"})


def rebuild(seen: Observation) -> Outcome | None:
    """A state made from what can be seen, when the status knows more than the state."""
    past = seen.status
    canary, strategy = seen.canary, seen.strategy
    if past is None or canary is None or strategy is None or seen.deleting:
        return None
    if past.phase not in _ANALYSING | _PROMOTING | _AT_REST:
        return None
    if _is_known(seen, past):
        return None
    state = _state(seen, canary, strategy, past)
    message = f"state rebuilt from status {past.phase}, route and workloads as {state.phase}"
    return Decision("Rebuilt", message, state, due=seen.now)


def _is_known(seen: Observation, past: PastStatus) -> bool:
    """Whether there is a state that knows as much as the status.

    One without a phase does not: it was made while there was no manifest to be carried out.
    """
    if seen.state is None or seen.state.phase is Phase.NEW:
        return False
    return seen.version >= past.version


def _state(seen: Observation, canary: Canary, strategy: Strategy, past: PastStatus) -> RolloutState:
    """The most cautious state that agrees with everything seen."""
    applied, promoted = _revisions(seen, past)
    state = replace(_blank(seen), applied=applied, promoted=promoted)
    if past.phase in _ANALYSING:
        return _analysing(seen, canary, strategy, past, state)
    if past.phase in _PROMOTING:
        return _promoting(seen, past, state)
    copied = seen.primary is not None and seen.primary.revision == applied != promoted
    if past.phase == "Failed" and (copied or _serves_everything(seen, past)):
        split = ALL_TO_CANARY if _serves_everything(seen, past) else ALL_TO_PRIMARY
        return _promotion_failed(state, split, promote=applied if copied else "")
    if past.phase == "Failed":
        return _failed(state)
    phase = Phase.SUCCEEDED if past.phase == "Succeeded" else Phase.INITIALIZED
    return replace(state, phase=phase)


def _blank(seen: Observation) -> RolloutState:
    """A state at rest: everything on the primary, the canary at zero."""
    return replace(
        unborn(seen.uid, seen.generation, seen.now),
        route=RouteIntent(seen.confirmed.route_seq + 1, RouteStage.EXPOSED, ALL_TO_PRIMARY),
        workload=WorkloadIntent(seen.confirmed.workload_seq + 1, CanaryScale.ZERO),
    )


def _revisions(seen: Observation, past: PastStatus) -> tuple[str, str]:
    """Applied and promoted revision; a foreign one is replaced by what the workloads show."""
    primary = seen.primary.revision if seen.primary else ""
    target = seen.target.revision if seen.target else ""
    promoted = past.promoted if _OUR_REVISION.fullmatch(past.promoted) else primary
    if _OUR_REVISION.fullmatch(past.applied):
        return past.applied, promoted
    unsettled = past.phase in _ANALYSING | _PROMOTING | {"Failed"}
    return (target if unsettled else promoted), promoted


def _analysing(
    seen: Observation, canary: Canary, strategy: Strategy, past: PastStatus, state: RolloutState
) -> RolloutState:
    """Goes on from where both the status and the route have been.

    Traffic that is already back at the primary, while the status still shows a weight, means that
    a rollback was under way when the state was lost.
    """
    live = seen.in_force or ALL_TO_PRIMARY
    if past.weight > 0 and live.canary == 0 and _same_target(seen, state):
        return _failed(state)
    reported = replace(
        state,
        phase=Phase.PROGRESSING,
        route=replace(state.route, split=TrafficSplit.of(_weight(past))),
        workload=replace(state.workload, canary=CanaryScale.RUNNING),
        failed_checks=past.failed_checks,
        iterations=past.iterations,
    )
    step = strategy.resume(canary, reported, live)
    route = replace(state.route, split=step.split)
    resumed = replace(reported, route=route, iterations=step.iterations)
    begun = strategy.has_begun(resumed)
    return replace(resumed, check_at=seen.now + seen.interval if begun else None)


def _promoting(seen: Observation, past: PastStatus, state: RolloutState) -> RolloutState:
    """Promotes again what was being promoted; copying what was copied changes nothing."""
    live = seen.in_force or ALL_TO_PRIMARY
    split = live.weighing(min(_weight(past), live.canary))
    workload = replace(state.workload, canary=CanaryScale.RUNNING, promote=state.applied)
    route = replace(state.route, split=split)
    return replace(state, phase=Phase.PROMOTING, route=route, workload=workload)


def _failed(state: RolloutState) -> RolloutState:
    """Rolled back; the canary is scaled down once the route is confirmed."""
    workload = replace(state.workload, canary=CanaryScale.RUNNING)
    return replace(state, phase=Phase.FAILED, workload=workload)


def _promotion_failed(state: RolloutState, split: TrafficSplit, promote: str) -> RolloutState:
    """The canary must go on running, and whoever served everything goes on doing so.

    What the primary was not given yet, may not have been analysed.
    """
    workload = replace(state.workload, canary=CanaryScale.RUNNING, promote=promote)
    route = replace(state.route, split=split)
    return replace(state, phase=Phase.PROMOTION_FAILED, route=route, workload=workload)


def _serves_everything(seen: Observation, past: PastStatus) -> bool:
    """Whether status and route agree that the canary has everything."""
    live = seen.in_force
    return past.weight >= TOTAL_WEIGHT and live is not None and live.canary >= TOTAL_WEIGHT


def _weight(past: PastStatus) -> int:
    """The canary's weight as reported, whatever somebody wrote there."""
    return max(0, min(past.weight, TOTAL_WEIGHT))


def _same_target(seen: Observation, state: RolloutState) -> bool:
    return seen.target is not None and seen.target.revision == state.applied
