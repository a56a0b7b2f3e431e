"""Rules of an analysis: look for reasons to stop, then measure, then take one step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analysis import cadence, effects, events, verdicts
from analysis.decisions import AskChecks, Case, Decision, Rest, Ruling
from analysis.phases import Phase
from analysis.rules import gates, moves, pods, resting, rounds, steps
from analysis.strategies import Step
from analysis.waiting import WaitReason
from config import derived, durations
from config.api.hooks import WebhookType
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
    waiting = moves.await_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD)
    if waiting:
        return waiting
    if case.state.workload.canary is CanaryScale.RUNNING:
        reached = moves.await_certainty(case) or moves.await_no_traffic(case)
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
        if moves.await_effects(case, effects.Lane.WORKLOAD):
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
    if not is_at_zero or moves.await_effects(case, effects.Lane.WORKLOAD):
        return None
    state = replace(case.state, workload=case.state.reworked())
    return Decision("ScalingUp", "the canary is at zero, scaling it up again", state)


def canary_unready(case: Case) -> Ruling | None:
    """A canary that is not ready gets no step, and is rolled back past its deadline."""
    waiting = moves.await_effects(case, effects.Lane.WORKLOAD)
    if waiting and not _is_due(case):
        return _unscalable(case) or waiting
    canary = pods.canary(case)
    ready = canary.readiness
    if ready.ready:
        return None
    return _await_pods(case, canary) if ready.retriable else _give_up(case, ready.message)


def _await_pods(case: Case, side: pods.Side) -> Ruling | None:
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
        events.canary_not_ready(case.canary, cause, retriable=False),
        events.deadline_exceeded(case.canary, cause),
    )
    return moves.rollback(case, "ProgressDeadlineExceeded", said)


def _unscalable(case: Case) -> Ruling | None:
    """A canary whose scaling is refused for a whole progress deadline is given up."""
    cause = case.observation.confirmed.trouble
    return _give_up(case, cause) if cause and moves.is_past_deadline(case) else None


def skip_analysis(case: Case) -> Ruling | None:
    """With skipAnalysis, or back at the revision before, a ready canary is promoted as it is."""
    if not (pods.canary(case).readiness.ready and moves.is_skipped(case)):
        return None
    return resting.await_configs(case) or _promote(case, skipped=True)


def route_not_in_force(case: Case) -> Ruling | None:
    """Nothing is measured before the traffic has moved.

    Unless the canary has traffic from before and its check is due: a route that cannot be written
    must not keep a bad canary from being found out.
    """
    waiting = moves.await_effects(case, effects.Lane.ROUTE)
    live = case.observation.in_force
    if live is not None and live.reaches_canary and _is_due(case):
        return None
    return waiting


def warm_up(case: Case) -> Ruling | None:
    """A canary that is ready runs for `initialDelay` before anything is asked about it."""
    delay = derived.initial_delay(case.canary)
    is_new = case.state.check_at is None and not case.strategy.has_begun(case.state)
    if delay is None or not is_new:
        return None
    due = case.now + delay
    message = f"ready; its first step comes in {durations.format_go(delay)}"
    return Decision("WarmingUp", message, replace(case.state, check_at=due), due=due)


def not_due(case: Case) -> Ruling | None:
    """The split in force is given its interval before it is judged."""
    return None if moves.is_due(case) else Rest(moves.due_at(case))


def first_step(case: Case) -> Ruling | None:
    """The ready canary is taken its first step when the hooks before it agree."""
    if case.strategy.has_begun(case.state):
        return None
    kind, is_told = WebhookType.PRE_ROLLOUT, gates.is_asked(case) or gates.is_closed(case)
    silent = rounds.told(case, rounds.answers(case, WebhookType.ROLLBACK))
    asking = rounds.ask(case, kind, said=() if is_told else silent)
    if asking:
        return asking
    results = rounds.answers(case, kind)
    said = (*silent, events.starting_analysis(case.canary), *rounds.told(case, results))
    if not all(result.ok for result in results):
        return moves.failed_check(case, said)
    step = case.strategy.next_step(case.canary, case.state)
    if step is None:
        return Rest()
    said = () if is_told else said
    asking = gates.increase(case, said)
    if asking:
        return asking
    due = cadence.first_check(case.now, case.observation.interval)
    return _step(case, step, due, (*said, *gates.passed(case)))


def halt_on_hook(case: Case) -> Ruling | None:
    """A refusing rollout hook is a failed check; metrics are not even asked."""
    asking = rounds.ask(case, WebhookType.ROLLOUT)
    if asking:
        return asking
    refused = [result for result in rounds.answers(case, WebhookType.ROLLOUT) if not result.ok]
    return moves.failed_check(case, rounds.told(case, refused)) if refused else None


def halt_on_check(case: Case) -> Ruling | None:
    """A failing check costs a failed check, an undecided one holds; each says its numbers."""
    if case.findings.checks is None:
        return AskChecks() if case.canary.spec.analysis.metrics else None
    bad = [result for result in case.findings.checks if result.effect is not verdicts.Effect.PASSES]
    said = tuple(events.warning(result.message) for result in bad)
    if any(result.effect is verdicts.Effect.COUNTS for result in bad):
        return moves.failed_check(case, said)
    return moves.hold(case, WaitReason.CHECKS_UNDECIDED, *said) if bad else None


def hold_for_pods(case: Case) -> Ruling | None:
    """A passed check earns nothing while pods are missing on either side."""
    unready = pods.unready(case)
    return moves.hold(case, unready[0].reason, unready[0].event) if unready else None


def hold_for_route(case: Case) -> Ruling | None:
    """No step follows a step that is not in force, nor a scale that is not."""
    if moves.await_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD) is None:
        return None
    state = replace(case.state, check_at=moves.next_check(case), round=None)
    message = f"the split {case.state.route.split} is not in force yet"
    late = moves.late_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD)
    state, said = moves.tell(state, case.now, WaitReason.NOT_APPLIED, late) if late else (state, ())
    return Decision("RouteNotInForce", message, state, said, case.now + effects.REPAIR)


def look_longer(case: Case) -> Ruling | None:
    """A passed check earns nothing before the step has lasted as long as `stepDurations` says."""
    ends = steps.ends(case)
    if ends is None or case.now >= ends:
        return None
    due = moves.next_check(case)
    failed = moves.failed_after_pass(case)
    state = replace(case.state, failed_checks=failed, check_at=due, round=None)
    return Decision("LookedAtLonger", "the step is looked at for longer", state, due=due)


def confirm_increase(case: Case) -> Ruling | None:
    """No step, and no promotion, before the gate of traffic opens; the canary is measured on."""
    return gates.increase(case)


def advance(case: Case) -> Ruling | None:
    """A passed check earns the next step."""
    step = case.strategy.next_step(case.canary, case.state)
    if step is None:
        return None
    closed = gates.promotion(case) if step.needs_approval else None
    return closed or _step(case, step, moves.next_check(case), gates.passed(case))


def confirm_promotion(case: Case) -> Ruling | None:
    """No promotion before its gate opens; the canary keeps its traffic and is measured on."""
    return gates.promotion(case)


def hold_for_configs(case: Case) -> Ruling | None:
    """What is promoted is known, in every part; until then the canary is measured on."""
    cause = case.observation.unknown_configs
    if not cause:
        return None
    return moves.hold(case, WaitReason.CONFIGS_UNKNOWN, events.configs_unknown(case.canary, cause))


def promote(case: Case) -> Ruling:
    """A passed check after the last step earns the promotion."""
    return _promote(case, skipped=False)


def _step(case: Case, step: Step, due: datetime, said: tuple[events.Event, ...]) -> Decision:
    state = case.state.moved(
        Phase.PROGRESSING,
        case.now,
        route=case.state.routed(step.split),
        iterations=step.iterations,
        failed_checks=moves.failed_after_pass(case),
        check_at=due,
        stepped_at=case.now,
    )
    return Decision("Advanced", events.summary(step.events), state, (*said, *step.events), due)


def _promote(case: Case, *, skipped: bool) -> Decision:
    """The primary is to be given the revision that was analysed, and no other."""
    event = events.copying(case.canary)
    said = () if skipped else gates.passed(case)
    state = case.state.moved(
        Phase.PROMOTING,
        case.now,
        workload=case.state.worked(CanaryScale.RUNNING, promote=case.state.applied),
        copying=case.state.applied,
        check_at=None,
        skipped=skipped,
    )
    return Decision("Promoting", event.message, state, (*said, event))
