"""What probes ask a process: `/healthz` (does it work?) and `/readyz` (does it work now?).

A liveness probe restarts what it finds dead, so `/healthz` only fails for what a restart mends; a
Redis that is away is a matter of readiness. Both answer 200 or 503 with a JSON object that says
why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from cli import endpoint
from cli.endpoint import Question, Response, Routes
from clients import errors
from clients.clock import Clock, SystemClock
from clients.redis.store import Store
from scheduler.loop import Loop

LONGEST_STILL: Final = timedelta(minutes=1)
"""How long the loop of a beat or a worker may not turn before it counts as dead; it does once a
second at least, whatever a worker's jobs do."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a process is; `details` is for people."""

    live: bool
    ready: bool
    details: Mapping[str, Any] = field(default_factory=dict)


Probe = Callable[[], Condition]


def routes(look: Probe) -> Routes:
    """Both probes, answered with what `look` sees."""

    def healthz(_: Question) -> Response:
        seen = look()
        return _answer(seen.details, is_good=seen.live)

    def readyz(_: Question) -> Response:
        seen = look()
        return _answer(seen.details, is_good=seen.ready)

    return {"/healthz": healthz, "/readyz": readyz}


class Beginning:
    """A probe of a process that waits for Redis or the API server: alive, and not ready yet."""

    def __init__(self, look: Probe) -> None:
        self._look = look
        self._is_over = False

    def __call__(self) -> Condition:
        """How the process is, once it has begun."""
        if self._is_over:
            return self._look()
        waits = {"waits": "for Redis or the API server; its log says for which"}
        return Condition(live=True, ready=False, details=waits)

    def end(self) -> None:
        """What the process needs is there."""
        self._is_over = True


def _answer(details: Mapping[str, Any], *, is_good: bool) -> Response:
    return endpoint.as_json(details, HTTPStatus.OK if is_good else HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(slots=True)
class OfWorker:
    """A worker is ready while it reaches Redis, through which all its work comes, and takes it.

    It is dead when its loop stands still although Redis answers. One that Redis was away from has
    as long to connect again.
    """

    store: Store
    takes: Callable[[], bool]
    still_seconds: Callable[[], float]
    """How long its loop has not turned."""
    clock: Clock = field(default_factory=SystemClock)
    away_at: float = -math.inf

    def __call__(self) -> Condition:
        """How the worker is."""
        now = self.clock.monotonic()
        try:
            took = self.store.ping()
        except errors.ClientError as failure:
            self.away_at = now
            return Condition(live=True, ready=False, details={"redis": failure.message})
        still, takes = self.still_seconds(), self.takes()
        live = min(still, now - self.away_at) < LONGEST_STILL.total_seconds()
        details = {"redisSeconds": took.total_seconds(), "takesMessages": takes}
        return Condition(live, live and takes, {**details, "loopSecondsAgo": still})


def of_beat(loop: Loop) -> Probe:
    """A beat is ready when it leads with a full picture of the cluster, or could take over.

    It is dead when its loop stands still although Redis answers.
    """

    def look() -> Condition:
        health = loop.health()
        details = {**asdict(health), "role": health.role.value}
        return Condition(health.is_live(LONGEST_STILL), health.is_ready(), details)

    return look
