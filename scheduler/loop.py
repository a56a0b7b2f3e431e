"""The beat without Celery: lead or stand by, watch, and have a tick queued for whatever is due."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from clients import backoff, errors, instruments
from clients.clock import Clock
from clients.instruments import SILENT, Instruments
from clients.redis.store import Store
from config.realms import Realm
from config.settings.groups import SchedulerSettings
from scheduler.batching import Batch, batches
from scheduler.entries import Standing
from scheduler.health import Health, Role
from scheduler.lateness import Lateness
from scheduler.leadership import RENEWALS, Leadership
from scheduler.timekeeping import Timekeeper
from scheduler.watching import WatchSide
from tasks.queues import Dispatcher

log = logging.getLogger(__name__)

GATHER: Final = 0.03
"""Least seconds between two looks at the agenda: of many changes those that come together are
published together, and one that comes alone does not wait."""

BUSY_GATHER: Final = 0.2
"""The same after a look that found many: a job of one costs several times its share of a large
one, and nobody is in time when all are alone."""

MANY: Final = 5
"""Canaries due at one look that make a busy time."""

REST: Final = 1.0
"""Seconds between two looks while all canaries are at rest: what happens to one is seen by the
watch, which wakes the beat. Less where the lease has to be renewed more often."""

STANDBY_PAUSE: Final = 1.0
"""Seconds between a standby's attempts: with a lease of 5 s, a silent beat is replaced in 6 s."""

LONGEST_PAUSE: Final = 1.0
"""Seconds between attempts while Redis or the queue is away."""

FAREWELL: Final = timedelta(seconds=1)
"""How long a beat that ends waits for its watches to notice."""

REPEAT: Final = 60.0
"""Seconds after which it is logged again that this beat must not lead."""


class Loop:
    """One beat process, of which any number may run. `step` is for one thread, `health` for any."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        watch: Callable[[Callable[[], int | None]], WatchSide],
        *,
        clock: Clock,
        holder: str,
        settings: SchedulerSettings,
        tell: Instruments = SILENT,
    ) -> None:
        """`watch` makes a watch side, given what tells it in whose term it may still write."""
        self._store = store
        self._dispatcher = dispatcher
        self._watch = watch
        self._clock = clock
        self._settings = settings
        self._tell = tell
        self._shard = settings.shard
        self._leadership = Leadership(store, holder, settings.beat_lease, clock, settings.shard)
        self._timekeeper = Timekeeper(store, clock)
        self._refused_at: float | None = None
        self._side: WatchSide | None = None
        self._term: int | None = None
        self._claimed: deque[Batch] = deque()
        self._lateness = Lateness(store, dispatcher, clock, settings.shard)
        self._claimed_at: float | None = None
        self._turned_at = clock.monotonic()
        self._is_busy = False
        self._failures = 0

    def represent(self, realm: Realm) -> None:
        """Has this beat lead no Redis that another installation uses; before the first step."""
        self._leadership.represent(realm)

    def step(self) -> float:
        """Seconds until the next step is due; does what is due now. Raises nothing expected."""
        self._turned_at = self._clock.monotonic()
        try:
            self._timekeeper.look()
            wait = self._lead() if self._leadership.keep() else self._stand_by()
        except errors.ClientError as error:
            return self._fail(error)
        if self._failures:
            log.info("beating again")
            self._failures = 0
        return wait

    def wait(self, seconds: float) -> None:
        """Comes back after the time, or earlier when something was stored that calls for a step."""
        if self._side is None:
            self._clock.sleep(seconds)
        elif self._is_busy:
            self._clock.sleep(BUSY_GATHER)
        elif self._side.wait(seconds):
            since = self._clock.monotonic() - (self._claimed_at or 0.0)
            self._clock.sleep(max(0.0, GATHER - since))

    def close(self) -> None:
        """Ends watching and publishing, then lets another beat take over."""
        self._step_down(FAREWELL)
        try:
            self._leadership.resign()
        except errors.ClientError as error:
            log.warning("lease not released; it ends by itself", extra={"error": error.message})

    def health(self) -> Health:
        """How this beat is doing."""
        side, claimed_at, now = self._side, self._claimed_at, self._clock.monotonic()
        return Health(
            role=Role.LEADER if side is not None and self._leadership.term() else Role.STANDBY,
            synced=side is not None and side.synced,
            redis=not self._failures,
            claimed_seconds_ago=None if claimed_at is None else now - claimed_at,
            still_seconds=now - self._turned_at,
            watches=side.contacts() if side else (),
            shard=str(self._shard),
            refusal=self._leadership.refusal,
        )

    def census(self) -> tuple[Standing, ...] | None:
        """All canaries of this shard; None unless this process leads, with a full picture."""
        side = self._side
        if side is None or self._leadership.term() is None or not side.synced:
            return None
        return side.census()

    # --- leading

    def _lead(self) -> float:
        side = self._watching()
        self._publish()
        stored = side.confirmed
        most = self._settings.max_in_flight if stored else 0
        claimed = self._store.claim(most, self._settings.tick_lease, self._shard)
        self._claimed_at = self._clock.monotonic()
        self._claimed.extend(batches(claimed.by_rank))
        self._is_busy = sum(map(len, claimed.by_rank.values())) >= MANY
        is_lost = claimed.canaries == 0 and side.has_canaries  # the agenda alone
        if stored and (is_lost or not claimed.confirmed):
            log.warning("redis was emptied, restarted or failed over; storing everything again")
            self._leadership.renew()
            side.refresh()
        self._publish()
        self._lateness.tell()
        return self._pause(is_at_rest=claimed.busy == 0 and side.confirmed)

    def _pause(self, *, is_at_rest: bool) -> float:
        """Seconds until the next look at the agenda, should nothing happen."""
        poll, renewal = self._settings.agenda_poll, self._settings.beat_lease / RENEWALS
        longest = min(REST, renewal.total_seconds()) if is_at_rest else 0.0
        return max(poll.total_seconds(), longest)

    def _watching(self) -> WatchSide:
        """The watch side of this term.

        It outlives a lease lost to an outage of Redis: what it remembers of manifests, nobody
        else may know.
        """
        side = self._side
        if side is None:
            log.info("leading")
            self._side = side = self._watch(self._leadership.term)
            side.start()
        elif self._term != self._leadership.term():
            self._claimed.clear()
            side.refresh()
        self._term = self._leadership.term()
        return side

    def _publish(self) -> None:
        """Queues ticks for the canaries claimed. What is left on an error is queued next time."""
        while self._claimed:
            if self._leadership.term() is None:
                return
            rank, refs = self._claimed[0]
            self._dispatcher.tick(refs, rank)
            self._claimed.popleft()

    # --- not leading

    def _stand_by(self) -> float:
        if self._side is not None:
            log.warning("no longer leading")
            self._tell.add(instruments.TERMS_LOST)
            self._step_down(timedelta(0))
        if self._leadership.refusal:
            self._tell_refusal(self._leadership.refusal)
        return STANDBY_PAUSE

    def _tell_refusal(self, refusal: str) -> None:
        now = self._clock.monotonic()
        if self._refused_at is None or now - self._refused_at >= REPEAT:
            log.error("not leading", extra={"error": refusal})
            self._refused_at = now

    def _step_down(self, wait: timedelta) -> None:
        # What was claimed and not queued is due again by itself.
        self._claimed.clear()
        side, self._side = self._side, None
        if side is not None:
            side.stop(wait)

    def _fail(self, error: errors.ClientError) -> float:
        if not self._failures:
            extra = {"kind": type(error).__name__, "error": error.message}
            log.warning("not beating", extra=extra)
        self._failures += 1
        poll = self._settings.agenda_poll.total_seconds()
        return backoff.doubling(self._failures + 1, poll, LONGEST_PAUSE)
