"""Calls that run side by side and are waited for only so long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import timedelta
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from clients.clock import Clock
from clients.fair_threads import FairThreads
from config.refs import CanaryRef

_Argument = TypeVar("_Argument", bound=Hashable)
_Result = TypeVar("_Result")

TOGETHER_SECONDS: Final = 0.05
"""How long answers wait for each other, so that few slow calls make few waves."""


class Fanout(Generic[_Argument, _Result]):
    """Has `call` made for whatever is added, by threads that are shared with others.

    What has not begun `within` the time that begins now never does. `call` raises nothing but
    defects, which end the waves. For one thread only.
    """

    def __init__(
        self, call: Callable[[_Argument], _Result], clock: Clock, within: timedelta
    ) -> None:
        self._call = call
        self._clock = clock
        self._end = clock.monotonic() + within.total_seconds()
        self._done: SimpleQueue[tuple[_Argument, _Result | Exception]] = SimpleQueue()
        self._over = threading.Event()
        self._awaited = 0
        self.waiting: set[_Argument] = set()
        """What has not begun."""

    def add(self, threads: FairThreads, owner: CanaryRef, argument: _Argument) -> None:
        """Has `call` called with `argument`, for `owner`."""
        self._awaited += 1
        self.waiting.add(argument)
        threads.submit(owner, partial(self._carry_out, argument))

    def close(self) -> None:
        """Has nothing begun any more."""
        self._over.set()

    def is_late(self) -> bool:
        """Whether the time is up."""
        return self._clock.monotonic() >= self._end

    def wave(self, until: float | None = None) -> dict[_Argument, _Result]:
        """What the next call gave, with whatever is done together with it.

        Nothing when the time was up before, or `until`, a moment of the monotonic clock.
        """
        wave: dict[_Argument, _Result] = {}
        if not self._awaited and until is not None:
            self._clock.sleep(max(0.0, until - self._clock.monotonic()))
        until = self._end if until is None else min(until, self._end)
        while self._awaited:
            try:
                argument, result = self._done.get(timeout=max(0.0, until - self._clock.monotonic()))
            except Empty:
                break
            self._awaited -= 1
            if isinstance(result, Exception):
                raise result
            if not wave:
                until = min(self._end, self._clock.monotonic() + TOGETHER_SECONDS)
            wave[argument] = result
        return wave

    def _carry_out(self, argument: _Argument) -> None:
        if self._over.is_set():
            return
        self.waiting.discard(argument)
        result: _Result | Exception
        try:
            result = self._call(argument)
        except Exception as error:  # noqa: BLE001 - raised where the waves are waited for
            result = error
        self._done.put((argument, result))
