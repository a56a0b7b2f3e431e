"""The metric backends: one module each, one registry line each.

The only place in `analysis` that talks to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from analysis.backends.backend import (
    PROMETHEUS,
    Credentials,
    Endpoint,
    Factory,
    InvalidEndpoint,
    MetricBackend,
    UnknownBackend,
)
from analysis.backends.prometheus import Prometheus
from clients.clock import Clock

__all__ = [
    "FACTORIES",
    "Credentials",
    "Endpoint",
    "Factory",
    "InvalidEndpoint",
    "MetricBackend",
    "UnknownBackend",
    "connect",
]

FACTORIES: Final[Mapping[str, Factory]] = MappingProxyType({PROMETHEUS: Prometheus})


def connect(endpoint: Endpoint, clock: Clock) -> MetricBackend:
    """The backend behind `endpoint`; nothing is sent yet.

    Raises UnknownBackend for a kind that is not in the registry (no kind stands in for another)
    and InvalidEndpoint when the endpoint lacks what its kind needs.
    """
    if endpoint.kind not in FACTORIES:
        raise UnknownBackend(endpoint.kind, FACTORIES)
    return FACTORIES[endpoint.kind](endpoint, clock)
