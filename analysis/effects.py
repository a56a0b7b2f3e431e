"""What must still be brought about: the difference between what is desired and confirmed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from analysis.phases import ANALYSING, Phase
from analysis.state import RolloutState
from clients.documents.confirmed import Confirmed
from clients.documents.confirmed import Lane as Lane
from config.scaling import CanaryScale
from config.traffic import RouteStage

WRITE_LEASE: Final = timedelta(seconds=8)
"""How long a writer may take: six objects, each with a few tries of at most some seconds. Shorter
than the shortest interval, because what a killed worker was to do waits as long."""

RETRY: Final = timedelta(seconds=10)
"""How soon what somebody else has undone is mended again, after the first try to do so failed."""

REPAIR: Final = timedelta(seconds=2)
"""How long an effect may stay unconfirmed before it is asked for again: the answer to a lost
message. Long against a write (some ms), short against the shortest interval (10 s)."""

LATE: Final = timedelta(seconds=30)
"""After how long an effect that nobody refuses is told to be waited for: many repairs."""


def intents(state: RolloutState, version: int) -> Mapping[Lane, int]:
    """The number of each lane's intent in `state`, which was committed as `version`."""
    return {
        Lane.ROUTE: state.route.seq,
        Lane.WORKLOAD: state.workload.seq,
        Lane.STATUS: version,
    }


def outstanding(state: RolloutState, version: int, confirmed: Confirmed) -> frozenset[Lane]:
    """The effects that `state`, committed as `version`, still wants."""
    wanted = intents(state, version)
    return frozenset(lane for lane in wanted if confirmed.sequence(lane) < wanted[lane])


def heard_at(confirmed: Confirmed, delay: timedelta) -> datetime | None:
    """When proxies have heard of the route that was confirmed last; None: there is none.

    The API server takes a route `delay` before they do.
    """
    return None if confirmed.route_at is None else confirmed.route_at + delay


def held_until(
    state: RolloutState, confirmed: Confirmed, available: int, delay: timedelta, now: datetime
) -> datetime | None:
    """Until when a canary that is to have no pods keeps those `available`: see `heard_at`.

    None if there is nothing to wait for, also where no pod serves, since all else that is wanted of
    workloads would wait with the scale, and after a route of times to come, as Redis' clock was
    ahead.
    """
    is_parked, at = state.workload.canary is CanaryScale.ZERO, confirmed.route_at
    is_held = is_parked and available and at is not None and at <= now
    return heard_at(confirmed, delay) if is_held else None


def unfinished(
    state: RolloutState,
    version: int,
    confirmed: Confirmed,
    now: datetime,
    due: datetime | None,
    *,
    held: datetime | None = None,
) -> frozenset[Lane]:
    """The effects to ask for `now`: those outstanding, and those whose last try failed.

    Without that of a canary whose pods are `held`, see `held_until`.
    Without the status while the canary is about to be looked at again, at `due` at the latest:
    that look tells and shows both decisions at once. Nor is a step shown before it is in force.
    """
    missing = outstanding(state, version, confirmed)
    is_told_soon = due is not None and due <= now + REPAIR and _is_passing(state, missing, now)
    is_step = is_shown_once_in_force(state) and Lane.ROUTE in missing and _is_fresh(state, now)
    if is_told_soon or (is_step and not confirmed.troubles):
        missing -= {Lane.STATUS}
    wanted = missing | frozenset(confirmed.troubles)
    return wanted if held is None or held <= now else wanted - {Lane.WORKLOAD}


def is_shown_once_in_force(state: RolloutState) -> bool:
    """Whether what `state` wants of its route is a step of the analysis.

    Whoever brings it into force has it shown. A status with a weight beside a route without any
    tells that the traffic was taken back, should the state be lost.
    """
    return state.phase is Phase.PROGRESSING and state.check_at is not None


def _is_passing(state: RolloutState, missing: Collection[Lane], now: datetime) -> bool:
    """Whether the next decision waits for nothing but what is `missing`, and not for long yet.

    So it is while all traffic goes to the primary, and when the canary is scaled to zero after it.
    A rollback is told at once, with its cause.
    """
    if not _is_fresh(state, now):
        return False
    is_returning = Lane.ROUTE in missing and state.route.stage is RouteStage.EXPOSED
    is_parking = Lane.WORKLOAD in missing and state.workload.canary is CanaryScale.ZERO
    if state.phase in (Phase.INITIALIZING, Phase.FINALISING):
        return is_returning or is_parking
    return state.phase is Phase.FAILED and is_parking


def _is_fresh(state: RolloutState, now: datetime) -> bool:
    """Whether what is wanted was decided just now."""
    return state.intended_at is not None and now < state.intended_at + REPAIR


def awaits_route(state: RolloutState, now: datetime) -> bool:
    """Whether the rollout goes on as soon as its route is in force, not just at its next check."""
    return state.phase not in ANALYSING or state.check_at is None or state.check_at <= now


def due(
    state: RolloutState, planned: datetime | None, now: datetime, held: datetime | None = None
) -> datetime | None:
    """When to look again at a state just committed, `planned` at the latest (None: no plan).

    A state that waits for its own effects is looked at soon, so a lost message costs `REPAIR`. A
    canary under analysis is not: its next check is planned, and notices what is missing.
    """
    if state.phase in ANALYSING and state.check_at is not None:
        return planned
    soon = min(held, now + REPAIR) if held is not None and now < held else now + REPAIR
    return soon if planned is None else min(planned, soon)
