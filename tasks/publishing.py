"""The Dispatcher over Celery: the only place that puts messages into queues."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery
from kombu.exceptions import OperationalError

from analysis.effects import Lane
from clients import errors
from clients.clock import Clock, SystemClock
from clients.redis import failures
from clients.redis.records import Asked
from config import batches
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from tasks import queues
from tasks.messages import HookMessage, NudgeMessage

LONGEST_QUEUE: Final = 50_000
"""Messages, some 50 MB. Nobody serves a queue that long; what is wanted is asked for again."""

GAUGE_SECONDS: Final = 1.0
"""How long the length of a queue is believed."""

LONGEST_SHOWN: Final = 1024
"""Characters of a message's arguments that Flower shows, as Celery has it."""

log = logging.getLogger(__name__)


class CeleryDispatcher:
    """Publishes through `app`; safe to share by threads.

    A queue longer than `longest` gets nothing more until it is served.
    """

    def __init__(
        self, app: Celery, clock: Clock | None = None, *, longest: int = LONGEST_QUEUE
    ) -> None:
        self._app = app
        self._clock = clock or SystemClock()
        self._longest = longest
        self._gauged: dict[str, tuple[float, bool]] = {}

    def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:
        """See `queues.Dispatcher`, as for the others."""
        self._send(queues.TICK, NudgeMessage(tuple(refs)).dump(), rank)

    def reconcile(
        self,
        refs: Sequence[CanaryRef],
        lane: Lane,
        rank: Rank,
        *,
        if_due: bool = False,
    ) -> None:
        """Puts nudges into the queue of `lane`."""
        most = batches.INITIALIZED if rank is Rank.INITIALIZATION else len(refs)
        for some in batches.parts(refs, most):
            self._send(queues.LANES[lane], NudgeMessage(tuple(some), if_due).dump(), rank)

    def call(self, asked: Sequence[Asked], rank: Rank) -> None:
        """Puts calls into the queue of webhooks."""
        for some in batches.parts(asked, batches.CALLED):
            self._send(queues.CALL, HookMessage(tuple(some)).dump(), rank)

    def waiting(self) -> Mapping[Queue, int]:
        """How many messages wait, by queue, of whatever priority."""
        with _translated():
            return {queue: self._length(queue) for queue in Queue}

    def _send(self, name: str, message: dict[str, Any], rank: Rank) -> None:
        with _translated():
            if not self._is_full(name):
                self._app.send_task(
                    name,
                    args=(message,),
                    # For Flower. Celery's own way of saying it takes as long as the rest of this.
                    argsrepr=repr((message,))[:LONGEST_SHOWN],
                    kwargsrepr="{}",
                    declare=(),  # whoever takes messages declares the queue; this puts into it
                    priority=queues.PRIORITIES[rank],
                )

    def _is_full(self, name: str) -> bool:
        """Whether the queue of the task `name` was too long a moment ago."""
        queue, now = queues.QUEUES[name], self._clock.monotonic()
        at, full = self._gauged.get(queue, (now - GAUGE_SECONDS, False))
        if now - at >= GAUGE_SECONDS:
            waiting = self._length(queue)
            full = waiting >= self._longest
            if full:
                extra = {"queue": queue, "waiting": waiting}
                log.error("queue is full, is it served? messages dropped", extra=extra)
            self._gauged[queue] = now, full
        return full

    def _length(self, queue: str) -> int:
        with self._app.producer_or_acquire() as producer:
            return int(producer.channel.queue_declare(queue).message_count)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        with failures.translated("publishing"):
            yield
    except OperationalError as error:
        raise errors.Transient(f"publishing: {error}") from error
