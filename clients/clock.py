"""Time as an argument: the system's clock, and one that a test moves by hand.

The only reader of the system's time. Times that processes compare with each other come from the
store's server, not from here.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where code gets its time from, and how it waits."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back. For durations and deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; zero and less return at once."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread; zero and less return at once."""
        if seconds > 0:
            time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is moved; sleeping moves it. Safe to share by threads.

    Raises ValueError for a start without a time zone, and for moving backwards.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"start {start.isoformat()} has no time zone")
        self._start = start.astimezone(UTC)
        self._elapsed = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The start plus all that was advanced and slept since."""
        with self._lock:
            return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds advanced and slept since the start."""
        with self._lock:
            return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Move the clock as if the thread had slept; zero and less change nothing."""
        self.advance(timedelta(seconds=max(0.0, seconds)))

    def advance(self, by: timedelta) -> None:
        """Move the clock forward."""
        if by < timedelta():
            raise ValueError(f"a clock cannot go back by {-by}")
        with self._lock:
            self._elapsed += by
