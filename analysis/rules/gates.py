"""Rules about hooks that confirm: they are asked at the interval, and never faster.

A gate that is closed is no failed check. While one is being asked that answers late, a canary with
traffic is measured on at its interval; when it opens, the step that waited for it is taken in a
tick with passed checks of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from analysis import cadence, effects, events
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.events import Event
from analysis.findings import HookResult
from analysis.phases import Phase
from analysis.rules import moves, pods, rounds, waits
from analysis.state import RolloutState
from analysis.waiting import GATES, WaitReason
from config.api.hooks import WebhookType


class Gate(NamedTuple):
    """What a canary waits for while the gate is closed, and in which phase; None: where it is."""

    reason: WaitReason
    phase: Phase | None = None


TABLE: Final[Mapping[WebhookType, Gate]] = {
    WebhookType.CONFIRM_ROLLOUT: Gate(WaitReason.ROLLOUT_NOT_CONFIRMED, Phase.WAITING),
    WebhookType.CONFIRM_TRAFFIC_INCREASE: Gate(WaitReason.INCREASE_NOT_CONFIRMED),
    WebhookType.CONFIRM_PROMOTION: Gate(
        WaitReason.PROMOTION_NOT_CONFIRMED, Phase.WAITING_PROMOTION
    ),
}

_UNDER_WAY: Final = TABLE.keys() - {WebhookType.CONFIRM_ROLLOUT}
"""The gates of a rollout under way."""


# -- before a rollout


def withdrawn(case: Case) -> Ruling | None:
    """A release that is taken back, or whose target is deleted, needs no approval any more."""
    is_known = case.target is not None or pods.canary(case).is_gone
    if not is_known or moves.released(case):
        return None
    state, asked = case.state, case.state.round
    if state.phase is Phase.WAITING:
        has_failed = state.applied != state.promoted
        rests = state.moved(Phase.FAILED if has_failed else Phase.INITIALIZED, case.now)
        event = events.withdrawn(case.canary)
        rests = replace(rests, check_at=None)
        return Decision("Withdrawn", event.message, rests, (event,), case.now)
    if asked is None or asked.type is not WebhookType.CONFIRM_ROLLOUT:
        return None
    forgotten = replace(state, round=None)
    return Decision("Withdrawn", "no approval is needed any more", forgotten, due=case.now)


def approval(case: Case, revision: str) -> Ruling | None:
    """No rollout of `revision` before its gate opens."""
    kind = WebhookType.CONFIRM_ROLLOUT
    asking = rounds.ask(case, kind, revision)
    if asking:
        return asking
    waiting = replace(case, state=_waiting_for(revision, case.state, case.now))
    return _closed(waiting, kind, rounds.answers(case, kind, revision))


def _waiting_for(revision: str, state: RolloutState, now: datetime) -> RolloutState:
    """`state` as one that waits for the approval of `revision`; of another one from `now` on."""
    if state.awaited in {"", revision}:
        return replace(state, awaited=revision)
    return state.moved(state.phase, now, since=now, awaited=revision)


def approved(case: Case, revision: str) -> tuple[Event, ...]:
    """What is told of the gates that opened for the rollout of `revision`."""
    return rounds.told(case, rounds.answers(case, WebhookType.CONFIRM_ROLLOUT, revision))


def not_asked_yet(case: Case) -> Ruling | None:
    """A closed gate is asked again after an interval."""
    due = case.state.check_at
    if due is None or case.now >= due:
        return None
    unconfirmed = waits.await_effects(case, *effects.Lane)
    until = unconfirmed.until if isinstance(unconfirmed, Rest) else None
    return Rest(waits.first(due, until))


# -- in an analysis


def is_asked(case: Case) -> bool:
    """Whether a gate of the rollout under way is being asked, or has just answered."""
    return case.state.round is not None and case.state.round.type in _UNDER_WAY


def is_closed(case: Case) -> bool:
    """Whether the canary waits for a gate that was closed when it was asked last."""
    return case.state.waiting is not None and case.state.waiting.reason in GATES


def awaited(case: Case) -> Ruling | None:
    """A gate that refuses is asked again with the next check; one that is silent is waited for."""
    asked = case.state.round
    if asked is None or not is_asked(case):
        return None
    kind = asked.type
    asking = rounds.ask(case, kind)
    if asking is None:
        return _closed(case, kind, rounds.answers(case, kind))
    next_check = measured_again(case)
    if next_check is not None and case.now >= next_check:
        return None
    return waits.by(asking, next_check)


def increase(case: Case, said: tuple[Event, ...] = ()) -> Ruling | None:
    """The gate before a step, and before the promotion as with Flagger; `said` goes before it."""
    if not case.strategy.confirms_increase or case.state.phase is Phase.WAITING_PROMOTION:
        return None
    return _asked(case, WebhookType.CONFIRM_TRAFFIC_INCREASE, said)


def promotion(case: Case) -> Ruling | None:
    """The gate before the promotion."""
    return _asked(case, WebhookType.CONFIRM_PROMOTION, passed(case))


def passed(case: Case) -> tuple[Event, ...]:
    """What is told of a gate that has just opened."""
    asked = case.state.round
    if asked is None or not is_asked(case):
        return ()
    return rounds.told(case, rounds.answers(case, asked.type))


def _asked(case: Case, kind: WebhookType, said: tuple[Event, ...]) -> Ruling | None:
    """Asks a gate after a passed check, and plans the next check for while it is silent."""
    asking = rounds.ask(case, kind, said=said)
    if asking is None or not case.strategy.has_begun(case.state):
        return asking
    if moves.is_early(case):
        return waits.by(asking, measured_again(case))
    is_silent = case.state.round is not None and case.state.round.type is kind
    interval = case.observation.interval
    made = measured_again(case) if is_silent else moves.in_time(case.state)
    made = cadence.next_check(made or case.now, case.now, interval) - interval
    if isinstance(asking, Decision):
        state = replace(asking.state, check_at=made, failed_checks=moves.failed_after_pass(case))
        return waits.by(replace(asking, state=state), made + interval)
    message = f"measured while the {kind.value} webhooks are silent"
    state = replace(case.state, check_at=made, failed_checks=moves.failed_after_pass(case))
    until = asking.until if isinstance(asking, Rest) else None
    return Decision("Measured", message, state, due=waits.first(until, made + interval))


def measured_again(case: Case) -> datetime | None:
    """When a canary with traffic is measured though a gate is silent; None without traffic."""
    if case.state.check_at is None or not case.strategy.has_begun(case.state):
        return None
    due = moves.in_time(case.state)
    return due if due != case.state.check_at else case.state.check_at + case.observation.interval


def _closed(case: Case, kind: WebhookType, results: tuple[HookResult, ...]) -> Decision | None:
    """The wait for the gates among `results` that refuse; None when all of them are open."""
    refused = [result for result in results if not result.ok]
    if not refused:
        return None
    state, gate = case.state, TABLE[kind]
    if gate.phase and gate.phase is not state.phase:
        state = state.moved(gate.phase, case.now)
    silent = (events.gate_silent(each.name, each.message) for each in refused if not each.answered)
    told = (*rounds.told(case, refused), *silent)
    state, said = waits.tell(state, case.now, gate.reason, *told)
    due = moves.next_check(case)
    state = replace(state, check_at=due, round=None)
    message = f"closed: {', '.join(result.name for result in refused)}"
    return Decision("GateClosed", message, state, said, due)
