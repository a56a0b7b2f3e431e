"""Asking webhooks: one round per type, all hooks of it side by side, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from analysis import events, hooks, waiting
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.events import Event
from analysis.findings import HookResult
from analysis.rules import waits
from analysis.state import HookRound, RolloutState
from config.api.hooks import WebhookType

PATIENCE: Final = timedelta(seconds=2)
"""How long a check waits for rollback hooks, which mostly answer at once, before it is made without
them: one that is made twice costs its queries twice."""


def ask(
    case: Case, kind: WebhookType, revision: str = "", *, said: tuple[Event, ...] = ()
) -> Ruling | None:
    """What to do so that the answers of the hooks of `kind` are known; None when they are.

    That is to ask them, telling what is to be `said` so far, or to wait for those already asked.
    `revision` is what they are asked about, where it is not that of the rollout.
    """
    calls = hooks.calls_in(case.canary, kind, case.state, revision)
    if not calls or is_settled(case, kind) or len(answers(case, kind, revision)) == len(calls):
        return None
    asked, message = case.state.round, f"calling the {kind.value} webhooks"
    if asked is None or (asked.type, asked.revision) != (kind, revision):
        asking = HookRound(
            case.observation.version + 1,
            kind,
            case.now,
            revision=revision,
            settled=_settled(case, asked, revision),
        )
        due = hooks.given_up_at(asking)
        return Decision("HooksAsked", message, replace(case.state, round=asking), said, due)
    due = hooks.next_look(asked, calls, case.findings.calls)
    if case.now < due:
        return Rest(due)
    return _again(case, asked, message)


def is_silent(case: Case) -> bool:
    """Whether hooks are being asked that have not all answered."""
    asked = case.state.round
    return asked is not None and ask(case, asked.type, asked.revision) is not None


def kept(case: Case) -> HookRound | None:
    """The round that goes on after a check without a step: rollback hooks that are silent."""
    asked = case.state.round
    if asked is None or asked.type is not WebhookType.ROLLBACK or not is_silent(case):
        return None
    return replace(asked, settled=(), beside=None)


def ask_beside(case: Case, kind: WebhookType, check: datetime) -> Ruling | None:
    """The same for a `check` that is made while the hooks of the round are silent."""
    asked = case.state.round
    calls = hooks.calls_in(case.canary, kind, case.state)
    if asked is None or not calls:
        return None
    is_asked = asked.beside == check
    if is_asked and len(answers(case, kind)) == len(calls):
        return None
    due = case.now + hooks.CALL_LEASE
    if is_asked and case.now < asked.asked + hooks.CALL_LEASE:
        return Rest(asked.asked + hooks.CALL_LEASE)
    state = replace(case.state, round=replace(asked, beside=check, asked=case.now))
    return Decision("HooksAsked", f"calling the {kind.value} webhooks", state, due=due)


def _again(case: Case, asked: HookRound, message: str) -> Decision:
    """The hooks that nobody has called are asked for once more."""
    asking = replace(asked, asked=case.now, repeats=asked.repeats + 1)
    state, said = unanswered(case, asked.type)
    due = hooks.given_up_at(asking)
    return Decision("HooksAskedAgain", message, replace(state, round=asking), said, due)


def unanswered(case: Case, kind: WebhookType) -> tuple[RolloutState, tuple[Event, ...]]:
    """The state as one that waits for hooks of `kind`, and what is to be told of that.

    One that waits for a gate goes on waiting for it, and nothing is told: the gate has a deadline.
    """
    state, reason = case.state, waiting.WaitReason.HOOKS_UNANSWERED
    if state.waiting is not None and state.waiting.reason in waiting.GATES:
        return state, ()
    return waits.tell(state, case.now, reason, events.hooks_lost(case.canary, kind.value))


def _settled(case: Case, asked: HookRound | None, revision: str) -> tuple[WebhookType, ...]:
    """The types that need not be asked again in this check: those before, and the one answered.

    What was answered about another release settles nothing, nor what was not answered.
    """
    if asked is None or asked.type not in (case.findings.hooks or {}) or asked.revision != revision:
        return ()
    return (*asked.settled, asked.type)


def is_settled(case: Case, kind: WebhookType) -> bool:
    """Whether the hooks of `kind` were asked before in this check, and hold nothing up."""
    return case.state.round is not None and kind in case.state.round.settled


def answers(case: Case, kind: WebhookType, revision: str = "") -> tuple[HookResult, ...]:
    """The answers of the hooks of `kind`, in list order; empty when there are no such hooks."""
    asked = case.state.round
    if asked is not None and asked.revision != revision:
        return ()
    return tuple((case.findings.hooks or {}).get(kind, ()))


def told(case: Case, results: Iterable[HookResult]) -> tuple[Event, ...]:
    """The events about `results`, in their order; muted where the manifest says so."""
    return tuple(filter(None, (_told(case, result) for result in results)))


def _told(case: Case, result: HookResult) -> Event | None:
    """What is told of one answer: a rollback hook that answers well is what to be warned of."""
    text = hooks.event_text(case.canary, result)
    if not text:
        return None
    is_good = result.ok is (result.type is not WebhookType.ROLLBACK)
    event = events.normal(text) if is_good else events.warning(text)
    alert = None if result.ok else events.GATES.get(result.type)
    return replace(event, alert=alert, muted=hooks.is_muted(case.canary, result))
