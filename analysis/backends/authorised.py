"""A backend whose credentials are read from a Secret where they are used.

They are read anew after some seconds, and when the server refuses what it is sent with them, so
that credentials that were exchanged cost no check. Only the API server being away does not end
their use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from analysis.backends.backend import (
    Credentials,
    InvalidEndpoint,
    MetricBackend,
    SecretKey,
    UnknownBackend,
)
from analysis.findings import Absent, Measurement
from analysis.verdicts import Reason, Verdict
from clients import errors
from clients.clock import Clock

KEPT: Final = 30.0
"""Seconds for which credentials are used before they are read again."""

FRESH: Final = 1.0
"""Seconds for which they are believed though the server refuses them, or that there are none."""

Read = Callable[[SecretKey], Credentials]
"""Reads a Secret. Raises clients.errors.ClientError, in words that tell nothing of its content."""

Build = Callable[[Credentials], MetricBackend]
"""Builds the backend. Raises InvalidEndpoint and UnknownBackend."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _Known:
    """A backend and what it was built from, or why there is none; `read_at` is monotonic."""

    backend: MetricBackend | Absent
    credentials: Credentials | None
    read_at: float


class Authorised:
    """The backend that `build` gives. Safe to share by threads; never raises."""

    def __init__(self, secret: SecretKey, read: Read, build: Build, clock: Clock) -> None:
        """Nothing is read yet."""
        self._secret = secret
        self._read = read
        self._build = build
        self._clock = clock
        self._known: _Known | None = None
        self._reading = threading.Lock()

    def query(self, query: str) -> Measurement:
        """The number that `query` gives now, or why there is none."""
        return self._asked(lambda backend: backend.query(query))

    def online(self) -> Absent | None:
        """None when the backend answers queries; otherwise what is wrong."""
        return self._asked(lambda backend: backend.online())

    def _asked(self, ask: Callable[[MetricBackend], _Answer]) -> _Answer | Absent:
        backend = self._backend(KEPT)
        if isinstance(backend, Absent):
            return backend
        answer = ask(backend)
        if not (isinstance(answer, Absent) and answer.reason is Reason.QUERY_REFUSED):
            return answer
        again = self._backend(FRESH)
        if isinstance(again, Absent):
            return again
        return answer if again is backend else ask(again)

    def _backend(self, oldest: float) -> MetricBackend | Absent:
        """The backend with credentials that are not older than `oldest`, or why there is none."""
        with self._reading:
            known, now = self._known, self._clock.monotonic()
            if known and now - known.read_at < (oldest if known.credentials else FRESH):
                return known.backend
            self._known = self._read_anew(known)
            return self._known.backend

    def _read_anew(self, known: _Known | None) -> _Known:
        """What is known after another look; `known` goes on while the API server is away."""
        try:
            credentials = self._read(self._secret)
            if known and known.credentials == credentials:
                backend = known.backend
            else:
                backend = self._build(credentials)
        except (errors.ClientError, InvalidEndpoint, UnknownBackend) as error:
            if known and known.credentials and isinstance(error, errors.Transient):
                return replace(known, read_at=self._clock.monotonic())
            cause = f"secret {self._secret.name}.{self._secret.namespace}: {error}"
            refused = Absent(Verdict.ERROR, Reason.NO_CREDENTIALS, cause)
            return _Known(refused, None, self._clock.monotonic())
        return _Known(backend, credentials, self._clock.monotonic())
