"""Stores what is known of the cluster as the worlds of its canaries, and wakes who is concerned.

One thread writes, so a newer projection is never overwritten by an older one. What could not be
stored is stored later; besides, every world is stored again once per resync, which mends what a
Redis that lost writes, or a worker that wrote an older object, has left behind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from analysis import cadence
from analysis.effects import Lane
from clients import errors
from clients.clock import Clock
from clients.documents import world as worlds
from clients.documents.world import World
from clients.redis.store import Store
from config.refs import CanaryRef
from scheduler import projections
from scheduler.backlog import Backlog
from tasks.gather import is_our_write
from tasks.queues import Dispatcher

log = logging.getLogger(__name__)

PACE: Final = timedelta(milliseconds=5)
"""Spread per canary of first looks: 200 a second, which a single analysis worker keeps up with."""

Drift = tuple[CanaryRef, Lane]
"""A lane of a canary whose objects are perhaps not as wanted any more."""

DRIFT_HOLD: Final = timedelta(seconds=0.5)
"""How long a changed object is left alone: our own writes are seen before their writers have said
so, and most changes are our own."""

DRIFT_PAUSE: Final = timedelta(seconds=2)
"""Between two looks at one lane of a canary for drift. Somebody who writes back whatever we
mend is answered at this pace, not at that of his writes."""

LONGEST_SPREAD: Final = timedelta(seconds=10)
"""The shortest analysis interval: no rollout misses a check by having been spread."""


class Publisher:
    """Writes worlds. `step` is for one thread, `refresh` for any.

    Every write carries the term in which its step began: the store refuses what a superseded
    leader sends, however late it comes.
    """

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        backlog: Backlog,
        clock: Clock,
        *,
        term: Callable[[], int | None],
        resync: timedelta,
        namespace: str | None = None,
    ) -> None:
        """`term` is None when this process must not write; `namespace` is the only one watched."""
        self._store = store
        self._dispatcher = dispatcher
        self._backlog = backlog
        self._clock = clock
        self._current_term = term
        self._term = 0
        self._namespace = namespace
        self._resync = resync.total_seconds()
        self._round: list[CanaryRef] = []
        self._round_size, self._round_began = 0, clock.monotonic()
        self._drifts: dict[Drift, set[str]] = {}
        self._seen: dict[Drift, float] = {}
        self._nudged: dict[Drift, float] = {}
        self._wanted = threading.Event()
        self._wanted.set()
        self._confirmed = False

    def refs(self) -> frozenset[CanaryRef]:
        """All canaries."""
        return self._backlog.refs()

    def refresh(self) -> None:
        """Have everything stored again, by the next step: Redis may hold nothing, or other news."""
        self._wanted.set()

    @property
    def confirmed(self) -> bool:
        """Whether everything was stored, and confirmed, since it was last asked for."""
        return self._confirmed and not self._wanted.is_set()

    def step(self) -> None:
        """Stores all there is to store.

        Raises the errors of the store, Conflict when another process may be storing by now; what
        was not stored is kept for later.
        """
        self._term = self._check_lead()
        if self._wanted.is_set():
            self._store_everything()
        self._store_changes()
        self._go_round()
        self._send_nudges()

    # --- everything

    def _store_everything(self) -> None:
        """Brings a Redis in any condition up to date."""
        self._confirmed = False
        self._wanted.clear()
        try:
            # Before anything is stored, so that it is noticed if Redis loses it meanwhile.
            epoch = self._store.open_epoch(self._term)
            self._remember_good_manifests()
            listed = self._store.agenda()
            for ref in sorted(self._backlog.refs()):
                self._write(ref, self._backlog.take_whole(ref), wakes=ref in listed)
                # Not before the world is there: a look at nothing would take the canary for
                # deleted. States and due times may be old ones, too, in an epoch that is new.
                if ref not in listed or not epoch.already_confirmed:
                    self._poke_in_turn(ref)
            self._forget_others(listed)
            self._confirmed = self._store.confirm_epoch(self._term, epoch)
        finally:
            if not self._confirmed:
                self._wanted.set()

    def _remember_good_manifests(self) -> None:
        """Takes over what an earlier leader knew of canaries that have been edited badly since."""
        for ref in self._backlog.unsettled():
            self._backlog.adopt(ref, self._store.read(ref).world.canary)

    def _poke_in_turn(self, ref: CanaryRef) -> None:
        spread = min(LONGEST_SPREAD, PACE * len(self._backlog.refs()))
        at = self._store.now() + cadence.offset(ref, spread)
        self._store.poke(ref, at, term=self._term)

    def _forget_others(self, listed: Collection[CanaryRef]) -> None:
        """Drops canaries that were deleted while nobody watched."""
        known = self._backlog.refs()
        for ref in listed:
            if ref not in known and self._namespace in {None, ref.namespace}:
                self._check_lead()
                self._store.forget(ref, term=self._term)

    # --- what changed

    def _store_changes(self) -> None:
        while taken := self._backlog.take():
            self._write(*taken)

    def _write(
        self,
        ref: CanaryRef,
        world: World | None,
        roles: Collection[str] | None = None,
        *,
        wakes: bool = True,
    ) -> None:
        """Stores `roles` of a world (None: all there are), or that the canary is gone."""
        roles = self._backlog.roles if roles is None else roles
        try:
            self._check_lead()
            if world is None:
                self._store.forget(ref, term=self._term)
                return
            wake = projections.WAKING if wakes else ()
            changed = self._store.put_world(ref, world, roles, wake=wake, term=self._term)
        except ValueError as error:  # a number that JSON does not have, a text that is not Unicode
            log.warning("projection not stored", extra={"canary": str(ref), "error": str(error)})
            return
        except errors.ClientError:
            self._backlog.again(ref, roles)
            raise
        for lane, drifting in projections.drifting(changed).items() if wakes else ():
            self._drifts.setdefault((ref, lane), set()).update(drifting)
            self._seen.setdefault((ref, lane), self._clock.monotonic())

    def _send_nudges(self) -> None:
        """Has lanes looked at that may have drifted, once their time has come.

        Those that were looked at just now are kept for later.
        """
        now = self._clock.monotonic()
        since = now - DRIFT_PAUSE.total_seconds()
        self._nudged = {drift: at for drift, at in self._nudged.items() if at > since}
        held = now - DRIFT_HOLD.total_seconds()
        ripe = {
            drift
            for drift, roles in self._drifts.items()
            if self._seen[drift] <= held or worlds.CANARY in roles
        }
        for drift in sorted(ripe - self._nudged.keys()):
            self._check_lead()
            ref, lane = drift
            if not is_our_write(self._store.read(ref), self._drifts[drift]):
                self._dispatcher.reconcile([ref], lane)
                self._nudged[drift] = now
            del self._drifts[drift], self._seen[drift]

    def _go_round(self) -> None:
        """Stores again the worlds whose turn it is: all of them, evenly, within a resync."""
        elapsed = (self._clock.monotonic() - self._round_began) / self._resync
        if not self._round and elapsed >= 1:
            listed = self._store.agenda()
            self._round, elapsed = sorted(self._backlog.refs(), reverse=True), 0.0
            self._round_size, self._round_began = len(self._round), self._clock.monotonic()
            latest = self._latest()
            for ref in self._backlog.refs():
                if ref not in listed or listed[ref] > latest:
                    self._poke_in_turn(ref)
            # A tick that was queued when its canary went puts it on the agenda again.
            self._forget_others(listed)
        rest = self._round_size - round(self._round_size * min(1.0, elapsed))
        due, self._round = self._round[rest:], self._round[:rest]
        for ref in reversed(due):
            world = self._backlog.take_whole(ref)
            self._write(ref, world)
            if world and self._is_behind(ref, world):
                self._check_lead()
                self._dispatcher.reconcile([ref], Lane.WORKLOAD)

    def _latest(self) -> datetime:
        """When everybody is looked at again, if Redis' clock was not ahead at some time."""
        return self._store.now() + timedelta(seconds=self._resync * (1 + 2 * cadence.TOLERANCE))

    def _is_behind(self, ref: CanaryRef, world: World) -> bool:
        """Whether workloads show less than what we once wrote.

        For a moment that is the watch's delay. When the API server's store was restored from older
        data it stays, until the reconciler confirms what there is.
        """
        confirmed = self._store.read(ref).confirmed.seeing(world)
        written = (confirmed.target_generation, confirmed.primary_generation)
        views = (world.target, world.primary)
        pairs = zip(views, written, strict=True)
        return any(view is not None and view.generation < least for view, least in pairs)

    def _check_lead(self) -> int:
        """The term. Raises Conflict, sparing the store the question, when it is over."""
        term = self._current_term()
        if term is None:
            raise errors.Conflict("the lease is not held: another process may be storing")
        return term
