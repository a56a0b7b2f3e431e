"""The Dispatcher over Celery: the only place that puts messages into queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery, chord
from kombu.exceptions import OperationalError

from analysis.effects import Effect
from clients import errors
from config.refs import CanaryRef
from tasks import queues
from tasks.messages import Answers, HookMessage, Nudge

_BRINGS_ABOUT: Final = {
    Effect.ROUTE: queues.APPLY,
    Effect.WORKLOAD: queues.CONVERGE,
    Effect.REPORT: queues.PROJECT,
}

EXPIRY_SECONDS: Final = 60
"""A nudge that nobody took for a minute is dropped: the agenda has asked again meanwhile, and
workers that come back should not start with a heap of old news."""


class CeleryDispatcher:
    """Publishes through `app`; safe to share by threads."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def tick(self, ref: CanaryRef) -> None:
        """Have the canary looked at."""
        self._send(queues.TICK, Nudge(ref).dump())

    def effect(self, ref: CanaryRef, effect: Effect) -> None:
        """Have an effect brought about."""
        self._send(_BRINGS_ABOUT[effect], Nudge(ref).dump())

    def hooks(self, ref: CanaryRef, round_id: int, count: int) -> None:
        """Have the hooks of a round called in parallel, and their answers concluded from."""
        calls = [
            self._signature(queues.CALL, HookMessage(ref, round_id, index).dump())
            for index in range(count)
        ]
        conclusion = self._signature(queues.CONCLUDE, Answers(ref, round_id).dump())
        with _translated():
            chord(calls, app=self._app)(conclusion)

    def _signature(self, name: str, message: dict[str, Any]) -> Any:
        return self._app.signature(name, args=(message,), **queues.ROUTES[name])

    def _send(self, name: str, message: dict[str, Any]) -> None:
        with _translated():
            self._app.send_task(name, args=(message,), expires=EXPIRY_SECONDS)


@contextmanager
def _translated() -> Iterator[None]:
    """Raises Transient for whatever a broker or result store that is away makes of a message."""
    try:
        with errors.translated("publishing"):
            yield
    except OperationalError as error:
        raise errors.Transient(f"publishing: {error}") from error
