"""A token bucket: how many requests a client sends per second, and how many at once."""

from __future__ import annotations

import threading

from clients.clock import Clock


class TokenBucket:
    """`rate` requests per second on average, `burst` ≥ 1 of them without waiting.

    Safe to share by threads; those who wait are served in the order they came.

    Raises ValueError for a rate or burst that lets nothing through.
    """

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"rate {rate} and burst {burst}: allowed are > 0 and >= 1")
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock.monotonic()
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Return when the next request may be sent."""
        self._clock.sleep(self._reserve())

    def _reserve(self) -> float:
        """Take a token, on credit if need be; the seconds until it is there."""
        with self._lock:
            now = self._clock.monotonic()
            gained = (now - self._at) * self._rate
            self._tokens = min(float(self._burst), self._tokens + gained) - 1
            self._at = now
            return max(0.0, -self._tokens / self._rate)
