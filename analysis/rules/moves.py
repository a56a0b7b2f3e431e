"""Decisions that several phases share: waiting, starting, rolling back, failing a promotion."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from analysis import cadence, effects, events, hooks, urgency, waiting
from analysis.decisions import AskBackends, AskChecks, Case, Decision, Rest, Ruling
from analysis.events import Event
from analysis.phases import Phase
from analysis.rules import pods
from analysis.state import RolloutState
from config import derived
from config.api.analysis import ThresholdMode
from config.api.hooks import WebhookType
from config.ranks import Rank
from config.scaling import CanaryScale
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY


def wait(
    case: Case, reason: waiting.WaitReason, event: Event, until: datetime | None = None
) -> Decision | Rest:
    """Rest until `until`, saying why: see `stand_still`.

    Hooks that have answered meanwhile are asked anew after the wait, since they spoke before it.
    """
    asks_anew = bool(case.findings.hooks) and case.state.round is not None
    return stand_still(case.state, case.now, reason, event, until, asks_anew=asks_anew)


def stand_still(
    state: RolloutState,
    now: datetime,
    reason: waiting.WaitReason,
    event: Event,
    until: datetime | None = None,
    *,
    asks_anew: bool = False,
) -> Decision | Rest:
    """Rest until `until`, and tell why: at once, and again for as long as it lasts."""
    after, said = tell(state, now, reason, event)
    due = first(until, after.waiting.told_again_at if after.waiting else None)
    if not said and not asks_anew:
        return Rest(due, waits=True)
    after = replace(after, round=None) if asks_anew else after
    return Decision("Waiting", event.message, after, said, due)


def tell(
    state: RolloutState, now: datetime, reason: waiting.WaitReason, *causes: Event
) -> tuple[RolloutState, tuple[Event, ...]]:
    """`state` as one that waits for `reason`, and what is to be told of it now, if anything."""
    message = events.summary(causes)
    if not waiting.is_due(state.waiting, reason, message, now):
        return state, ()
    wait = waiting.told(state.waiting, reason, message, now)
    return replace(state, waiting=wait), tuple(events.repeated(event, wait) for event in causes)


def first(*moments: datetime | None) -> datetime | None:
    """The earliest of `moments`; None when all of them are None."""
    return min((moment for moment in moments if moment is not None), default=None)


def by(ruling: Ruling, latest: datetime | None) -> Ruling:
    """`ruling` with the next look at `latest` at the latest; a question is asked all the same."""
    match ruling:
        case Decision(due=due):
            return replace(ruling, due=first(due, latest))
        case Rest(until=until):
            return replace(ruling, until=first(until, latest))
        case AskChecks() | AskBackends():
            return ruling
        case _:
            assert_never(ruling)


def await_pods(case: Case, side: pods.Side, until: datetime | None = None) -> Decision | Rest:
    """Rest, saying why, until `side` runs out of its deadline, and not beyond `until`.

    Nothing is said of pods as long as they are on their way.
    """
    until, quiet = first(side.patience, until), pods.on_their_way_until(case, side)
    if quiet is not None:
        return Rest(first(until, quiet))
    return wait(case, side.reason, side.event, until)


def await_effects(case: Case, *lanes: effects.Lane) -> Decision | Rest | None:
    """Rest, and ask again soon, while effects of these `lanes` are not confirmed."""
    seen = case.observation
    missing = effects.outstanding(case.state, seen.version, seen.confirmed) & set(lanes)
    if not missing:
        return None
    pause = effects.RETRY if missing <= seen.confirmed.refused else _repair(case, missing)
    late = late_effects(case, *missing)
    until = case.now + pause
    return wait(case, waiting.WaitReason.NOT_APPLIED, late, until) if late else Rest(until)


def await_certainty(case: Case) -> Rest | None:
    """Rest while a request from before the state was lost may still be carried out."""
    until = case.state.unsure_until
    return Rest(until) if until is not None and case.now < until else None


def await_no_traffic(case: Case) -> Decision | Rest | None:
    """Rest while requests may reach a canary that is to have none.

    That is while its route is not confirmed, and while it is seen to lead there all the same: what
    somebody else wrote is put right, but not waited for longer than a progress deadline.
    """
    waiting, live = await_effects(case, effects.Lane.ROUTE), case.observation.in_force
    if waiting or live is None or not live.reaches_canary or is_past_deadline(case):
        return waiting
    return Rest(case.now + effects.REPAIR)


def _repair(case: Case, missing: Collection[effects.Lane]) -> timedelta:
    """How soon effects that are not confirmed are asked for again.

    Where no requests depend on them, the later the longer they have been wanted: if many wait for
    their turn, each further message would only make the queue longer.
    """
    since = case.state.intended_at
    if since is None or urgency.rank(case.state, missing) <= Rank.CHECK:
        return effects.REPAIR
    return min(max(effects.REPAIR, case.now - since), effects.RETRY)


def late_effects(case: Case, *lanes: effects.Lane) -> Event | None:
    """What to tell of effects that nobody has brought about in time, and nobody has refused."""
    seen, since = case.observation, case.state.intended_at
    late = effects.outstanding(case.state, seen.version, seen.confirmed) & set(lanes)
    late -= {effects.Lane.STATUS}
    if not late or seen.confirmed.trouble or since is None or case.now < since + effects.LATE:
        return None
    return events.not_applied(case.canary, " and ".join(sorted(late)))


def released(case: Case) -> str:
    """The revision of the target that is to be rolled out; empty for one that is not new."""
    target, primary = case.target, case.primary
    if target is None or target.revision in (case.state.promoted, case.state.applied):
        return ""
    return "" if primary and target.revision == primary.revision else target.revision


def has_epilogue(case: Case) -> bool:
    """Whether there are hooks to be called when the rollout has ended."""
    return bool(hooks.calls_in(case.canary, WebhookType.POST_ROLLOUT, case.state))


def completed(case: Case) -> Event:
    """What is told last of a promotion."""
    promoted = events.promoted_unanalysed if case.state.skipped else events.promoted
    return promoted(case.canary)


def failed_check(case: Case, causes: tuple[Event, ...]) -> Decision:
    """One more failed check: the rollout holds, or is rolled back when it was the last one."""
    failed = case.state.failed_checks + 1
    if failed >= case.observation.threshold:
        spent = events.threshold_reached(case.canary, failed)
        return rollback(case, "FailedChecksThresholdReached", (*causes, spent))
    due, wait = next_check(case), case.state.waiting
    kept = wait if wait and wait.reason in waiting.GATES else None
    state = replace(case.state, failed_checks=failed, check_at=due, round=None, waiting=kept)
    return Decision("CheckFailed", events.summary(causes), state, causes, due)


def hold(case: Case, reason: waiting.WaitReason, *causes: Event) -> Decision:
    """Neither a step nor a failed check; the cause is told for as long as it lasts."""
    state, said = tell(case.state, case.now, reason, *causes)
    due = next_check(case)
    state = replace(state, check_at=due, round=None)
    return Decision("Held", events.summary(causes), state, said, due)


def next_check(case: Case) -> datetime:
    """When the check after the present one is due."""
    interval = case.observation.interval
    return cadence.next_check(case.state.check_at or case.now, case.now, interval)


def due_at(case: Case) -> datetime | None:
    """When the canary is to be measured next, after the split in force had its interval.

    None before the first step.
    """
    due, since = case.state.check_at, case.observation.confirmed.route_at
    if due is None or since is None:
        return due
    return cadence.measurable_at(due, since, case.observation.interval)


def is_due(case: Case) -> bool:
    """Whether the canary may be measured, or take its first step, now."""
    due = due_at(case)
    return due is None or case.now >= due


def failed_after_pass(case: Case) -> int:
    """The failed checks that count on after a passed one."""
    mode = case.canary.spec.analysis.threshold_mode
    return 0 if mode is ThresholdMode.CONSECUTIVE else case.state.failed_checks


def is_skipped(case: Case) -> bool:
    """Whether the rollout under way is to be promoted without analysis."""
    is_known = case.state.skipped and case.state.phase is Phase.PROGRESSING
    return is_known or case.canary.spec.skip_analysis


def is_past_deadline(case: Case) -> bool:
    """Whether the phase, and what it asks for, have lasted for a whole progress deadline."""
    began = max(case.state.since, case.state.intended_at or case.state.since)
    return case.now >= began + derived.progress_deadline(case.canary)


def start(
    case: Case, reason: str, said: tuple[Event, ...], revision: str, *, skipped: bool
) -> Decision:
    """The analysis of `revision` begins, from zero traffic; what is `said` last tells it."""
    is_stale = has_stale_pods(case)
    state = case.state.moved(
        Phase.PROGRESSING,
        case.now,
        since=case.now,
        generation=case.observation.generation,
        target=case.canary.spec.target_ref.label,
        applied=revision,
        route=case.state.routed(ALL_TO_PRIMARY),
        workload=case.state.worked(CanaryScale.RUNNING),
        failed_checks=0,
        iterations=0,
        check_at=None,
        stale_pods=is_stale,
        skipped=skipped,
        began=case.now,
        stepped_at=None,
    )
    due = case.now if is_stale else None  # perhaps nothing else is to be brought about
    return Decision(reason, said[-1].message, state, said, due)


def has_stale_pods(case: Case) -> bool:
    """Whether pods of the target were made before its configs changed.

    An environment is read when a pod starts, long before it is available, and a file in it changes
    some time later.
    """
    target, known = case.target, case.state.configs or {}
    return target is not None and target.has_pods and dict(target.configs) != dict(known)


def rollback(case: Case, reason: str, causes: tuple[Event, ...], revision: str = "") -> Decision:
    """All traffic back to the primary, now; the canary is scaled down once that is in force.

    A copy to the primary that was not made yet is called off. `revision` is the one that failed,
    where its rollout had not begun.
    """
    state = case.state.moved(
        Phase.FAILED,
        case.now,
        applied=revision or case.state.applied,
        route=case.state.routed(ALL_TO_PRIMARY),
        workload=case.state.worked(case.state.workload.canary),
        failed_checks=0,
        iterations=0,
        check_at=None,
        epilogue=has_epilogue(case),
        failure=events.summary(causes),
    )
    said = (*causes, events.failed(case.canary))
    return Decision(reason, causes[-1].message, state, said, case.now)


def fail_promotion(case: Case, cause: str) -> Decision:
    """All traffic to the canary, whose revision is good: the primary cannot serve it."""
    event = events.promotion_failed(case.canary, cause)
    return hand_over(case, "PromotionFailed", event, case.state.applied, case.state.applied)


def hand_over(case: Case, reason: str, event: Event, revision: str, promote: str) -> Decision:
    """The canary, with `revision`, serves everything until the primary can; it is kept running.

    `promote` is the revision that the primary is to be given, empty for none. A canary that has no
    pods gets nothing.
    """
    state = case.state.moved(
        Phase.PROMOTION_FAILED,
        case.now,
        applied=revision,
        route=case.state.routed(ALL_TO_CANARY if pods.canary(case).available else ALL_TO_PRIMARY),
        workload=case.state.worked(CanaryScale.RUNNING, promote=promote),
        check_at=None,
        epilogue=has_epilogue(case),
        failure=event.message,
    )
    return Decision(reason, event.message, state, (event,), case.now)
