"""Decisions that several phases share: starting, holding, rolling back, failing a promotion."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analysis import cadence, events, hooks, waiting
from analysis.decisions import Case, Decision
from analysis.events import Event
from analysis.phases import Phase
from analysis.rules import pods, rounds, waits
from analysis.state import RolloutState
from config.api.analysis import ThresholdMode
from config.api.hooks import AlertSeverity, WebhookType
from config.scaling import CanaryScale
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY


def released(case: Case) -> str:
    """The revision of the target that is to be rolled out; empty for one that is not new."""
    target, primary = case.target, case.primary
    if target is None or target.revision in (case.state.promoted, case.state.applied):
        return ""
    return "" if primary and target.revision == primary.revision else target.revision


def unapproved(case: Case) -> str:
    """The release that waits for its approval; empty once it has it."""
    return released(case) if case.state.phase is Phase.WAITING else ""


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
    state = replace(case.state, failed_checks=failed, check_at=due, round=rounds.kept(case))
    state = replace(state, waiting=kept)
    return Decision("CheckFailed", events.summary(causes), state, causes, due)


def failed_look(case: Case, causes: tuple[Event, ...]) -> Decision:
    """A look at the canary that failed: a failed check, unless a nudge made it early.

    That keeps the step from being taken, and nothing else: the check of the interval is to come.
    """
    if not is_early(case):
        return failed_check(case, causes)
    due = next_check(case)
    state = replace(case.state, check_at=due, round=rounds.kept(case))
    return Decision("FailedEarly", events.summary(causes), state, causes, due)


def hold(case: Case, reason: waiting.WaitReason, *causes: Event) -> Decision:
    """Neither a step nor a failed check; the cause is told for as long as it lasts."""
    state, said = told(case, reason, *causes)
    due = next_check(case)
    state = replace(state, check_at=due, round=rounds.kept(case))
    return Decision("Held", events.summary(causes), state, said, due)


def told(
    case: Case, reason: waiting.WaitReason, *causes: Event
) -> tuple[RolloutState, tuple[Event, ...]]:
    """The state as one that waits for `reason`, and what is to be told of it.

    After a look that a nudge made early it goes on waiting for its gate, and all is told.
    """
    if is_early(case):
        return case.state, causes
    return waits.tell(case.state, case.now, reason, *causes)


def next_check(case: Case) -> datetime:
    """When the check after one without a step is due; a nudge moves none of them."""
    due = in_time(case.state) or case.now
    return due if is_early(case) else cadence.next_check(due, case.now, case.observation.interval)


def check_after_step(case: Case) -> datetime:
    """When the step that is taken now has had its interval, also if a nudge brought it early."""
    return cadence.next_check(case.state.check_at or case.now, case.now, case.observation.interval)


def in_time(state: RolloutState) -> datetime | None:
    """When the next check is due, or would be had no nudge made it early."""
    due, unnudged = state.check_at, state.nudged_from
    return unnudged if due and unnudged and due < unnudged else due


def is_early(case: Case) -> bool:
    """Whether a check that is made now is made early, because of a nudge, and does not count."""
    due = in_time(case.state)
    return due is not None and due != case.state.check_at and case.now < due


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
    where its rollout had not begun. Progress that is told with the causes is none of them.
    """
    bad = [each for each in causes if each.severity is not AlertSeverity.INFO]
    cause = events.summary(bad or causes)
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
        failure=cause,
    )
    failed = events.failed(case.canary)
    if not any(each.alert for each in causes):
        failed = events.with_alert(failed, cause)
    return Decision(reason, causes[-1].message, state, (*causes, failed), case.now)


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
