"""How services ask each other for work: a protocol, so that tests can lose and repeat messages."""

from __future__ import annotations

from typing import Protocol

from analysis.effects import Effect
from config.refs import CanaryRef


class Dispatcher(Protocol):
    """Puts messages into queues; returns before anything has happened.

    Raises clients.errors.Transient when the broker is away. Delivery is not promised: whoever
    needs an effect asks for it again until it is confirmed.
    """

    def tick(self, ref: CanaryRef) -> None:
        """Have the canary looked at."""
        ...

    def effect(self, ref: CanaryRef, effect: Effect) -> None:
        """Have an effect brought about."""
        ...

    def hooks(self, ref: CanaryRef, round_id: int, count: int) -> None:
        """Have `count` hooks of a round called, and their answers concluded from."""
        ...
