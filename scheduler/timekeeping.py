"""Watches Redis' clock by that of this machine, which never leaps."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from clients.clock import Clock
from clients.redis.store import Store

log = logging.getLogger(__name__)


LEAST: Final = timedelta(seconds=10)
"""What counts as a leap; as in `clients/redis/lua/keep_time.lua`."""


class Timekeeper:
    """One of any number of them: whoever notices a leap first has it counted."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._told: datetime | None = None
        self._asked_at = self._heard_at = 0.0

    def look(self) -> None:
        """Has a leap since the last look counted. Raises the errors of the store."""
        asked_at = self._clock.monotonic()
        now, is_unknown = self._store.keep_time()
        heard_at = self._clock.monotonic()
        if is_unknown:
            self._find_out(now, asked_at, heard_at)
        self._told, self._asked_at, self._heard_at = now, asked_at, heard_at

    def _find_out(self, now: datetime, asked_at: float, heard_at: float) -> None:
        """Compares `now` with what it should be.

        A server may be silent before it answers: what it says is of any moment between.
        """
        leapt = timedelta(0)
        if self._told is not None:
            least = self._told + timedelta(seconds=asked_at - self._heard_at)
            most = self._told + timedelta(seconds=heard_at - self._asked_at)
            leapt = now - min(max(now, least), most)
        self._store.keep_time(leapt)
        if abs(leapt) >= LEAST:
            extra = {"seconds": round(leapt.total_seconds(), 1)}
            log.warning("redis' clock has leapt; what is planned goes along", extra=extra)
