"""How urgent the next look at a canary is, and the work that its state asks for."""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

from analysis.effects import Lane
from analysis.phases import Phase
from analysis.state import RolloutState
from config.ranks import Rank
from config.scaling import CanaryScale


def rank(state: RolloutState | None, missing: Collection[Lane]) -> Rank:
    """The rank of a canary in `state` (None: it has none), with `missing` yet to be brought about.

    As long as a route is not in force, requests may go where the one before sent them.
    """
    if state is None:
        return Rank.RESYNC
    is_open = Lane.ROUTE in missing
    is_exposed = is_open or state.route.split.reaches_canary
    match state.phase:
        case Phase.NEW:
            return Rank.RESYNC
        case Phase.INITIALIZING:
            return Rank.INITIALIZATION
        case Phase.INITIALIZED:
            return Rank.INITIALIZATION if missing else Rank.RESYNC
        case Phase.WAITING | Phase.TERMINATING | Phase.TERMINATED:
            return Rank.STEP
        case Phase.PROGRESSING | Phase.WAITING_PROMOTION | Phase.PROMOTING | Phase.FINALISING:
            return Rank.CHECK if is_exposed else Rank.STEP
        case Phase.FAILED | Phase.PROMOTION_FAILED if is_open:
            return Rank.ROLLBACK
        case Phase.SUCCEEDED | Phase.FAILED | Phase.PROMOTION_FAILED:
            if is_exposed:
                return Rank.CHECK
            return Rank.STEP if missing or _is_ending(state) else Rank.RESYNC
        case _:
            assert_never(state.phase)


def _is_ending(state: RolloutState) -> bool:
    """Whether a rollout that is decided has work left."""
    return state.epilogue or state.workload.canary is CanaryScale.RUNNING
