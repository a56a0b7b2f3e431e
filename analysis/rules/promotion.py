"""Rules of `PROMOTING` and `FINALISING`: the analysed revision becomes the primary's."""

from __future__ import annotations

from dataclasses import replace

from analysis import effects, events
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.phases import Phase
from analysis.rules import calling_off, moves, pods, rounds, stopping, waits
from config import meshes
from config.api.hooks import WebhookType
from config.scaling import CanaryScale
from config.traffic import ALL_TO_PRIMARY, TrafficSplit


def changed_before_copy(case: Case) -> Ruling | None:
    """A target that changes before it was copied is analysed, not promoted unseen.

    One that is gone, or is set back, ends the rollout as it would under analysis.
    """
    if _is_copied(case) or not waits.await_effects(case, effects.Lane.WORKLOAD):
        return None
    return stopping.target_gone(case) or stopping.reverted(case) or stopping.revision_changed(case)


def rollback_requested(case: Case) -> Ruling | None:
    """As long as the copy cannot be made, a rollback hook may call the promotion off."""
    due = case.state.check_at or case.state.since + case.observation.interval
    is_open = not _is_copied(case) and waits.await_effects(case, effects.Lane.WORKLOAD)
    if not is_open or case.now < due:
        return None
    called_off = calling_off.rollback_requested(case)
    if called_off:
        return called_off
    kind, asked = WebhookType.ROLLBACK, case.state.round
    asking = None if moves.is_skipped(case) else rounds.ask(case, kind)
    if isinstance(asking, Rest):  # nothing else waits for them
        return None
    if asking or asked is None or asked.type is not kind:
        return asking
    later = case.now + case.observation.interval
    state = replace(case.state, round=None, check_at=later)
    return Decision("NotCalledOff", "no rollback is requested", state, due=case.now)


def await_copy(case: Case) -> Ruling | None:
    """Nothing moves before the primary has been written.

    One that refuses to be written for a whole progress deadline still has its old revision, and
    gets all traffic back with it. A target that is gone since it was copied is not waited for.
    """
    if pods.canary(case).is_gone and _is_copied(case):
        return None
    waiting = waits.await_effects(case, effects.Lane.WORKLOAD)
    if waiting is None or not waits.is_past_deadline(case):
        return waiting
    cause = case.observation.confirmed.trouble or "progress deadline exceeded"
    return moves.rollback(case, "CopyFailed", (events.copy_failed(case.canary, cause),))


def keep_canary(case: Case) -> Ruling | None:
    """A canary that still serves, and that somebody else scaled to zero, is scaled up again."""
    return stopping.scaled_to_zero(case) if case.state.route.split.reaches_canary else None


def primary_unready(case: Case) -> Ruling | None:
    """Traffic returns to a ready primary only; one that will not be ready fails the promotion.

    The canary's own readiness is not asked: the primary has its revision already, so there is
    nothing older to roll back to.
    """
    if case.state.workload.canary is CanaryScale.ZERO:
        return None
    primary = pods.primary(case)
    ready = primary.readiness
    if ready.ready:
        return None
    if not ready.retriable:
        return moves.fail_promotion(case, ready.message)
    return waits.await_pods(case, primary)


def shift(case: Case) -> Ruling:
    """Traffic goes back to the primary, by `stepWeightPromotion` or at once without it."""
    # the first step back follows the copy at once
    due = None if case.state.copying else case.state.check_at
    if due is not None and case.now < due:
        return Rest(due)
    waiting = waits.await_effects(case, effects.Lane.ROUTE) if due else None
    if waiting:
        return waiting
    split, said = _step_back(case)
    message = events.summary(said) or "the primary has all traffic"
    done = not split.reaches_canary
    due = None if done else case.now + case.observation.interval
    state = case.state.moved(
        Phase.FINALISING if done else Phase.PROMOTING,
        case.now,
        route=case.state.routed(split),
        check_at=due,
        copying="",
    )
    return Decision("TrafficReturned", message, state, said, due)


def await_route(case: Case) -> Ruling | None:
    """The rollout is not over before all traffic is on the primary."""
    return waits.await_no_traffic(case)


def succeeded(case: Case) -> Ruling:
    """The rollout is over; the analysed revision is the promoted one, the canary is scaled down.

    That is told after the answers of the last hooks, if there are any.
    """
    is_told_later = moves.has_epilogue(case)
    state = case.state.moved(
        Phase.SUCCEEDED,
        case.now,
        workload=case.state.worked(CanaryScale.ZERO, promote=case.state.applied),
        promoted=case.state.applied,
        promoted_at=case.now,
        before=_before(case),
        copying="",
        iterations=0,
        check_at=None,
        epilogue=is_told_later,
    )
    said = () if is_told_later else (moves.completed(case),)
    return Decision("Succeeded", "promotion finished", state, said, case.now)


def _before(case: Case) -> str:
    """The revision that was promoted before the one that is, now that it is."""
    is_same = case.state.promoted == case.state.applied
    return case.state.before if is_same else case.state.promoted


def _is_copied(case: Case) -> bool:
    """Whether the primary has the revision that it is to be given."""
    primary = case.primary
    return primary is not None and primary.revision == case.state.workload.promote


def _step_back(case: Case) -> tuple[TrafficSplit, tuple[events.Event, ...]]:
    """The split of the next step back, the last of which leads nobody to the canary, and its event.

    A revision that was not analysed never had any traffic; without a mesh none has.
    """
    step, split = case.canary.spec.analysis.step_weight_promotion, case.state.route.split
    if not meshes.has_routes(case.canary.spec.provider):
        return ALL_TO_PRIMARY, ()
    if case.state.skipped or not step:
        return ALL_TO_PRIMARY, (events.TO_PRIMARY,)
    left = max(split.canary - step, 0)
    after = split.weighing(left) if left else ALL_TO_PRIMARY
    return after, (events.advance_primary(case.canary, after.primary),)
