"""The loop of all writers: one at a time per canary, and once more for whoever came meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from analysis import state as states
from analysis.state import RolloutState
from clients.redis.records import Snapshot, Work
from clients.redis.store import Store
from config.api.canary import Canary
from config.refs import CanaryRef
from config.scaling import WorkloadIntent
from config.traffic import RouteIntent
from tasks import gather

Intent = RouteIntent | WorkloadIntent

LEVELS: Final = {True: logging.WARNING, False: logging.DEBUG}
"""How loud a refusal is logged, by whether it is news; an old one comes back every few seconds."""


def under_lease(
    store: Store, ref: CanaryRef, work: Work, ttl: timedelta, job: Callable[[Snapshot], None]
) -> None:
    """Runs `job` on what is stored about `ref`, again while it is asked for meanwhile.

    Does nothing while another process has the lease: that one will run again. What a failing job
    was asked for meanwhile is left to the agenda, which asks until it is confirmed.
    """
    again = True
    while again:
        begun = store.begin(ref, work, ttl)
        if begun is None:
            return
        try:
            job(begun.snapshot)
        finally:
            again = store.finish(ref, work, begun.token)


def wanted(
    snapshot: Snapshot, intent: Callable[[RolloutState], Intent]
) -> tuple[Canary, RolloutState] | None:
    """The canary and the state whose `intent` is to be brought about; None when there is nothing.

    That is so for a canary that is unknown, not accepted, going away, or another object than the
    state is about, as long as nothing was intended yet, and for a state older than the status.
    """
    admission, stored = snapshot.world.admission, snapshot.state
    if admission is None or stored is None or admission.deleting or gather.is_behind(snapshot):
        return None
    state, canary = states.from_json(stored), gather.accepted(snapshot.world)
    if canary is None or state.uid != admission.uid or intent(state).seq == 0:
        return None
    return canary, state


def remembers(
    snapshot: Snapshot, state: RolloutState, intent: Callable[[RolloutState], Intent]
) -> bool:
    """Whether `snapshot` still knows the `intent` of `state`, or has gone on from it.

    To be asked after a write. It does not when the canary was forgotten meanwhile, or Redis lost
    what it held: numbers begin anew then, and what is confirmed would pass for a newer intent.
    """
    stored = snapshot.state
    if stored is None or stored["uid"] != state.uid:
        return False
    mine, current = intent(state), intent(states.from_json(stored))
    return current.seq > mine.seq or current == mine
