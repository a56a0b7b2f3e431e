"""How services ask each other for work: a protocol, so that tests can lose and repeat messages."""

from __future__ import annotations

from typing import Protocol

from analysis.effects import Lane
from config.refs import CanaryRef


class Dispatcher(Protocol):
    """Puts messages into queues; returns before anything has happened.

    Raises clients.errors.Transient when the broker is away. Delivery is not promised: whoever
    needs an effect asks for it again until it is confirmed.
    """

    def tick(self, ref: CanaryRef) -> None:
        """Have the canary looked at."""
        ...

    def reconcile(self, ref: CanaryRef, lane: Lane) -> None:
        """Have the reconciler of a lane look at the canary."""
        ...

    def call(self, ref: CanaryRef, round_id: int, key: str) -> None:
        """Have one hook of a round called."""
        ...
