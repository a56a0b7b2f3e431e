"""When to stop asking a server that does not answer, and when to try again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from clients.clock import Clock

#: Failures in a row that open the circuit.
FAILURES: Final = 3
#: How long an open circuit answers for the server before one request may try again.
COOL_DOWN: Final = timedelta(seconds=10)


class Breaker:
    """The memory of one server's failures; safe to share by threads.

    Closed, it lets everything through. After `failures` in a row it opens, if the server is down
    indeed and was not only asked too much by somebody: requests fail at once with the last cause.
    When `cool_down` has passed, one request at a time may try; its success closes the circuit, its
    failure keeps it open for another `cool_down`.
    """

    def __init__(
        self, clock: Clock, failures: int = FAILURES, cool_down: timedelta = COOL_DOWN
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._cool_down = cool_down.total_seconds()
        self._lock = threading.Lock()
        self._count = 0
        self._confirming = False
        self.cause = ""
        """What the last failure said that counted towards opening it."""
        self._retry_at = 0.0

    def refusal(self) -> str | None:
        """Why the server is not asked now; None when it may be, which must be reported back."""
        with self._lock:
            now = self._clock.monotonic()
            if self._count < self._limit:
                return None
            if now >= self._retry_at:
                self._retry_at = now + self._cool_down  # one try; the others wait for its outcome
                return None
            return f"not asked after {self._count} failures in a row, the last one: {self.cause}"

    def succeeded(self) -> None:
        """The server answered, whatever it said."""
        with self._lock:
            self._count = 0

    def failed(self, cause: str, is_down: Callable[[], bool] = lambda: True) -> None:
        """The server could not be reached or could not do its work.

        `is_down` is asked, outside of the lock and by one thread at a time, before it opens.
        """
        with self._lock:
            if self._confirming:
                return
            if self._count + 1 < self._limit:
                self._count += 1
                return
            self._confirming = True
        down = False
        try:
            down = is_down()
        finally:
            with self._lock:
                self._confirming = False
                self._count = self._count + 1 if down else 0
                self.cause = cause
                self._retry_at = self._clock.monotonic() + self._cool_down
