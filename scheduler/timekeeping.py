"""Watches Redis' clock by that of this machine, which never leaps."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from clients.clock import Clock
from clients.redis.store import Store

log = logging.getLogger(__name__)


class Timekeeper:
    """One of any number of them: whoever notices a leap first has it counted."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._told: datetime | None = None
        self._asked_at = 0.0

    def look(self) -> None:
        """Has a leap since the last look counted. Raises the errors of the store."""
        now = self._clock.monotonic()
        expected = self._told and self._told + timedelta(seconds=now - self._asked_at)
        self._told, leapt = self._store.keep_time(expected)
        self._asked_at = now
        if leapt:
            extra = {"seconds": round(leapt.total_seconds(), 1)}
            log.warning("redis' clock has leapt; what is planned goes along", extra=extra)
