"""Rules about rollback hooks: asked first at every check, which does not wait long for them.

While one is silent the canary is measured at its interval and a failed check counts, but a passed
one earns nothing: somebody may be about to call the rollout off. The same goes for a gate that is
silent; the hooks of a check are asked beside it then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analysis import cadence, events, hooks
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.rules import gates, moves, rounds, waits
from config.api.hooks import WebhookType


def rollback_requested(case: Case) -> Ruling | None:
    """A rollback hook that answers well calls the rollout off at once, also between checks.

    They are asked about the release that is to be called off, also before its rollout.
    """
    untried = moves.unapproved(case)
    answers = rounds.answers(case, WebhookType.ROLLBACK, untried)
    signals = list(filter(hooks.calls_off, answers))
    if not signals:
        return None
    said = (*rounds.told(case, signals[:1]), events.webhook_rollback(case.canary))
    return moves.rollback(case, "RollbackRequested", said, untried)


def rollback_asked(case: Case) -> Ruling | None:
    """Rollback hooks are asked first at every check, which is made without those that are slow."""
    if moves.is_skipped(case):
        return None
    if not moves.is_due(case):
        return _unheard(case)
    asking = ask(case, WebhookType.ROLLBACK, moves.unapproved(case))
    if asking is None:
        return None
    until = _awaited_until(case, asking)
    is_over = until is not None and case.now >= until
    return None if is_over and isinstance(asking, Rest) else waits.by(asking, until)


def ask(case: Case, kind: WebhookType, revision: str = "") -> Ruling | None:
    """Asks the hooks of `kind` for the check that is made now, beside those that are silent."""
    asked, check = case.state.round, _check(case)
    if asked is None or check is None or asked.type is kind:
        return rounds.ask(case, kind, revision)
    if asked.beside == check or rounds.is_silent(case):
        return rounds.ask_beside(case, kind, check)
    return rounds.ask(case, kind, revision)


def hold_for_answer(case: Case) -> Ruling | None:
    """A passed check earns nothing while rollback hooks are silent; the next is made in time."""
    asked, check, state = case.state.round, _check(case), case.state
    if asked is None or check is None or asked.type is not WebhookType.ROLLBACK:
        return None
    asking = rounds.ask(case, asked.type)
    if not isinstance(asking, Rest):
        return asking
    if not moves.is_early(case):
        interval = case.observation.interval
        made = cadence.next_check(check, case.now, interval) - interval
        state = replace(state, check_at=made, failed_checks=moves.failed_after_pass(case))
    case, said = replace(case, state=state), tuple[events.Event, ...]()
    if _is_measured(case):
        state, said = rounds.unanswered(case, asked.type)
    state = replace(state, round=replace(asked, settled=(WebhookType.ROLLOUT,), beside=None))
    message = f"measured while the {asked.type.value} webhooks are silent"
    due = waits.first(asking.until, gates.measured_again(replace(case, state=state)))
    return Decision("Measured", message, state, said, due)


def _check(case: Case) -> datetime | None:
    """When the check was due that is made although hooks are silent; None: they are waited for."""
    asked = case.state.round
    if asked is None or not case.strategy.has_begun(case.state):
        return None
    if asked.type is WebhookType.ROLLBACK and not _is_measured(case):
        return case.state.check_at
    is_late = gates.is_asked(case) or asked.type is WebhookType.ROLLBACK
    return gates.measured_again(case) if is_late else None


def _awaited_until(case: Case, asking: Ruling) -> datetime | None:
    """When the check is made although its rollback hooks are silent; None: once they answer."""
    asked = (asking.state if isinstance(asking, Decision) else case.state).round
    if asked is None or not case.strategy.has_begun(case.state):
        return None
    if asked.type is WebhookType.ROLLBACK and (asked.beside or _is_measured(case)):
        return _check(case)
    return asked.asked + rounds.PATIENCE


def _is_measured(case: Case) -> bool:
    """Whether a check has passed since the rollback hooks were asked that are silent."""
    asked = case.state.round
    return asked is not None and WebhookType.ROLLOUT in asked.settled


def _unheard(case: Case) -> Decision | None:
    """What was asked for a check that has failed meanwhile is asked anew with the next one."""
    asked = case.state.round
    if asked is None or asked.type is not WebhookType.ROLLBACK or rounds.is_silent(case):
        return None
    state = replace(case.state, round=None)
    return Decision("NotCalledOff", "no rollback is requested", state, due=moves.due_at(case))
