"""Rules that hold in every phase, asked first: is there something here to be carried out at all."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from analysis import effects, events, waiting
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.observation import Observation
from analysis.phases import RESTING, Phase
from analysis.rules import gates, moves, waits
from analysis.state import Acceptance, RolloutState, accepted, unborn
from analysis.waiting import GATES, WaitReason
from config import well_known
from config.scaling import Autoscaler, CanaryScale
from config.traffic import ALL_TO_PRIMARY, RouteIntent, RouteStage
from config.validation.problems import Problem, ProblemReason


def born(seen: Observation) -> Ruling | None:
    """A canary never seen before gets a state that asks for nothing yet."""
    if seen.state is not None:
        return None
    fresh = unborn(seen.uid, seen.generation, seen.now)
    state = replace(fresh, finalizer=seen.finalizer)
    return Decision("Discovered", f"{seen.ref} discovered", state, due=seen.now)


def acceptance(seen: Observation) -> Ruling | None:
    """What is wrong with the manifest is said once, and taken back once it is mended."""
    if seen.state is None:
        return None
    before, after = seen.state.acceptance, _acceptance(seen)
    if (before and replace(before, since=seen.now)) == after:
        return None
    known = before.message.split("\n") if before else ()
    said = tuple(
        events.warning(problem.message)
        for problem in _in_order(seen)
        if problem.message not in known
    )
    held = seen.state.waiting
    if held and held.reason is WaitReason.NOT_ACCEPTED and not seen.refusals:
        held = None
    state = replace(seen.state, acceptance=after, generation=seen.generation, waiting=held)
    message = after.message if after else "manifest accepted"
    return Decision(after.reason if after else "Accepted", message, state, said, seen.now)


def suspended(seen: Observation) -> Ruling | None:
    """A suspended canary freezes where it is; a running rollout keeps its weights.

    Hooks that were asked are asked anew when it is resumed.
    """
    if seen.state is None or seen.canary is None:
        return None
    if seen.deleting:  # what is to be undone is undone all the same
        return None
    suspend, event = seen.canary.spec.suspend, events.SUSPENDED
    if suspend == seen.state.suspended:
        return Rest() if suspend else None
    state = replace(seen.state, suspended=suspend, round=None, waiting=None)
    if suspend:
        return Decision("Suspended", event.message, state, (event,))
    return Decision("Resumed", f"{seen.ref} resumed", state, due=seen.now)


def trouble(seen: Observation) -> Ruling | None:
    """What keeps a write from succeeding is told in the words of the API server, while it does."""
    if seen.state is None:
        return None
    text, before = seen.confirmed.trouble, seen.state.trouble
    if before and not text:
        return Decision("WriteMended", text, replace(seen.state, trouble=None), due=seen.now)
    reason = waiting.WaitReason.WRITE_REFUSED
    if not text or not waiting.is_due(before, reason, text, seen.now):
        return None
    after = waiting.told(before, reason, text, seen.now)
    known = before.message.split("\n") if before and after.times == 1 else ()
    news = (events.warning(line) for line in text.split("\n") if line and line not in known)
    said = tuple(events.repeated(event, after) for event in news)
    return Decision("WriteRefused", text, replace(seen.state, trouble=after), said, seen.now)


def target_replaced(seen: Observation) -> Ruling | None:
    """Another target at rest gets a primary of its own; that of the former serves meanwhile.

    Its Services select the former's pods until the new one has some. Revisions of two workloads
    are not comparable, so nothing is remembered of the former.
    """
    state, canary = seen.state, seen.canary
    if state is None or canary is None or seen.deleting or not state.target:
        return None
    target = canary.spec.target_ref.label
    if state.target == target or state.phase not in RESTING - {Phase.PROMOTION_FAILED}:
        return None
    event = events.target_replaced(canary, state.target)
    fresh = state.moved(
        Phase.INITIALIZING,
        seen.now,
        target=target,
        applied="",
        promoted="",
        route=RouteIntent(state.route.seq + 1, RouteStage.SERVICES, ALL_TO_PRIMARY),
        workload=replace(state.worked(CanaryScale.LEAVE), seq=state.workload.seq + 1, base=""),
        copying="",
        before="",
        epilogue=False,
        check_at=None,
    )
    return Decision("TargetReplaced", event.message, fresh, (event,), seen.now)


def autoscaler_replaced(seen: Observation) -> Ruling | None:
    """An autoscaler that the canary names no more is resumed, if it is paused.

    Its twin is a remark on the manifest for as long as it is there.
    """
    state, canary = seen.state, seen.canary
    if state is None or canary is None or state.phase is Phase.NEW:
        return None
    named, former = Autoscaler.of(canary), state.autoscaler
    if named == former:
        return _freed(seen, state)
    noted = replace(state, autoscaler=named)
    if former is None:
        return Decision("AutoscalerNamed", f"{named} scales the target", noted, due=seen.now)
    freed = tuple(each for each in (*state.workload.freed, former) if each != named)
    again = replace(state.reworked(), freed=freed)
    noted = replace(noted, workload=again, intended_at=seen.now)
    return Decision("AutoscalerReplaced", f"{former} is let go", noted)


def _freed(seen: Observation, state: RolloutState) -> Ruling | None:
    """What was freed once is somebody else's business from then on."""
    confirmed = seen.confirmed
    is_late = effects.Lane.WORKLOAD in effects.outstanding(state, seen.version, confirmed)
    if not state.workload.freed or is_late or effects.Lane.WORKLOAD in confirmed.troubles:
        return None
    done = replace(state, workload=replace(state.workload, freed=()))
    return Decision("AutoscalerFreed", f"{seen.ref} has let its autoscaler go", done, due=seen.now)


def nudged(seen: Observation) -> Ruling | None:
    """A new value of `coalmine.dev/nudge` has the gate asked at once that the canary waits for.

    What was answered before counts no more: it may be older than the value. When the next check is
    due by its interval is kept.
    """
    state, canary = seen.state, seen.canary
    if state is None or canary is None:
        return None
    text = canary.metadata.annotations.get(well_known.NUDGE_ANNOTATION, "")
    mark = hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
    if mark == state.nudge:
        return None
    noted, asked = replace(state, nudge=mark), state.round
    is_asked = asked is not None and asked.type in gates.TABLE
    is_once_more = state.nudged_from is not None and state.nudged_from == state.check_at
    if is_asked or is_once_more or (state.waiting is not None and state.waiting.reason in GATES):
        soon = waits.first(state.check_at, seen.now) if state.check_at else None
        noted = replace(noted, check_at=soon, nudged_from=_unnudged(seen, state), round=None)
    return Decision("Nudged", f"{seen.ref} is looked at, as it was asked for", noted, due=seen.now)


def _unnudged(seen: Observation, state: RolloutState) -> datetime | None:
    """When the next check is due by its interval; after the one that led to a gate under way."""
    due, asked = moves.in_time(state), state.round
    is_made = asked is not None and asked.type in gates.TABLE and due == state.check_at
    return due + seen.interval if due and is_made else due


def refused(seen: Observation) -> Ruling | None:
    """A canary without any manifest that could be carried out does nothing."""
    if seen.canary is not None or seen.state is None:
        return None
    unseen = [each.message for each in seen.problems if each.reason is ProblemReason.NOT_WATCHED]
    if unseen:
        told = events.not_watched(seen.ref, unseen)
        return waits.stand_still(seen.state, seen.now, WaitReason.NOT_WATCHED, told)
    return waits.stand_still(seen.state, seen.now, WaitReason.NOT_ACCEPTED, _not_accepted(seen))


def hold(case: Case) -> Ruling | None:
    """Nothing starts under a manifest that is not accepted as it stands."""
    if not case.observation.refusals:
        return None
    unconfirmed = waits.await_effects(case, *effects.Lane)
    until = unconfirmed.until if isinstance(unconfirmed, Rest) else None
    return waits.wait(case, WaitReason.NOT_ACCEPTED, _not_accepted(case.observation), until)


def hold_exposure(case: Case) -> Ruling | None:
    """Users are not led to the primary before the manifest is mended; once they are, they stay."""
    return None if case.state.route.stage is RouteStage.EXPOSED else hold(case)


def hold_traffic(case: Case) -> Ruling | None:
    """A canary without traffic gets none, nor is one promoted that is not to be measured.

    Any other with traffic goes on being measured.
    """
    has_begun = case.strategy.has_begun(case.state)
    is_measured = has_begun and not moves.is_skipped(case)
    return None if is_measured else hold(case)


def hold_step(case: Case) -> Ruling | None:
    """A passed check earns nothing, neither a step nor the promotion; the next is made in time."""
    if not case.observation.refusals:
        return None
    return moves.hold(case, WaitReason.NOT_ACCEPTED, _not_accepted(case.observation))


def hold_promotion(case: Case) -> Ruling | None:
    """A copy to the primary that was not made yet is called off; the canary is measured again."""
    if not case.observation.refusals or not waits.await_effects(case, effects.Lane.WORKLOAD):
        return None
    if case.primary is not None and case.primary.revision == case.state.workload.promote:
        return None
    event, has_begun = _not_accepted(case.observation), case.strategy.has_begun(case.state)
    back = case.state.moved(
        Phase.PROGRESSING,
        case.now,
        workload=case.state.worked(CanaryScale.RUNNING),
        check_at=case.now + case.observation.interval if has_begun else None,
        skipped=False,
    )
    state, said = waits.tell(back, case.now, WaitReason.NOT_ACCEPTED, event)
    return Decision("PromotionHeld", event.message, state, said)


def _not_accepted(seen: Observation) -> events.Event:
    return events.not_accepted(seen.ref, (problem.message for problem in seen.refusals))


def _acceptance(seen: Observation) -> Acceptance | None:
    """What is to be said; nothing as long as there was never anything wrong."""
    if not seen.problems:
        had_remarks = seen.state is not None and seen.state.acceptance is not None
        return accepted(seen.now) if had_remarks else None
    return Acceptance(
        accepted=not seen.refusals,
        reason=(seen.refusals or seen.problems)[0].reason,
        message="\n".join(problem.message for problem in _in_order(seen)),
        since=seen.now,
    )


def _in_order(seen: Observation) -> list[Problem]:
    """What refuses the manifest first, then the remarks on it: many readers see one line."""
    return sorted(seen.problems, key=lambda problem: not problem.blocking)
