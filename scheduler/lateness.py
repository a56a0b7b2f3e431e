"""One log line a minute while anything is late, or nobody leads a part of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from clients.clock import Clock
from clients.redis.store import Store
from config.shards import Shard
from tasks.queues import Dispatcher

log = logging.getLogger(__name__)

LATE: Final = timedelta(seconds=2)
"""How long a canary may be due without being enqueued: twenty looks at what is due."""

LONG: Final = 25
"""Messages in one queue that a worker of one thread takes seconds for."""

BETWEEN_LOOKS: Final = 10.0
BETWEEN_LINES: Final = 60.0
"""Seconds."""


class Lateness:
    """Watches the agenda and the queues for the leader; costs a look every few seconds."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock, shard: Shard) -> None:
        self._store = store
        self._shard = shard
        self._dispatcher = dispatcher
        self._clock = clock
        self._next = clock.monotonic() + BETWEEN_LOOKS

    def tell(self) -> None:
        """Logs what is late, if anything is and a minute has passed since it was logged last.

        Raises the errors of the store and the queue.
        """
        now = self._clock.monotonic()
        if now < self._next:
            return
        late, alone = self._late(), self._leaderless()
        if late:
            log.warning("work is late", extra=late)
        if alone:
            log.warning("nobody leads these shards: their canaries wait", extra={"shards": alone})
        self._next = now + (BETWEEN_LINES if late or alone else BETWEEN_LOOKS)

    def _leaderless(self) -> list[str]:
        """The shards without a leader; a standby takes over within a look."""
        count = self._shard.count
        led = self._store.led() if count > 1 else {self._shard}
        return [str(each) for i in range(count) if (each := Shard(i, count)) not in led]

    def _late(self) -> Mapping[str, Any]:
        """What a line says; nothing when all is on time."""
        now = self._store.now()
        overdue, waiting = self._store.overdue(now - LATE), self._dispatcher.waiting()
        if not overdue and max(waiting.values(), default=0) <= LONG:
            return {}
        return {
            "queued": {str(queue): count for queue, count in waiting.items()},
            "due": {rank.name.lower(): each.count for rank, each in overdue.items()},
            "late_seconds": {
                rank.name.lower(): round((now - each.since).total_seconds(), 1)
                for rank, each in overdue.items()
            },
        }
