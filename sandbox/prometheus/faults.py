"""Faults a test or a demo injects into the metrics server: what the next queries answer instead.

Only instant and range queries are affected: health and metadata keep answering.
"""

import threading
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """Answer with this HTTP status (4xx or 5xx) and an error body."""

    code: int
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Wait this long, then answer as usual."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Empty:
    """Answer successfully with an empty vector (or matrix)."""


@dataclass(frozen=True, slots=True)
class NotANumber:
    """Answer successfully with every value replaced by NaN."""


Fault = HttpStatus | Hang | Empty | NotANumber


class Faults:
    """A queue of faults, one per query; safe to use from many threads."""

    def __init__(self) -> None:
        """No faults."""
        self._pending: deque[Fault] = deque()
        self._lock = threading.Lock()

    def add(self, fault: Fault, times: int = 1) -> None:
        """Let `fault` befall the next `times` queries, after the faults already queued."""
        with self._lock:
            self._pending.extend([fault] * times)

    def clear(self) -> None:
        """Forget all faults not yet used."""
        with self._lock:
            self._pending.clear()

    def take(self) -> Fault | None:
        """The fault for the query being answered, or None; it is used up."""
        with self._lock:
            return self._pending.popleft() if self._pending else None
