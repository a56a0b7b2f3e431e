"""Calls that run side by side and are waited for only so long."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from clients.clock import Clock

_Argument = TypeVar("_Argument", bound=Hashable)
_Result = TypeVar("_Result")


class Fanout(Generic[_Argument, _Result]):
    """Calls `call` for whatever is added; its threads end when there is nothing left to do.

    Each pool has threads of its own, `threads` at most: one whose calls hang keeps no other
    waiting. The threads are daemons: a call that never ends keeps neither the caller nor the
    process. `call` raises nothing but defects, which end `waves`.
    """

    def __init__(self, call: Callable[[_Argument], _Result], clock: Clock, *, threads: int) -> None:
        self._call = call
        self._clock = clock
        self._threads = threads
        self._work: defaultdict[Hashable, SimpleQueue[_Argument]] = defaultdict(SimpleQueue)
        self._running: defaultdict[Hashable, int] = defaultdict(int)
        self._done: SimpleQueue[tuple[_Argument, _Result | Exception]] = SimpleQueue()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._awaited = 0

    def add(self, pool: Hashable, argument: _Argument) -> None:
        """Has `call` called with `argument`, by a thread of `pool`. For one thread only."""
        self._awaited += 1
        with self._lock:
            self._work[pool].put(argument)
            if self._running[pool] == self._threads:
                return
            self._running[pool] += 1
        threading.Thread(target=self._serve, args=(pool,), name="fanout", daemon=True).start()

    def waves(self, within: timedelta, together: timedelta) -> Iterator[dict[_Argument, _Result]]:
        """What the calls gave, as it comes; no more once all are done, or the time is up.

        Whatever is done `together` with the first of a wave is in it, so that few slow calls make
        few waves. What has not begun when the time is up never does. More may be added between
        two waves.
        """
        end = self._clock.monotonic() + within.total_seconds()
        try:
            while self._awaited and (wave := self._wave(end, together.total_seconds())):
                yield wave
        finally:
            self._over.set()

    def _wave(self, end: float, together: float) -> dict[_Argument, _Result]:
        wave: dict[_Argument, _Result] = {}
        until = end
        while self._awaited:
            try:
                argument, result = self._done.get(timeout=max(0.0, until - self._clock.monotonic()))
            except Empty:
                break
            self._awaited -= 1
            if isinstance(result, Exception):
                raise result
            if not wave:
                until = min(end, self._clock.monotonic() + together)
            wave[argument] = result
        return wave

    def _serve(self, pool: Hashable) -> None:
        while (argument := self._next(pool)) is not None:
            result: _Result | Exception
            try:
                result = self._call(argument)
            except Exception as error:  # noqa: BLE001 - raised where the waves are waited for
                result = error
            self._done.put((argument, result))

    def _next(self, pool: Hashable) -> _Argument | None:
        with self._lock:
            try:
                if not self._over.is_set():
                    return self._work[pool].get_nowait()
            except Empty:
                pass
            self._running[pool] -= 1
            return None
