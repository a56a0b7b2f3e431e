"""Whose worlds are stored again: all of them, evenly, within a resync. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from analysis import cadence
from clients.clock import Clock
from config.refs import CanaryRef


class Turns:
    """One turn after the other, each as long as a resync. For one thread."""

    def __init__(self, clock: Clock, resync: timedelta) -> None:
        self._clock = clock
        self._length = resync.total_seconds()
        self._number, self._size, self._began = 0, 0, clock.monotonic()
        self._left: list[CanaryRef] = []
        """Those whose worlds are yet to be stored again in this turn, the next one last."""

    def is_over(self) -> bool:
        """Whether it is time for the next turn."""
        return not self._left and self._elapsed() >= 1

    def begin(self, refs: Iterable[CanaryRef], busy: Collection[CanaryRef], every: int) -> None:
        """Begins the next turn: of all `busy`, and of the others in one of so many turns."""
        self._number += 1
        self._left = [
            ref
            for ref in sorted(refs, reverse=True)
            if ref in busy or cadence.turn(ref, every) == self._number % every
        ]
        self._size, self._began = len(self._left), self._clock.monotonic()

    def due(self) -> list[CanaryRef]:
        """Those whose moment in this turn has come; each is given once."""
        rest = self._size - round(self._size * min(1.0, self._elapsed()))
        due, self._left = self._left[rest:], self._left[:rest]
        return due[::-1]

    def _elapsed(self) -> float:
        """The share of the turn that is over."""
        return (self._clock.monotonic() - self._began) / self._length
