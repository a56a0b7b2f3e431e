"""What ends a rollout that lasts too long: closed gates with a deadline, and its whole duration.

Both are wishes of the manifest; without them a rollout may take for ever.
"""

from __future__ import annotations

from datetime import datetime

from analysis import events
from analysis.decisions import Case, Ruling
from analysis.phases import ANALYSING, Phase
from analysis.rules import moves, waits
from analysis.state import RolloutState
from analysis.waiting import GATES
from config import derived, durations
from config.api.canary import Canary


def overdue(case: Case) -> Ruling | None:
    """A gate that stays closed for too long, or a rollout that takes too long, is rolled back."""
    ends, limit = gate_ends(case.canary, case.state), derived.gate_deadline(case.canary)
    if ends is not None and limit is not None and case.now >= ends:
        event = events.gate_overdue(case.canary, durations.format_go(limit))
        return moves.rollback(case, "GateDeadlineExceeded", (event,), moves.unapproved(case))
    ends, limit = rollout_ends(case.canary, case.state), derived.max_duration(case.canary)
    if ends is not None and limit is not None and case.now >= ends:
        event = events.rollout_overdue(case.canary, durations.format_go(limit))
        return moves.rollback(case, "MaxDurationExceeded", (event,))
    return None


def next_end(canary: Canary, state: RolloutState) -> datetime | None:
    """When `state` is overdue; None when it never is."""
    return waits.first(gate_ends(canary, state), rollout_ends(canary, state))


def gate_ends(canary: Canary, state: RolloutState) -> datetime | None:
    """When the gate that `state` waits for has been closed for too long.

    From when the phase that is named for it was entered; the others are counted from when they
    were found closed, and anew after every check that says something else.
    """
    deadline, wait = derived.gate_deadline(canary), state.waiting
    if deadline is None or wait is None or wait.reason not in GATES:
        return None
    is_phase = state.phase in (Phase.WAITING, Phase.WAITING_PROMOTION)
    return (state.since if is_phase else wait.since) + deadline


def rollout_ends(canary: Canary, state: RolloutState) -> datetime | None:
    """When the rollout under way has taken too long."""
    longest = derived.max_duration(canary)
    if longest is None or state.phase not in ANALYSING:
        return None
    return (state.began or state.since) + longest
