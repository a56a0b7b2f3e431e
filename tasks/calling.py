"""The calls of one batch that run side by side, by threads that all batches share."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final

from config.refs import CanaryRef

THREADS: Final = 32
"""Calls of one batch that run side by side."""

MOST_THREADS: Final = 16 * THREADS
"""Those of all batches: as many as a process has jobs at once by default may be stuck altogether
before another one waits. There are only as many as are needed at a time, mostly a few."""

QUICK: Final = 8
"""Of these, calls that may all be quick ones. More would only wait for the interpreter, which each
needs for most of its time, and would have it handed around among them for a tenth of the costs."""

PATIENCE_SECONDS: Final = 0.25
"""How long a call waits for one of those to end: behind slow ones it goes ahead. Where
everything is slow, because the machine is busy, more of them would make it slower still."""

Call = Callable[[], Any]


@dataclass(slots=True)
class Calls:
    """The calls of one batch that have not begun, and how many threads of the `pool` make them.

    Answers come into `done`, each after the canary that it is about.
    """

    pool: ThreadPoolExecutor
    quick: threading.Semaphore
    done: SimpleQueue[tuple[CanaryRef, Any]]
    waiting: deque[tuple[CanaryRef, Call]] = field(default_factory=deque)
    threads: int = 0
    changing: threading.Lock = field(default_factory=threading.Lock)

    def add(self, ref: CanaryRef, call: Call) -> None:
        """Has one more made, by and by."""
        with self.changing:
            self.waiting.append((ref, call))
        self._employ(QUICK)

    def make(self, ref: CanaryRef, call: Call) -> None:
        """Makes one at once."""
        try:
            self.done.put((ref, call()))
        except Exception as failure:  # noqa: BLE001 - it is told to the steps that asked
            self.done.put((ref, failure))

    def give_company(self) -> None:
        """Has more threads make them, since those that do are slow."""
        for _ in range(QUICK):
            self._employ(THREADS)

    def _employ(self, most: int) -> None:
        """Has one more thread make calls that have not begun, while there are fewer than `most`.

        Not one for each: a thread with its connections is a third of a MiB, and stays.
        """
        with self.changing:
            if not self.waiting or self.threads >= most:
                return
            self.threads += 1
        self.pool.submit(self._work)

    def _work(self) -> None:
        while call := self._next():
            had_turn = self.quick.acquire(timeout=PATIENCE_SECONDS)
            self.make(*call)
            if had_turn:
                self.quick.release()

    def _next(self) -> tuple[CanaryRef, Call] | None:
        with self.changing:
            if self.waiting:
                return self.waiting.popleft()
            self.threads -= 1
            return None
