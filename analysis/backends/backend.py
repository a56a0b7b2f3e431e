"""What every metric backend offers, and what it is built from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, runtime_checkable

from analysis.findings import Absent, Measurement
from clients.clock import Clock
from config.networks import NONE_DENIED, Denied

PROMETHEUS: Final = "prometheus"
DEFAULT_TIMEOUT: Final = timedelta(seconds=5)


class UnknownBackend(ValueError):
    """A kind of backend that does not exist; the message lists the known ones."""

    def __init__(self, kind: str, known: Iterable[str]) -> None:
        super().__init__(f"provider type {kind!r}; allowed: {', '.join(sorted(known))}")


class InvalidEndpoint(ValueError):
    """A backend that cannot be built from what was given; the message says which part."""


class MetricBackend(Protocol):
    """One metric backend. Safe to share by threads; never raises, takes bounded time."""

    def query(self, query: str) -> Measurement:
        """The number that `query` gives now, or why there is none."""
        ...

    def online(self) -> Absent | None:
        """None when the backend answers queries; otherwise what is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an instant vector; NaN is an Absent."""

    labels: Mapping[str, str]
    measurement: Measurement


@runtime_checkable
class VectorBackend(MetricBackend, Protocol):
    """A metric backend that gives all series of a query, so that many can be asked at once."""

    def vector(self, query: str) -> tuple[Series, ...] | Absent:
        """The series that `query` gives now, or why there are none."""
        ...


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Which Secret holds the credentials of an endpoint; its content is read where it is used."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to authenticate: the texts that a Secret holds, by key. Never printed."""

    values: Mapping[str, str] = field(repr=False)

    def needed(self, key: str, kind: str) -> str:
        """The text under `key`. Raises InvalidEndpoint when there is none."""
        text = self.values.get(key)
        if not text:
            raise InvalidEndpoint(f"{kind} credentials does not contain a {key}")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a query is run: equal endpoints share connections, limits and answers.

    `headers` are sent as given, several values of one name joined by commas. `options` are those
    of the kind alone, such as a cloud region. `secret` refers to credentials, which are no part of
    the value: it goes into checks and logs.
    """

    kind: str = PROMETHEUS
    address: str
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    secret: SecretKey | None = None
    verify_tls: bool = True


@dataclass(frozen=True, slots=True)
class Access:
    """What a backend is built from beside its endpoint.

    `credentials` are there when the endpoint names a Secret. `timeout` bounds one query as a whole;
    `connections` are as many as queries run at once; nobody in `denied` networks is asked.
    """

    clock: Clock
    credentials: Credentials | None = None
    timeout: timedelta = DEFAULT_TIMEOUT
    connections: int = 128
    denied: Denied = NONE_DENIED


Factory = Callable[[Endpoint, Access], MetricBackend]
"""Builds the backend of one kind; raises InvalidEndpoint."""
