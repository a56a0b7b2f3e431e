"""What probes ask a process: `/healthz` (does it work?) and `/readyz` (does it work now?).

A liveness probe restarts what it finds dead, so `/healthz` only fails for what a restart mends; a
Redis that is away is a matter of readiness. Both answer 200 or 503 with a JSON object that says
why.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from cli import exits
from clients import errors
from clients.clock import Clock, SystemClock
from clients.redis.store import Store
from scheduler.loop import Loop

log = logging.getLogger(__name__)

LONGEST_UNCLAIMED: Final = timedelta(seconds=30)
"""How long a leader may leave the agenda unread before it counts as dead; it reads it once a second
at least."""

REMEMBERED_SECONDS: Final = 1.0
"""How long an answer is given again: whoever floods the endpoint costs Redis one look a second."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a process is; `details` is for people."""

    live: bool
    ready: bool
    details: Mapping[str, Any] = field(default_factory=dict)


Probe = Callable[[], Condition]


def of_worker(store: Store, takes: Callable[[], bool]) -> Probe:
    """A worker is ready while it reaches Redis, through which all its work comes, and takes it."""

    def look() -> Condition:
        try:
            took = store.ping()
        except errors.ClientError as failure:
            return Condition(live=True, ready=False, details={"redis": failure.message})
        details = {"redisSeconds": took.total_seconds(), "takesMessages": takes()}
        return Condition(live=True, ready=takes(), details=details)

    return look


def of_beat(loop: Loop) -> Probe:
    """A beat is ready when it leads with a full picture of the cluster, or could take over."""

    def look() -> Condition:
        health = loop.health()
        details = {**asdict(health), "role": health.role.value}
        return Condition(health.is_live(LONGEST_UNCLAIMED), health.is_ready(), details)

    return look


class Remembered:
    """A probe that looks at most once per `REMEMBERED_SECONDS`, however many ask at once."""

    def __init__(self, look: Probe, clock: Clock | None = None) -> None:
        self._look = look
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._last: tuple[float, Condition] | None = None

    def __call__(self) -> Condition:
        """The condition of now, or of a moment ago."""
        with self._lock:
            now = self._clock.monotonic()
            if self._last is None or now - self._last[0] >= REMEMBERED_SECONDS:
                self._last = now, self._look()
            return self._last[1]


@contextlib.contextmanager
def served(port: int, look: Probe) -> Iterator[int]:
    """Serves `look` on all interfaces for the length of the block, and gives the port.

    Port 0 takes a free one, of the loopback interface alone: nobody elsewhere could know it.
    Raises PortTaken.
    """
    host = "" if port else "127.0.0.1"
    with exits.taking(port, "--port or COALMINE_LISTEN_PORT"):
        server = http.server.ThreadingHTTPServer((host, port), _handler(Remembered(look)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    log.info("health served", extra={"port": server.server_port})
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(look: Probe) -> type[http.server.BaseHTTPRequestHandler]:
    """A request handler that answers with what `look` sees."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5  # seconds for one request, so that a stalled probe keeps no thread

        def do_GET(self) -> None:
            """Answers the two probes, and 404 to everything else."""
            found = look()
            known = {"/healthz": found.live, "/readyz": found.ready}
            if self.path not in known:
                self._answer(HTTPStatus.NOT_FOUND, {"paths": sorted(known)})
                return
            good = known[self.path]
            status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, found.details)

        def _answer(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
            data = json.dumps(body, default=str).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Says nothing: probes come every few seconds."""

    return Handler
