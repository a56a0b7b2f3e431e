"""The metric backends: one module each, one registry line each.

The only place in `analysis` that talks to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from analysis.providers.prometheus import Prometheus
from analysis.providers.provider import (
    PROMETHEUS,
    Credentials,
    Endpoint,
    Factory,
    InvalidEndpoint,
    MetricProvider,
    UnknownProvider,
)
from clients.clock import Clock

__all__ = [
    "FACTORIES",
    "Credentials",
    "Endpoint",
    "Factory",
    "InvalidEndpoint",
    "MetricProvider",
    "UnknownProvider",
    "connect",
]

FACTORIES: Final[Mapping[str, Factory]] = MappingProxyType({PROMETHEUS: Prometheus})


def connect(endpoint: Endpoint, clock: Clock) -> MetricProvider:
    """The backend behind `endpoint`; nothing is sent yet.

    Raises UnknownProvider for a kind that is not in the registry (no kind stands in for another)
    and InvalidEndpoint when the endpoint lacks what its kind needs.
    """
    if endpoint.kind not in FACTORIES:
        raise UnknownProvider(endpoint.kind, FACTORIES)
    return FACTORIES[endpoint.kind](endpoint, clock)
