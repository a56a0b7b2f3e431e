"""When a request may be sent: a token bucket per client, and the deadline of whoever asks."""

from __future__ import annotations

import threading
from typing import Final

from clients import errors
from clients.clock import Clock

LEAST: Final = 0.1
"""Seconds that must be left for a call to be worth sending."""


def time_left(deadline: float, clock: Clock, doing: str) -> float:
    """Seconds until `deadline`, infinite for none. Raises Transient when it is too late to send."""
    left = deadline - clock.monotonic()
    if left < LEAST:
        raise errors.Transient(f"{doing}: not sent: the calls before took too long")
    return left


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
