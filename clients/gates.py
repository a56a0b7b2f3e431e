"""Gates that people open and close: what is known of each, and where it is kept.

Kept in Redis for all replicas (`clients.redis.gates`), or in the memory of one process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Final, NamedTuple, Protocol

from config import moments
from config.refs import ObjectRef

LIMIT: Final = 20_000
"""Gates that are kept: both of ten thousand canaries."""


class GateKind(StrEnum):
    """What an open gate lets happen."""

    GATE = "gate"
    """The canary goes on."""
    ROLLBACK = "rollback"
    """The canary is rolled back."""


class GateId(NamedTuple):
    """Which gate of which canary."""

    kind: GateKind
    ref: ObjectRef


@dataclass(frozen=True, slots=True)
class Gate:
    """How a gate stands, and who brought that about, when and why.

    `who` is what they said their name was, `address` where the request came from.
    """

    id: GateId
    is_open: bool
    who: str
    address: str
    why: str
    at: datetime = moments.EPOCH


class TooManyGates(Exception):
    """All gates that are kept are open."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} gates are open already")


class Gates(Protocol):
    """Where gates are kept. All raise ClientError when that is away."""

    def put(self, gate: Gate) -> None:
        """Keeps `gate`, with the present time.

        Beyond the limit those that have been closed for longest are forgotten, a hundredth of all.
        Raises TooManyGates when there is none.
        """
        ...

    def is_open(self, gate: GateId) -> bool:
        """Whether it is; one that nobody has opened is closed."""
        ...

    def all(self) -> list[Gate]:
        """Those that were ever opened or closed and are not forgotten."""
        ...


class MemoryGates:
    """The gates of one process."""

    def __init__(self, now: Callable[[], datetime], limit: int = LIMIT) -> None:
        self._now = now
        self._limit = limit
        self._gates: dict[GateId, Gate] = {}
        self._lock = threading.Lock()

    def put(self, gate: Gate) -> None:
        """Keeps `gate`, with the present time."""
        with self._lock:
            if gate.id not in self._gates and len(self._gates) >= self._limit:
                self._forget_some()
            self._gates[gate.id] = replace(gate, at=self._now())

    def _forget_some(self) -> None:
        closed = [each for each in self._gates.values() if not each.is_open]
        if not closed:
            raise TooManyGates(self._limit)
        for each in sorted(closed, key=lambda gate: gate.at)[: ceil(self._limit / 100)]:
            del self._gates[each.id]

    def is_open(self, gate: GateId) -> bool:
        """Whether it is."""
        with self._lock:
            return gate in self._gates and self._gates[gate].is_open

    def all(self) -> list[Gate]:
        """Those that were ever opened or closed and are not forgotten."""
        with self._lock:
            return list(self._gates.values())
