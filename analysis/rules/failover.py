"""Traffic follows the pods: rules for a side that carries traffic and cannot serve it.

Traffic never moves from a side with available pods to one without: `guarded` holds that for every
decision, the rules move what a lost side leaves behind.
"""

from __future__ import annotations

from dataclasses import replace

from analysis import events
from analysis.decisions import Case, Decision, Ruling
from analysis.phases import ANALYSING, Phase
from analysis.rules import moves, pods, waits
from analysis.waiting import WaitReason
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, RouteStage


def guarded(case: Case, ruling: Ruling) -> Ruling:
    """`ruling`; a wait if it would move traffic from a side with pods to one without."""
    if not isinstance(ruling, Decision):
        return ruling
    before, after = case.state.route.split, ruling.state.route.split
    primary, canary = pods.primary(case), pods.canary(case)
    if canary.available and primary.available == 0 and before.gives_canary_more(after):
        return waits.await_pods(case, primary)
    if primary.available and canary.available == 0 and after.gives_canary_more(before):
        return waits.await_pods(case, canary)
    return ruling


def is_short_of_pods(case: Case, reason: WaitReason) -> bool:
    """Whether a rollout that waits for pods still does, though it is being judged meanwhile."""
    is_judged = case.state.phase in ANALYSING
    return is_judged and any(side.reason is reason for side in pods.unready(case))


def primary_lost(case: Case) -> Ruling | None:
    """A primary that is gone for good leaves its traffic to a canary that has pods.

    The canary keeps it until there is a primary again, made from a revision that was promoted, has
    passed its analysis or is not to be analysed, and from no other.
    """
    target, state = case.target, case.state
    has_traffic = state.route.stage is RouteStage.EXPOSED and state.route.split.reaches_primary
    if not (has_traffic and target and pods.canary(case).available and pods.is_primary_lost(case)):
        return None
    cause = pods.primary(case).readiness.message
    if state.phase in (Phase.PROMOTING, Phase.FINALISING):
        return moves.fail_promotion(case, cause)
    if state.phase is Phase.INITIALIZING:
        return _all_to_canary(case)
    event = events.primary_lost(case.canary, cause)
    trusted = {state.promoted, state.workload.promote}
    is_skipped = case.canary.spec.skip_analysis and not case.observation.refusals
    is_good = target.revision in trusted or is_skipped
    promote = target.revision if is_good else ""
    return moves.hand_over(case, "PrimaryLost", event, target.revision, promote)


def canary_lost(case: Case) -> Ruling | None:
    """A canary that is gone, or has no pod left, gives its traffic to the primary at once."""
    if not case.state.route.split.reaches_canary or not pods.is_canary_lost(case):
        return None
    state = replace(case.state, route=case.state.routed(ALL_TO_PRIMARY), check_at=None)
    event = events.canary_lost(case.canary, pods.canary(case).readiness.message)
    return Decision("CanaryLost", event.message, state, (event,), case.now)


def follow_pods(case: Case) -> Ruling | None:
    """After a failed promotion whichever side has pods serves, the one that has served if both."""
    if case.state.route.split.reaches_canary:
        return canary_lost(case)
    is_served = pods.primary(case).available != 0 or not pods.canary(case).available
    return None if is_served else _all_to_canary(case)


def _all_to_canary(case: Case) -> Decision:
    state = replace(case.state, route=case.state.routed(ALL_TO_CANARY))
    event = events.primary_lost(case.canary, pods.primary(case).readiness.message)
    return Decision("PrimaryLost", event.message, state, (event,), case.now)


def primary_returned(case: Case) -> Ruling | None:
    """A lost primary that is back with the promoted revision gets its traffic back.

    Not where it is to be given another revision, which has been analysed or is live already.
    """
    primary = case.primary
    if case.state.workload.promote or primary is None or primary.revision != case.state.promoted:
        return None
    if not pods.primary(case).readiness.ready:
        return None
    state = case.state.moved(Phase.FAILED, case.now, route=case.state.routed(ALL_TO_PRIMARY))
    said = (events.TO_PRIMARY, events.failed(case.canary))
    return Decision("PrimaryReturned", events.TO_PRIMARY.message, state, said, case.now)


def primary_down(case: Case) -> Ruling | None:
    """A primary that cannot serve what it has, or had, is spoken of for as long as that lasts."""
    is_awaited = case.state.phase is Phase.PROMOTION_FAILED and not case.state.workload.promote
    primary = pods.primary(case)
    is_down = case.state.route.split.reaches_primary and primary.available == 0
    if primary.readiness.ready or not (is_awaited or is_down):
        return None
    known = {case.state.promoted, case.state.workload.promote}
    if primary.is_gone and case.target and case.target.revision not in known:
        event = events.primary_unmade(case.canary, primary.readiness.message)
        return waits.wait(case, WaitReason.PRIMARY_LOST, event)
    return waits.await_pods(case, primary)
