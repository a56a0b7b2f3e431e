"""What must still be brought about: the difference between what is desired and confirmed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from analysis.phases import Phase
from analysis.state import RolloutState
from clients.documents.confirmed import Confirmed
from clients.documents.confirmed import Lane as Lane

RETRY: Final = timedelta(seconds=10)
"""How soon what somebody else has undone is mended again, after the first try to do so failed."""

REPAIR: Final = timedelta(seconds=2)
"""How long an effect may stay unconfirmed before it is asked for again: the answer to a lost
message. Long against a write (some ms), short against the shortest interval (10 s)."""


LATE: Final = timedelta(seconds=30)
"""After how long an effect that nobody refuses is told to be waited for: many repairs."""


def outstanding(state: RolloutState, version: int, confirmed: Confirmed) -> frozenset[Lane]:
    """The effects that `state`, committed as `version`, still wants."""
    wanted = {
        Lane.ROUTE: confirmed.route_seq < state.route.seq,
        Lane.WORKLOAD: confirmed.workload_seq < state.workload.seq,
        Lane.STATUS: confirmed.status_version < version,
    }
    return frozenset(effect for effect, missing in wanted.items() if missing)


def unfinished(state: RolloutState, version: int, confirmed: Confirmed) -> frozenset[Lane]:
    """The effects to ask for: those outstanding, and those whose last try to mend them failed."""
    return outstanding(state, version, confirmed) | frozenset(confirmed.troubles)


def awaits_route(state: RolloutState, now: datetime) -> bool:
    """Whether the rollout goes on as soon as its route is in force, not just at its next check."""
    return state.phase is not Phase.PROGRESSING or state.check_at is None or state.check_at <= now


def due(state: RolloutState, planned: datetime | None, now: datetime) -> datetime | None:
    """When to look again at a state just committed, `planned` at the latest (None: no plan).

    A state that waits for its own effects is looked at soon, so a lost message costs `REPAIR`. A
    canary under analysis is not: its next check is planned, and notices what is missing.
    """
    if state.phase is Phase.PROGRESSING and state.check_at is not None:
        return planned
    return now + REPAIR if planned is None else min(planned, now + REPAIR)
