"""How a rollout goes on when its working state is lost or older than what was reported.

Rebuilt from the Canary status, the live route and the workloads. What is unsure resolves to the
lower canary weight, and a revision that may have failed does not resume.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from analysis import effects
from analysis.decisions import Decision, Ruling
from analysis.observation import Observation, PastStatus
from analysis.phases import BROKEN, Phase, shown
from analysis.state import RolloutState, unborn
from analysis.strategies import Strategy
from config.api.canary import Canary
from config.api.status import ANALYSING, IN_ROLLOUT, PROMOTING, StatusPhase
from config.scaling import Autoscaler, CanaryScale, WorkloadIntent
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

_AT_REST: Final[Mapping[str, Phase]] = {
    StatusPhase.INITIALIZED: Phase.INITIALIZED,
    StatusPhase.SUCCEEDED: Phase.SUCCEEDED,
    StatusPhase.WAITING: Phase.WAITING,
    StatusPhase.FAILED: Phase.FAILED,
}


def rebuild(seen: Observation) -> Ruling | None:
    """A state made from what can be seen, when the status knows more than the state."""
    past, canary, strategy = seen.status, seen.canary, seen.strategy
    if past is None or canary is None or strategy is None or seen.deleting:
        return None
    if past.phase not in IN_ROLLOUT | _AT_REST.keys() or _is_known(seen, past):
        return None
    state = _lasting(seen, past, _served(seen, _state(seen, canary, strategy, past)))
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
    target, autoscaler = canary.spec.target_ref.label, Autoscaler.of(canary)
    state = replace(_blank(seen), target=target, applied=applied, promoted=promoted)
    state = replace(state, autoscaler=autoscaler)
    promoting = _given_since(seen, promoted) if past.phase != StatusPhase.FAILED else ""
    if promoting or past.phase in PROMOTING:  # copying what was copied changes nothing
        live = seen.in_force or ALL_TO_PRIMARY
        split = live.weighing(min(_weight(past), live.canary))
        going_on = replace(state, applied=promoting or applied)
        return _running(going_on, Phase.PROMOTING, split, going_on.applied)
    if past.phase in ANALYSING:
        return _analysing(seen, canary, strategy, past, state)
    if past.phase == StatusPhase.FAILED:
        return _failed(seen, past, state)
    return replace(state, phase=_AT_REST[past.phase])


def _served(seen: Observation, state: RolloutState) -> RolloutState:
    """`state`, unless it took traffic from pods that serve; a lagging status may have said so.

    A canary that alone has pods keeps what it has, and gets the rest. One that still has traffic is
    not scaled down before that is gone: a revision that no status knows is analysed from the start.
    """
    live, split = seen.in_force or ALL_TO_PRIMARY, state.route.split
    if live.canary <= split.canary:
        return state
    has_pods = [side is not None and side.available > 0 for side in (seen.primary, seen.target)]
    if has_pods == [False, True]:
        return _running(state, Phase.PROMOTION_FAILED, ALL_TO_CANARY, state.workload.promote)
    if state.workload.canary is not CanaryScale.LEAVE:
        return state
    if seen.target is None or seen.target.revision in (state.applied, state.promoted):
        return _running(state, Phase.FAILED)
    return _running(replace(state, applied=seen.target.revision), Phase.PROGRESSING)


def _lasting(seen: Observation, past: PastStatus, state: RolloutState) -> RolloutState:
    """`state` with what was said of the manifest, since when its phase is shown, and with cookies.

    Those that the route sets are taken back by a split that has none. Whoever was at work when the
    state was lost may still be, until his lease ends.
    """
    told = past.since if past.since and shown(state.phase) == past.phase else seen.now
    since = min(told, seen.now)
    split = state.route.split.after(seen.in_force or ALL_TO_PRIMARY)
    route = replace(state.route, split=split)
    failed = since if state.phase in BROKEN else None
    known = replace(state, acceptance=past.acceptance, route=route, failed_since=failed)
    return replace(known, since=since, unsure_until=seen.now + effects.WRITE_LEASE)


def _blank(seen: Observation) -> RolloutState:
    """A state at rest: everything on the primary, the canary as it is."""
    return replace(
        unborn(seen.uid, seen.generation, seen.now),
        route=RouteIntent(seen.confirmed.route_seq + 1, RouteStage.EXPOSED, ALL_TO_PRIMARY),
        workload=WorkloadIntent(seen.confirmed.workload_seq + 1, CanaryScale.LEAVE),
        intended_at=seen.now,
        finalizer=seen.finalizer,
    )


def _revisions(seen: Observation, past: PastStatus) -> tuple[str, str]:
    """Applied and promoted revision; a foreign one is replaced by what the workloads show."""
    primary = seen.primary.revision if seen.primary else ""
    target = seen.target.revision if seen.target else ""
    promoted = past.promoted if _OUR_REVISION.fullmatch(past.promoted) else primary
    if _OUR_REVISION.fullmatch(past.applied):
        return past.applied, promoted
    unsettled = past.phase in IN_ROLLOUT | {StatusPhase.FAILED}
    return (target if unsettled else promoted), promoted


def _given_since(seen: Observation, promoted: str) -> str:
    """The target's revision if the primary has it already, though not when the status was shown.

    It was given nothing that had not passed its analysis: its promotion goes on. Empty otherwise.
    """
    if seen.primary is None or seen.target is None or seen.primary.revision == promoted:
        return ""
    return seen.target.revision if seen.target.revision == seen.primary.revision else ""


def _analysing(
    seen: Observation, canary: Canary, strategy: Strategy, past: PastStatus, state: RolloutState
) -> RolloutState:
    """Goes on from where both the status and the route have been.

    Traffic that is already back at the primary, while the status still shows a weight, means that
    a rollback was under way when the state was lost.
    """
    live = seen.in_force or ALL_TO_PRIMARY
    same_target = seen.target is not None and seen.target.revision == state.applied
    if past.weight > 0 and live.canary == 0 and same_target:
        return _running(state, Phase.FAILED)
    reported = replace(
        _running(state, Phase.PROGRESSING, TrafficSplit.of(_weight(past))),
        failed_checks=past.failed_checks,
        iterations=past.iterations,
    )
    step = strategy.resume(canary, reported, live)
    route = replace(state.route, split=step.split)
    resumed = replace(reported, route=route, iterations=step.iterations)
    if not strategy.has_begun(resumed):
        # perhaps they were about to be made anew
        target = seen.target
        is_doubtful = target is not None and target.has_pods and bool(target.configs)
        return replace(resumed, stale_pods=is_doubtful)
    after = strategy.next_step(canary, resumed)
    is_over = after is None or after.needs_approval
    waits = is_over and past.phase == StatusPhase.WAITING_PROMOTION
    phase = Phase.WAITING_PROMOTION if waits else Phase.PROGRESSING
    return replace(resumed, phase=phase, check_at=seen.now + seen.interval)


def _failed(seen: Observation, past: PastStatus, state: RolloutState) -> RolloutState:
    """Rolled back, or a promotion that failed.

    It was the latter if the primary has the revision already, or status and route agree that the
    canary has everything: whoever served everything goes on doing so. What the primary was not
    given yet, may not have been analysed. Pods of a failed revision that are gone stay away.
    """
    copied = seen.primary is not None and seen.primary.revision == state.applied != state.promoted
    promote, live = state.applied if copied else "", seen.in_force or ALL_TO_PRIMARY
    is_parked = seen.target is not None and seen.target.replicas == 0
    if is_parked and not copied and live == ALL_TO_PRIMARY:
        return replace(state, phase=Phase.FAILED)
    if past.weight >= TOTAL_WEIGHT and live.canary >= TOTAL_WEIGHT:
        return _running(state, Phase.PROMOTION_FAILED, ALL_TO_CANARY, promote)
    return _running(state, Phase.PROMOTION_FAILED if copied else Phase.FAILED, promote=promote)


def _running(
    state: RolloutState, phase: Phase, split: TrafficSplit = ALL_TO_PRIMARY, promote: str = ""
) -> RolloutState:
    """`state` in `phase`, with a canary that is not scaled down before its route is confirmed."""
    workload = replace(state.workload, canary=CanaryScale.RUNNING, promote=promote)
    return replace(state, phase=phase, route=replace(state.route, split=split), workload=workload)


def _weight(past: PastStatus) -> int:
    """The canary's weight as reported, whatever somebody wrote there."""
    return max(0, min(past.weight, TOTAL_WEIGHT))
