"""Rules of an analysis that nothing has stopped: measure, then take one step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analysis import cadence, effects, events, verdicts
from analysis.decisions import AskChecks, Case, Decision, Rest, Ruling
from analysis.phases import Phase
from analysis.rules import calling_off, gates, moves, pods, resting, rounds, steps, stopping, waits
from analysis.strategies import Step
from analysis.waiting import WaitReason
from config import derived, durations
from config.api.hooks import WebhookType
from config.scaling import CanaryScale


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
    waiting = waits.await_effects(case, effects.Lane.ROUTE)
    live = case.observation.in_force
    if live is not None and live.reaches_canary and stopping.is_due(case):
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
        return moves.failed_look(case, said)
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
    asking = calling_off.ask(case, WebhookType.ROLLOUT)
    if asking:
        return asking
    refused = [result for result in rounds.answers(case, WebhookType.ROLLOUT) if not result.ok]
    return moves.failed_look(case, rounds.told(case, refused)) if refused else None


def halt_on_check(case: Case) -> Ruling | None:
    """A failing check costs a failed check, an undecided one holds; each says its numbers."""
    if case.findings.checks is None:
        return AskChecks() if case.canary.spec.analysis.metrics else None
    bad = [result for result in case.findings.checks if result.effect is not verdicts.Effect.PASSES]
    said = tuple(events.warning(result.message) for result in bad)
    if any(result.effect is verdicts.Effect.COUNTS for result in bad):
        return moves.failed_look(case, said)
    return moves.hold(case, WaitReason.CHECKS_UNDECIDED, *said) if bad else None


def hold_for_pods(case: Case) -> Ruling | None:
    """A passed check earns nothing while pods are missing on either side."""
    unready = pods.unready(case)
    return moves.hold(case, unready[0].reason, unready[0].event) if unready else None


def hold_for_route(case: Case) -> Ruling | None:
    """No step follows a step that is not in force, nor a scale that is not.

    Nor one that was in force, and has been undone by somebody else, which is told.
    """
    waiting = waits.await_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD)
    is_refused = effects.Lane.ROUTE in case.observation.confirmed.troubles
    if waiting is None and not is_refused and not _gets_less(case):
        return None
    message = f"the split {case.state.route.split} is not in force yet"
    late = waits.late_effects(case, effects.Lane.ROUTE, effects.Lane.WORKLOAD)
    if waiting is None and not is_refused:  # a refusal is told where it was met
        late = events.not_applied(case.canary, effects.Lane.ROUTE)
    reason = WaitReason.NOT_APPLIED
    state, said = moves.told(case, reason, late) if late else (case.state, ())
    state = replace(state, check_at=moves.next_check(case), round=rounds.kept(case))
    return Decision("RouteNotInForce", message, state, said, case.now + effects.REPAIR)


def _gets_less(case: Case) -> bool:
    """Whether the canary is seen to get less than its step."""
    live = case.observation.in_force
    return live is not None and live.canary < case.state.route.split.canary


def look_longer(case: Case) -> Ruling | None:
    """A passed check earns nothing before the step has lasted as long as `stepDurations` says."""
    ends = steps.ends(case)
    if ends is None or case.now >= ends:
        return None
    due = moves.next_check(case)
    failed = case.state.failed_checks if moves.is_early(case) else moves.failed_after_pass(case)
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
    return closed or _step(case, step, moves.check_after_step(case), gates.passed(case))


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
