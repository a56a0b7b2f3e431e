"""Rules of `PROGRESSING`: look for reasons to stop, then measure, then take one step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analysis import cadence, effects, events, verdicts
from analysis.decisions import AskChecks, Case, Decision, Outcome, Rest
from analysis.phases import Phase
from analysis.rules import moves, pods
from analysis.strategies import Step
from analysis.waiting import Reason
from config.api.analysis import ThresholdMode
from config.api.hooks import WebhookType
from config.scaling import CanaryScale
from config.traffic import ALL_TO_PRIMARY
from config.validation.problems import ProblemReason


def target_gone(case: Case) -> Outcome | None:
    """A deleted target takes its traffic with it, so traffic leaves at once."""
    if not pods.canary(case).is_gone:
        return None
    return moves.rollback(case, "TargetNotFound", (events.target_gone(case.canary),))


def called_off(case: Case) -> Outcome | None:
    """Another target, name or provider calls the rollout off: it leads traffic by the former."""
    moved = [each for each in case.observation.refusals if each.reason is ProblemReason.IN_ROLLOUT]
    if not moved:
        return None
    event = events.called_off(case.canary, moved[0].message)
    return moves.rollback(case, "CalledOff", (event,))


def reverted(case: Case) -> Outcome | None:
    """A target set back to the promoted revision calls the rollout off."""
    target, primary = case.target, case.primary
    stable = {case.state.promoted, primary.revision if primary else case.state.promoted}
    if target is None or target.revision == case.state.applied or target.revision not in stable:
        return None
    return moves.rollback(case, "Reverted", (events.reverted(case.canary),))


def revision_changed(case: Case) -> Outcome | None:
    """A newer revision restarts the analysis from zero traffic."""
    target = case.target
    if target is None or target.revision == case.state.applied:
        return None
    event, skipped = events.restarting(case.canary), case.state.skipped
    return moves.start(case, "RevisionChanged", event, target.revision, skipped=skipped)


def crashed(case: Case) -> Outcome | None:
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
        if moves.await_effects(case, effects.Lane.WORKLOAD):
            event = events.canary_lost(case.canary, ready.message)
            return _from_the_start(Decision("CanaryLost", event.message, case.state, (event,)))
        return moves.rollback(case, "ScaledToZero", (canary.event,))
    if not ready.retriable:
        return _give_up(case, ready.message)
    counted = moves.failed_check(case, (events.canary_lost(case.canary, ready.message),))
    if counted.state.phase is Phase.FAILED:
        return counted
    return _from_the_start(replace(counted, reason="CanaryLost", due=None))


def _from_the_start(decision: Decision) -> Decision:
    """`decision`, with all traffic at the primary and the analysis yet to begin."""
    state = decision.state
    state = replace(state, route=state.routed(ALL_TO_PRIMARY), iterations=0, check_at=None)
    return replace(decision, state=state)


def primary_unready(case: Case) -> Outcome | None:
    """No step is taken without a primary to fall back on."""
    primary = pods.primary(case)
    if primary.readiness.ready or case.canary.spec.skip_analysis:
        return None
    if not primary.readiness.retriable:
        return moves.rollback(case, "PrimaryDeadlineExceeded", (primary.event,))
    return _await_pods(case, primary)


def scaled_to_zero(case: Case) -> Outcome | None:
    """A canary that somebody else scaled to zero is scaled up again, before it has traffic."""
    is_at_zero = pods.canary(case).readiness == pods.AT_ZERO
    if not is_at_zero or moves.await_effects(case, effects.Lane.WORKLOAD):
        return None
    state = replace(case.state, workload=case.state.reworked())
    return Decision("ScalingUp", "the canary is at zero, scaling it up again", state)


def canary_unready(case: Case) -> Outcome | None:
    """A canary that is not ready gets no step, and is rolled back past its deadline."""
    waiting = moves.await_effects(case, effects.Lane.WORKLOAD)
    if waiting and not _is_due(case):
        return _unscalable(case) or waiting
    canary = pods.canary(case)
    ready = canary.readiness
    if ready.ready:
        return None
    return _await_pods(case, canary) if ready.retriable else _give_up(case, ready.message)


def _await_pods(case: Case, side: pods.Side) -> Outcome | None:
    """Waits for pods; a canary with traffic is judged all the same when its check is due."""
    if _is_due(case):
        return None
    has_begun = case.strategy.has_begun(case.state)
    return moves.await_pods(case, side, case.state.check_at if has_begun else None)


def _is_due(case: Case) -> bool:
    """Whether a canary under analysis is to be judged now, whatever its next step is short of."""
    due = case.state.check_at
    return case.strategy.has_begun(case.state) and due is not None and case.now >= due


def _give_up(case: Case, cause: str) -> Decision:
    """The rollback of a canary past its progress deadline."""
    said = (
        events.canary_not_ready(case.canary, cause),
        events.deadline_exceeded(case.canary, cause),
    )
    return moves.rollback(case, "ProgressDeadlineExceeded", said)


def _unscalable(case: Case) -> Outcome | None:
    """A canary whose scaling is refused for a whole progress deadline is given up."""
    cause = case.observation.confirmed.trouble
    return _give_up(case, cause) if cause and moves.is_past_deadline(case) else None


def skip_analysis(case: Case) -> Outcome | None:
    """With skipAnalysis a ready canary is promoted as it is."""
    is_ready = pods.canary(case).readiness.ready
    return _promote(case, skipped=True) if is_ready and case.canary.spec.skip_analysis else None


def route_not_in_force(case: Case) -> Outcome | None:
    """Nothing is measured before the traffic has moved.

    Unless the canary has traffic from before and its check is due: a route that cannot be written
    must not keep a bad canary from being found out.
    """
    waiting = moves.await_effects(case, effects.Lane.ROUTE)
    live = case.observation.in_force
    if live is not None and live.reaches_canary and _is_due(case):
        return None
    return waiting


def first_step(case: Case) -> Outcome | None:
    """The ready canary is taken its first step when the pre-rollout hooks agree."""
    if case.strategy.has_begun(case.state):
        return None
    if case.state.check_at is not None and case.now < case.state.check_at:
        return Rest(case.state.check_at)
    asking = moves.ask_hooks(case, WebhookType.PRE_ROLLOUT)
    if asking:
        return asking
    results = moves.answers(case, WebhookType.PRE_ROLLOUT)
    said = (events.starting_analysis(case.canary), *moves.hook_events(case, results))
    if not all(result.ok for result in results):
        return moves.failed_check(case, said)
    step = case.strategy.next_step(case.canary, case.state)
    if step is None:
        return Rest()
    due = cadence.first_check(case.now, case.observation.interval)
    return _step(case, step, due, said)


def not_due(case: Case) -> Outcome | None:
    """The split in force is given its interval before it is judged."""
    due, since = case.state.check_at, case.observation.confirmed.route_at
    if due is None:
        return None
    if since is not None:
        due = cadence.measurable_at(due, since, case.observation.interval)
    return Rest(due) if case.now < due else None


def halt_on_hook(case: Case) -> Outcome | None:
    """A refusing rollout hook is a failed check; metrics are not even asked."""
    asking = moves.ask_hooks(case, WebhookType.ROLLOUT)
    if asking:
        return asking
    refused = [result for result in moves.answers(case, WebhookType.ROLLOUT) if not result.ok]
    return moves.failed_check(case, moves.hook_events(case, refused)) if refused else None


def halt_on_check(case: Case) -> Outcome | None:
    """A failing check costs a failed check, an undecided one holds; each says its numbers."""
    if case.findings.checks is None:
        return AskChecks() if case.canary.spec.analysis.metrics else None
    bad = [result for result in case.findings.checks if result.effect is not verdicts.Effect.PASSES]
    said = tuple(events.warning(result.message) for result in bad)
    if any(result.effect is verdicts.Effect.COUNTS for result in bad):
        return moves.failed_check(case, said)
    return moves.hold(case, Reason.CHECKS_UNDECIDED, *said) if bad else None


def hold_for_pods(case: Case) -> Outcome | None:
    """A passed check earns nothing while pods are missing on either side."""
    unready = pods.unready(case)
    return moves.hold(case, unready[0].reason, unready[0].event) if unready else None


def hold_for_route(case: Case) -> Outcome | None:
    """No step follows a step that is not in force, nor a scale that is not."""
    if moves.await_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD) is None:
        return None
    state = replace(case.state, check_at=moves.next_check(case), round=None)
    message = f"the split {case.state.route.split} is not in force yet"
    late = moves.late_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD)
    state, said = moves.tell(state, case.now, Reason.NOT_APPLIED, late) if late else (state, ())
    return Decision("RouteNotInForce", message, state, said, case.now + effects.REPAIR)


def advance(case: Case) -> Outcome | None:
    """A passed check earns the next step."""
    step = case.strategy.next_step(case.canary, case.state)
    return None if step is None else _step(case, step, moves.next_check(case), ())


def promote(case: Case) -> Outcome:
    """A passed check after the last step earns the promotion."""
    return _promote(case, skipped=False)


def _step(case: Case, step: Step, due: datetime, said: tuple[events.Event, ...]) -> Decision:
    consecutive = case.canary.spec.analysis.threshold_mode is ThresholdMode.CONSECUTIVE
    state = replace(
        case.state,
        route=case.state.routed(step.split),
        iterations=step.iterations,
        failed_checks=0 if consecutive else case.state.failed_checks,
        check_at=due,
        round=None,
        waiting=None,
    )
    return Decision("Advanced", events.summary(step.events), state, (*said, *step.events), due)


def _promote(case: Case, *, skipped: bool) -> Decision:
    """The primary is to be given the revision that was analysed, and no other."""
    event = events.copying(case.canary)
    state = case.state.moved(
        Phase.PROMOTING,
        case.now,
        workload=case.state.worked(CanaryScale.RUNNING, promote=case.state.applied),
        copying=case.state.applied,
        check_at=None,
        skipped=skipped,
    )
    return Decision("Promoting", event.message, state, (event,))
