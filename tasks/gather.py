"""Builds the Observation of one canary from what is stored about it. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from analysis import cadence, conditions, hooks, recorded
from analysis import state as states
from analysis.backends.backend import Endpoint
from analysis.findings import Findings
from analysis.observation import Observation, PastStatus
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.strategies import Strategy
from clients.documents import calls as documents
from clients.documents.confirmed import Confirmed
from clients.documents.packed import Packed
from clients.documents.world import ShownStatus, World
from clients.redis.records import Snapshot
from config import derived
from config.api.canary import Canary
from config.refs import CanaryRef
from config.traffic import TrafficSplit
from config.validation import manifests
from routing.router import UnreadableRoute
from tasks import sides
from tasks.audience import Audience
from tasks.registries import BUILT_IN, Registries
from workloads import tracker
from workloads.tracker import Release

log = logging.getLogger(__name__)

REMEMBERED: Final = 1024
"""Manifests of which a worker keeps what was read, some kB each: all lanes of a canary read it at
every step, and it hardly ever changes."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for canaries that do not say it themselves."""

    provider: str
    endpoint: Endpoint
    """Where built-in checks and inline queries are run."""
    interval_floor: timedelta
    scale_down_delay: timedelta = timedelta(0)
    audience: Audience = field(default_factory=Audience)
    registries: Registries = BUILT_IN


def observe(
    ref: CanaryRef, snapshot: Snapshot, defaults: Defaults, unread: str = ""
) -> Observation | None:
    """What is known about `ref`; None when there is no such Canary object any more.

    `unread` is why tracked configs could not be read.
    """
    world = snapshot.world
    admission = world.admission
    if admission is None:
        return None
    canary = _carried_out(world, defaults.provider)
    uid, now = admission.uid, snapshot.now
    interval = derived.interval(canary, defaults.interval_floor) if canary else timedelta(0)
    strategy = defaults.registries.strategies.chosen(canary) if canary else None
    state, status = _state(snapshot, uid), _status(world.status)
    if state is not None and canary is not None and strategy is not None:
        state = _timely(state, now, max(interval, _delay(canary, strategy, state)))
    confirmed = _confirmed(snapshot, uid, max(interval, defaults.scale_down_delay))
    runs = tracker.releases(world)
    target, primary = sides.of(world, canary, runs, now, state=state, past=status)
    return Observation(
        now=now,
        ref=ref,
        uid=uid,
        generation=admission.generation,
        canary=canary,
        strategy=strategy,
        interval=interval,
        threshold=derived.threshold(canary) if canary else 1,
        scale_down_delay=defaults.scale_down_delay,
        deleting=admission.deleting,
        finalizer=admission.finalizer,
        problems=admission.problems,
        version=snapshot.version,
        state=state,
        confirmed=_still_shown(confirmed, state, status),
        target=target,
        primary=primary,
        in_force=_in_force(canary, world, defaults),
        status=status,
        unknown_configs=unread or _missing(ref, runs.values()),
        templates=world.templates or {},
    )


def _confirmed(snapshot: Snapshot, uid: str, longest: timedelta) -> Confirmed:
    """What is in force, by what was confirmed and what is seen.

    A route of times to come, as Redis' clock was ahead, is `longest` old: nobody waits after it for
    more.
    """
    confirmed, now = snapshot.confirmed.about(uid).seeing(snapshot.world), snapshot.now
    if confirmed.route_at is not None and confirmed.route_at > now:
        return replace(confirmed, route_at=now - longest)
    return confirmed


def _missing(ref: CanaryRef, releases: Iterable[Release]) -> str:
    """What of the configs is not there, or not known."""
    keys = sorted({key for each in releases for key in (*each.missing, *each.unread)})
    named = (f"{key.replace('/', ' ')}.{ref.namespace}" for key in keys)
    return f"{', '.join(named)} not found" if keys else ""


def accepted(world: World) -> Canary | None:
    """The last manifest that could be carried out."""
    manifest = _manifest(world)
    return None if manifest is None else _loaded(manifest)


def _carried_out(world: World, default_provider: str) -> Canary | None:
    """The same as its provider carries it out."""
    manifest = _manifest(world)
    return None if manifest is None else _as_carried_out(manifest, default_provider)


def _manifest(world: World) -> Packed | None:
    canary = world.canary
    return canary if canary is None or isinstance(canary, Packed) else Packed(canary)


@lru_cache(maxsize=REMEMBERED)
def _loaded(manifest: Packed) -> Canary:
    return manifests.load_canary(manifest)


@lru_cache(maxsize=REMEMBERED)
def _as_carried_out(manifest: Packed, default_provider: str) -> Canary:
    return derived.carried_out(_loaded(manifest), default_provider)


def is_behind(snapshot: Snapshot) -> bool:
    """Whether the Canary status shows a later state than the stored one: Redis has lost writes.

    Nothing may be brought about then before the next tick, which rebuilds the state.
    """
    status = _status(snapshot.world.status)
    return status is not None and status.version > snapshot.version


def answered(seen: Observation, stored: Mapping[str, str]) -> Findings:
    """How far the calls of the hooks are that the state of `seen` waits for; `stored` of them."""
    state, canary = seen.state, seen.canary
    if state is None or state.round is None or canary is None:
        return Findings()
    calls = hooks.awaited(canary, state)
    known = hooks.believed(documents.decode(stored, state.round.id), seen.now)
    kinds = dict.fromkeys(call.type for call in calls)
    each = {kind: [call for call in calls if call.type is kind] for kind in kinds}
    found = {
        kind: results
        for kind, asked in each.items()
        if (results := hooks.results(asked, known)) is not None
    }
    if not calls:  # they were taken out of the manifest
        found = {state.round.type: ()}
    return Findings(hooks=found or None, calls=known)


def _still_shown(
    known: Confirmed, state: RolloutState | None, status: PastStatus | None
) -> Confirmed:
    """`known`, without the report when the status was wiped since: it is to be written anew."""
    shows_nothing = state is not None and state.phase is not Phase.NEW and status is None
    return replace(known, status_version=0) if shows_nothing else known


def _state(snapshot: Snapshot, uid: str) -> RolloutState | None:
    """The stored state, unless it is about an earlier object of the same name, or unreadable."""
    if snapshot.state is None or snapshot.state.get("uid") != uid:
        return None
    try:
        return states.stored(snapshot.state, snapshot.leaps.total)
    except ValueError:
        log.warning("state unreadable, rebuilding", extra={"uid": uid})
        return None


def _timely(state: RolloutState, now: datetime, longest: timedelta) -> RolloutState:
    """`state`, whose next check is no longer ahead than anything plans it.

    Hooks that were asked in times to come count as lost: they are asked again if nobody calls them.
    """
    if state.round is not None and state.round.asked > now:
        state = replace(state, round=replace(state.round, asked=now - hooks.LONGEST_PAUSE))
    if state.check_at is None:
        return state
    return replace(state, check_at=cadence.plausible(state.check_at, now, longest))


def _delay(canary: Canary, strategy: Strategy, state: RolloutState) -> timedelta:
    """How long the canary runs before its first step, as long as it has not taken it."""
    is_new = state.phase is Phase.PROGRESSING and not strategy.has_begun(state)
    return (derived.initial_delay(canary) if is_new else None) or timedelta(0)


def _in_force(canary: Canary | None, world: World, defaults: Defaults) -> TrafficSplit | None:
    """The split of the live route; None when there is none, or none that can be read."""
    if canary is None:
        return None
    try:
        return defaults.registries.routers.in_force(canary, world.routes, defaults.provider)
    except UnreadableRoute:
        return None


def _status(shown: ShownStatus | None) -> PastStatus | None:
    status = shown.fields if shown else {}
    if not status.get("phase"):
        return None
    return PastStatus(
        phase=status["phase"],
        weight=int(status.get("canaryWeight") or 0),
        failed_checks=int(status.get("failedChecks") or 0),
        iterations=int(status.get("iterations") or 0),
        applied=status.get("lastAppliedSpec") or "",
        promoted=status.get("lastPromotedSpec") or "",
        version=recorded.version(status),
        since=conditions.moment(status.get("lastTransitionTime")),
        acceptance=conditions.shown_acceptance(status),
    )
