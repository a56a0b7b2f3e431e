"""The metric backends: one module each, one registry line each.

The only place in `analysis` that talks to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from analysis.backends.backend import PROMETHEUS
from analysis.backends.backend import Access as Access
from analysis.backends.backend import Credentials as Credentials
from analysis.backends.backend import Endpoint as Endpoint
from analysis.backends.backend import Factory as Factory
from analysis.backends.backend import InvalidEndpoint as InvalidEndpoint
from analysis.backends.backend import MetricBackend as MetricBackend
from analysis.backends.backend import UnknownBackend as UnknownBackend
from analysis.backends.prometheus import Prometheus

BACKENDS: Final[Mapping[str, Factory]] = MappingProxyType({PROMETHEUS: Prometheus})


def connect(
    endpoint: Endpoint, access: Access, registry: Mapping[str, Factory] = BACKENDS
) -> MetricBackend:
    """The backend behind `endpoint`; nothing is sent yet.

    Raises UnknownBackend for a kind that is not in the registry (no kind stands in for another)
    and InvalidEndpoint when the endpoint lacks what its kind needs.
    """
    if endpoint.kind not in registry:
        raise UnknownBackend(endpoint.kind, registry)
    return registry[endpoint.kind](endpoint, access)
