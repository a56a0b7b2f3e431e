"""The Dispatcher over Celery: the only place that puts messages into queues."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery, chord
from kombu.exceptions import OperationalError

from analysis.effects import Lane
from clients import errors
from clients.clock import Clock, SystemClock
from config.refs import CanaryRef
from tasks import queues
from tasks.messages import Answers, HookMessage, Nudge

_TASKS: Final = {
    Lane.ROUTE: queues.ROUTE,
    Lane.WORKLOAD: queues.WORKLOAD,
    Lane.STATUS: queues.STATUS,
}

EXPIRY_SECONDS: Final = 60
"""A nudge that nobody took for a minute is dropped: the agenda has asked again meanwhile, and
workers that come back should not start with a heap of old news."""

TICK_EXPIRY_SECONDS: Final = 10
"""A tick sooner: the agenda asks again when the tick lease (8 s) ends. Compared by the clocks of
beat and worker, which must agree to within a few seconds."""

LONGEST_QUEUE: Final = 50_000
"""Messages, some 50 MB. Nobody serves a queue that long; what is wanted is asked for again."""

GAUGE_SECONDS: Final = 1.0
"""How long the length of a queue is believed."""

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

    def tick(self, ref: CanaryRef) -> None:
        """Have the canary looked at."""
        self._send(queues.TICK, Nudge(ref).dump(), TICK_EXPIRY_SECONDS)

    def reconcile(self, ref: CanaryRef, lane: Lane) -> None:
        """Have the reconciler of a lane look at the canary."""
        self._send(_TASKS[lane], Nudge(ref).dump(), EXPIRY_SECONDS)

    def hooks(self, ref: CanaryRef, round_id: int, count: int) -> None:
        """Have the hooks of a round called in parallel, and their answers concluded from."""
        calls = [
            self._signature(queues.CALL, HookMessage(ref, round_id, index).dump())
            for index in range(count)
        ]
        conclusion = self._signature(queues.CONCLUDE, Answers(ref, round_id).dump())
        with _translated():
            if not self._is_full(queues.CALL):
                chord(calls, app=self._app)(conclusion)

    def _signature(self, name: str, message: dict[str, Any]) -> Any:
        return self._app.signature(name, args=(message,), **queues.ROUTES[name])

    def _send(self, name: str, message: dict[str, Any], expires: float) -> None:
        with _translated():
            if not self._is_full(name):
                self._app.send_task(name, args=(message,), expires=expires)

    def _is_full(self, name: str) -> bool:
        """Whether the queue of the task `name` was too long a moment ago."""
        queue, now = queues.ROUTES[name]["queue"], self._clock.monotonic()
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
    """Raises Transient for whatever a broker or result store that is away makes of a message."""
    try:
        with errors.translated("publishing"):
            yield
    except OperationalError as error:
        raise errors.Transient(f"publishing: {error}") from error
