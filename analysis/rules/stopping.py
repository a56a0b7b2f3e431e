"""Rules of an analysis that look for reasons to stop it, before anything is measured."""

from __future__ import annotations

from dataclasses import replace

from analysis import effects, events
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.phases import Phase
from analysis.rules import moves, pods, waits
from config.scaling import CanaryScale
from config.traffic import ALL_TO_PRIMARY
from config.validation.problems import ProblemReason


def target_gone(case: Case) -> Ruling | None:
    """A deleted target takes its traffic with it, so traffic leaves at once."""
    if not pods.canary(case).is_gone:
        return None
    return moves.rollback(case, "TargetNotFound", (events.target_gone(case.canary),))


def called_off(case: Case) -> Ruling | None:
    """Another target, name or provider calls the rollout off: it leads traffic by the former."""
    moved = [each for each in case.observation.refusals if each.reason is ProblemReason.IN_ROLLOUT]
    if not moved:
        return None
    event = events.called_off(case.canary, moved[0].message)
    return moves.rollback(case, "CalledOff", (event,))


def reverted(case: Case) -> Ruling | None:
    """A target set back to the promoted revision calls the rollout off."""
    target, primary = case.target, case.primary
    stable = {case.state.promoted, primary.revision if primary else case.state.promoted}
    if target is None or target.revision == case.state.applied or target.revision not in stable:
        return None
    return moves.rollback(case, "Reverted", (events.reverted(case.canary),))


def revision_changed(case: Case) -> Ruling | None:
    """A newer revision restarts the analysis from zero traffic."""
    target = case.target
    if target is None or target.revision == case.state.applied:
        return None
    said = (events.restarting(case.canary),)
    return moves.start(case, "RevisionChanged", said, target.revision, skipped=False)


def renew_pods(case: Case) -> Ruling | None:
    """Pods older than the configs to be judged are made anew, once no traffic can reach them."""
    if not case.state.stale_pods:
        return None
    waiting = waits.await_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD)
    if waiting:
        return waiting
    if case.state.workload.canary is CanaryScale.RUNNING:
        reached = waits.await_certainty(case) or waits.await_no_traffic(case)
        if reached:
            return reached
        state = replace(case.state, workload=case.state.worked(CanaryScale.ZERO))
        return Decision("RenewingPods", "the canary's pods are to be made anew", state)
    target = case.target
    if target is None or target.replicas or target.available or not target.readiness.ready:
        return Rest(case.now + effects.REPAIR)
    workload = case.state.worked(CanaryScale.RUNNING)
    state = replace(case.state, workload=workload, stale_pods=False)
    return Decision("ScalingUp", "the canary gets pods with its new configs", state)


def crashed(case: Case) -> Ruling | None:
    """A canary without any available pod loses its traffic at once, for a failed check.

    Its analysis begins anew when it has pods again. If somebody else scaled it to zero, or it is
    past its deadline, it is rolled back. One that we have not scaled up yet, which is so when the
    state was rebuilt, has failed at nothing.
    """
    if not case.state.route.split.reaches_canary or not pods.is_canary_lost(case):
        return None
    canary = pods.canary(case)
    ready = canary.readiness
    if ready == pods.AT_ZERO:
        if waits.await_effects(case, effects.Lane.WORKLOAD):
            event = events.canary_lost(case.canary, ready.message)
            lost = Decision("CanaryLost", event.message, case.state, (event,))
            return _from_the_start(case, lost)
        return moves.rollback(case, "ScaledToZero", (canary.event,))
    if not ready.retriable:
        return _give_up(case, ready.message)
    counted = moves.failed_check(case, (events.canary_lost(case.canary, ready.message),))
    if counted.state.phase is Phase.FAILED:
        return counted
    return _from_the_start(case, replace(counted, reason="CanaryLost", due=None))


def _from_the_start(case: Case, decision: Decision) -> Decision:
    """`decision`, with all traffic at the primary and the analysis yet to begin."""
    state, route = decision.state, decision.state.routed(ALL_TO_PRIMARY)
    phase = Phase.PROGRESSING
    state = state.moved(phase, case.now, route=route, iterations=0, check_at=None)
    return replace(decision, state=state)


def primary_unready(case: Case) -> Ruling | None:
    """No step is taken without a primary to fall back on."""
    primary = pods.primary(case)
    if primary.readiness.ready or moves.is_skipped(case):
        return None
    if not primary.readiness.retriable:
        return moves.rollback(case, "PrimaryDeadlineExceeded", (primary.event,))
    return _await_pods(case, primary)


def scaled_to_zero(case: Case) -> Ruling | None:
    """A canary that somebody else scaled to zero is scaled up again, before it has traffic."""
    is_at_zero = pods.canary(case).readiness == pods.AT_ZERO
    if not is_at_zero or waits.await_effects(case, effects.Lane.WORKLOAD):
        return None
    state = replace(case.state, workload=case.state.reworked())
    return Decision("ScalingUp", "the canary is at zero, scaling it up again", state)


def canary_unready(case: Case) -> Ruling | None:
    """A canary that is not ready gets no step, and is rolled back past its deadline."""
    waiting = waits.await_effects(case, effects.Lane.WORKLOAD)
    if waiting and not is_due(case):
        return _unscalable(case) or waiting
    canary = pods.canary(case)
    ready = canary.readiness
    if ready.ready:
        return None
    return _await_pods(case, canary) if ready.retriable else _give_up(case, ready.message)


def _await_pods(case: Case, side: pods.Side) -> Ruling | None:
    """Waits for pods; a canary with traffic is judged all the same when its check is due."""
    if is_due(case):
        return None
    has_begun = case.strategy.has_begun(case.state)
    return waits.await_pods(case, side, case.state.check_at if has_begun else None)


def _give_up(case: Case, cause: str) -> Decision:
    """The rollback of a canary past its progress deadline."""
    said = (
        events.canary_not_ready(case.canary, cause, retriable=False),
        events.deadline_exceeded(case.canary, cause),
    )
    return moves.rollback(case, "ProgressDeadlineExceeded", said)


def _unscalable(case: Case) -> Ruling | None:
    """A canary whose scaling is refused for a whole progress deadline is given up."""
    cause = case.observation.confirmed.trouble
    return _give_up(case, cause) if cause and waits.is_past_deadline(case) else None


def is_due(case: Case) -> bool:
    """Whether a canary under analysis is to be judged now, whatever its next step is short of."""
    due = case.state.check_at
    return case.strategy.has_begun(case.state) and due is not None and case.now >= due
