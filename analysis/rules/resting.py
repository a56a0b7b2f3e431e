"""Rules of the phases in which nothing happens until the world changes."""

from __future__ import annotations

from dataclasses import replace

from analysis import effects, events
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.phases import Phase
from analysis.rules import gates, moves, pods, rounds, waits
from analysis.waiting import ON_THE_WAY, WaitReason
from config import derived
from config.api.hooks import WebhookType
from config.api.references import TargetKind
from config.scaling import CanaryScale
from config.traffic import ALL_TO_PRIMARY


def park_canary(case: Case) -> Ruling | None:
    """A canary that was rolled back, or is not known to be at zero, goes there without traffic.

    None may be on its way to it either: a weight that was being written when the state was lost.
    A route that cannot be written for a whole progress deadline does not keep it alive.
    """
    if case.state.workload.canary is CanaryScale.ZERO:
        return None
    unsure = waits.await_certainty(case)
    if unsure:
        return unsure
    waiting = waits.await_no_traffic(case)
    if waiting and not waits.is_past_deadline(case):
        return waiting
    said = (events.route_unwritable(case.canary),) if waiting else ()
    state = replace(case.state, workload=case.state.worked(CanaryScale.ZERO))
    return Decision("ScalingDown", "scaling down the canary", state, said, case.now)


def epilogue(case: Case) -> Ruling | None:
    """The hooks of an ended rollout are called and their answers told; then its last event.

    They decide nothing, so what is to be done next waits for them no longer than an interval.
    """
    if not case.state.epilogue:
        return None
    kind = WebhookType.POST_ROLLOUT
    asking = rounds.ask(case, kind)
    asked = case.state.round
    if isinstance(asking, Rest) and asked is not None and _is_awaited(case):
        until = min(asking.until or asked.asked, asked.asked + case.observation.interval)
        if case.now < until:
            return Rest(until)
    elif asking:
        return asking
    said = rounds.told(case, rounds.answers(case, kind))
    said = (events.hooks_lost(case.canary, kind.value),) if asking else said
    state = replace(case.state, epilogue=False, round=None)
    if case.state.phase is Phase.SUCCEEDED:
        said = (*said, moves.completed(case))
    return Decision("RolloutEnded", "the rollout has ended", state, said, case.now)


def _is_awaited(case: Case) -> bool:
    """Whether a release, or a primary that is to be mended, waits for the last rollout's end."""
    target, known = case.target, (case.state.promoted, case.state.applied)
    is_released = target is not None and target.revision not in known
    return is_released or case.state.phase is Phase.PROMOTION_FAILED


def copied_after_all(case: Case) -> Ruling | None:
    """A copy that was under way when its promotion was called off is what the primary runs now."""
    primary, copying = case.primary, case.state.copying
    if not copying or primary is None or primary.revision != copying:
        return None
    state = replace(case.state, promoted=copying, copying="")
    return Decision("CopiedAfterAll", "the primary has been given its copy", state)


def settle(case: Case) -> Ruling | None:
    """A target that equals its primary is not a change, whatever was remembered of either.

    Covers a target set back after a failure (so that the failed revision, applied once more, is
    new again) and revisions noted by another controller or in an older format.
    """
    target, primary = case.target, case.primary
    if target is None or primary is None or target.revision != primary.revision:
        return None
    if case.state.applied == case.state.promoted == primary.revision:
        return None
    state = replace(case.state, applied=primary.revision, promoted=primary.revision)
    return Decision("Settled", "the target equals its primary", state)


def await_configs(case: Case) -> Ruling | None:
    """Nothing starts as long as it is not known what the pods would run with."""
    cause = case.observation.unknown_configs
    if not cause:
        return None
    return waits.wait(case, WaitReason.CONFIGS_UNKNOWN, events.configs_unknown(case.canary, cause))


def restore_configs(case: Case) -> Ruling | None:
    """Copies of configs that were deleted or edited are made anew, where the originals are as then.

    Pods of a primary without them start no more. Whoever changes them again is answered no faster
    than others who undo what we write.
    """
    target, primary, state = case.target, case.primary, case.state
    if target is None or primary is None or target.revision != state.promoted:
        return None
    if primary.revision == state.promoted or primary.configs == target.configs:
        return None
    again = (state.intended_at or state.since) + effects.RETRY
    waiting = waits.await_effects(case, effects.Lane.WORKLOAD)
    if waiting or case.now < again:
        return waiting or Rest(again, waits=True)
    promote = replace(state.reworked(), promote=state.promoted)
    event = events.configs_lost(case.canary)
    after, said = waits.tell(
        replace(state, workload=promote), case.now, WaitReason.CONFIGS_LOST, event
    )
    return Decision("ConfigsLost", event.message, after, said)


def new_revision(case: Case) -> Ruling | None:
    """A changed target starts a rollout, once its gate is open and there is a primary to go by.

    One that is not to be analysed needs none that is ready: it mends a primary that is down. One
    that is gone is made anew first, from the revision it had.
    """
    revision, side = moves.released(case), pods.primary(case)
    if not revision:
        return None
    is_known = _was_promoted_before(case, revision)
    is_mending = (is_known or case.canary.spec.skip_analysis) and not side.is_gone
    if not (side.readiness.ready or is_mending):
        return waits.await_pods(case, side)
    closed = gates.approval(case, revision)
    if closed:
        return closed
    known = (events.known_revision(case.canary),) if is_known else ()
    said = (*gates.approved(case, revision), *known, events.new_revision(case.canary))
    return moves.start(case, "NewRevision", said, revision, skipped=is_known)


def _was_promoted_before(case: Case, revision: str) -> bool:
    """Whether the target is set back to the revision before, within `rollbackWindow`."""
    window, since = derived.rollback_window(case.canary), case.state.promoted_at
    if window is None or since is None or revision != case.state.before:
        return False
    return case.now < since + window


def restore_primary(case: Case) -> Ruling | None:
    """A primary that was deleted is made anew, from a revision it had or was to get and no other.

    While it is being initialized it had none, and any will do.
    """
    target = case.target
    known = {case.state.promoted, case.state.workload.promote}
    if target is None or not pods.primary(case).is_gone:
        return None
    if case.state.promoted and target.revision not in known:
        return None
    waiting = waits.await_effects(case, effects.Lane.WORKLOAD)
    if waiting:
        return waiting
    state = replace(case.state, workload=case.state.reworked())
    event = events.primary_restored(case.canary)
    return Decision("PrimaryLost", event.message, state, (event,))


def target_runs(case: Case) -> Ruling | None:
    """A target that somebody scaled up is left as it is, as in Flagger, and told of.

    Whoever applies its replicas again and again would win.
    """
    target, state = case.target, case.state
    is_scalable = case.canary.spec.target_ref.kind is not TargetKind.SERVICE
    if target is None or not (target.replicas and is_scalable):
        return None
    scaled = state.workload.canary is CanaryScale.ZERO and state.intended_at
    if not scaled or waits.await_effects(case, effects.Lane.WORKLOAD):
        return None
    unconfirmed = waits.await_effects(case, *effects.Lane)
    until = unconfirmed.until if isinstance(unconfirmed, Rest) else None
    quiet = scaled + ON_THE_WAY
    if case.now < quiet:
        return Rest(waits.first(until, quiet))
    return waits.wait(case, WaitReason.TARGET_RUNS, events.target_runs(case.canary), until)


def at_rest(case: Case) -> Ruling:
    """Nothing to do, except to ask again for what was never confirmed."""
    return waits.await_effects(case, *effects.Lane) or Rest()


def primary_recovered(case: Case) -> Ruling | None:
    """The primary came up after all with the good revision: the promotion is completed."""
    if waits.await_effects(case, effects.Lane.WORKLOAD):
        return None
    primary = case.primary
    if primary is None or not pods.primary(case).readiness.ready:
        return None
    if primary.revision != case.state.workload.promote:
        return None
    state = case.state.moved(Phase.FINALISING, case.now, route=case.state.routed(ALL_TO_PRIMARY))
    said = (events.TO_PRIMARY,)
    return Decision("PrimaryRecovered", events.TO_PRIMARY.message, state, said)


def repair_primary(case: Case) -> Ruling | None:
    """A change while the canary serves everything goes to the dead primary, never traffic to it.

    The change is live already, since it was made to the workload that serves; what can be saved
    is the way back to a primary. One that does not come up is not copied.
    """
    target = case.target
    if target is None or target.revision == case.state.applied:
        return None
    if not pods.canary(case).readiness.ready:
        return None
    state = replace(
        case.state,
        applied=target.revision,
        workload=case.state.worked(CanaryScale.RUNNING, promote=target.revision),
    )
    event = events.copying(case.canary)
    return Decision("RepairingPrimary", event.message, state, (event,))
