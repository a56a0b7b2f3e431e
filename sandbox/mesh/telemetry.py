"""Istio's standard metrics: request counters and duration histograms, by flow.

Source: Istio documentation, "Standard metrics" (names, labels, buckets).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Literal

from sandbox.mesh import scenario
from sandbox.mesh.world import UNKNOWN, Address, Workload
from sandbox.promql import Labels
from sandbox.promql.labels import BUCKET_BOUND, METRIC_NAME

REQUESTS: Final = "istio_requests_total"
DURATION: Final = "istio_request_duration_milliseconds"

NO_FLAGS: Final = "-"
NO_HEALTHY_UPSTREAM: Final = "UH"
NO_ROUTE: Final = "NR"

_BOUNDS: Final = scenario.BUCKET_BOUNDS_MS
_BOUND_TEXTS: Final = (*(f"{bound:g}" if bound < 1e6 else str(bound) for bound in _BOUNDS), "+Inf")

Reporter = Literal["source", "destination"]


@dataclass(frozen=True, slots=True)
class Flow:
    """Requests that share all labels of their metrics.

    `workload` is None when no pod answered; then only the source reports.
    """

    reporter: Reporter
    source: scenario.Source
    service: Address
    workload: tuple[str, str, str, str] | None
    """Namespace, name, app and version of the answering workload."""
    response_code: int
    response_flags: str = NO_FLAGS

    def labels(self) -> dict[str, str]:
        """The labels of the flow's metrics, without name and bucket."""
        namespace, name, app, version = self.workload or (UNKNOWN,) * 4
        return {
            "reporter": self.reporter,
            "source_workload": self.source.workload,
            "source_workload_namespace": self.source.namespace,
            "source_app": self.source.workload,
            "source_canonical_service": self.source.workload,
            "destination_workload": name,
            "destination_workload_namespace": namespace,
            "destination_app": app,
            "destination_version": version,
            "destination_canonical_service": app,
            "destination_canonical_revision": version,
            "destination_service": self.service.fqdn,
            "destination_service_name": self.service.name,
            "destination_service_namespace": self.service.namespace,
            "request_protocol": "http",
            "response_code": str(self.response_code),
            "response_flags": self.response_flags,
            "connection_security_policy": (
                "mutual_tls" if self.reporter == "destination" else UNKNOWN
            ),
        }


def identity(workload: Workload) -> tuple[str, str, str, str]:
    """What a flow keeps of the workload that answers it."""
    return workload.namespace, workload.name, workload.app, workload.version


@dataclass(slots=True)
class _Counters:
    """The counters of one flow and the label sets they are written under."""

    total_labels: Labels
    sum_labels: Labels
    count_labels: Labels
    bucket_labels: tuple[Labels, ...]
    total: int = 0
    sum_ms: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * len(_BOUND_TEXTS))

    @classmethod
    def of(cls, flow: Flow) -> _Counters:
        """The counters of `flow`, at zero."""
        base = flow.labels()

        def named(name: str, **more: str) -> Labels:
            return Labels.of({**base, METRIC_NAME: name, **more})

        return cls(
            total_labels=named(REQUESTS),
            sum_labels=named(f"{DURATION}_sum"),
            count_labels=named(f"{DURATION}_count"),
            bucket_labels=tuple(
                named(f"{DURATION}_bucket", **{BUCKET_BOUND: bound}) for bound in _BOUND_TEXTS
            ),
        )

    def samples(self) -> Iterator[tuple[Labels, float]]:
        """The present values; buckets are cumulative."""
        yield self.total_labels, float(self.total)
        yield self.sum_labels, self.sum_ms
        yield self.count_labels, float(self.total)
        yield from zip(self.bucket_labels, map(float, accumulate(self.buckets)), strict=True)


class Telemetry:
    """All counters of the mesh; a flow's metrics exist from its first request on, as in Istio."""

    def __init__(self) -> None:
        """No flows."""
        self._flows: dict[Flow, _Counters] = {}

    def record(self, flow: Flow, count: int, latency_ms: float) -> None:
        """Add `count` requests that each took `latency_ms`."""
        if count <= 0:
            return
        counters = self._flows.get(flow)
        if counters is None:
            counters = self._flows[flow] = _Counters.of(flow)
        counters.total += count
        counters.sum_ms += count * latency_ms
        counters.buckets[bisect_left(_BOUNDS, latency_ms)] += count

    def samples(self) -> Iterator[tuple[Labels, float]]:
        """What a scrape of all proxies would read now."""
        for counters in self._flows.values():
            yield from counters.samples()
