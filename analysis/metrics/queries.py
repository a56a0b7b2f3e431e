"""The built-in queries, as a table: traffic provider and metric → PromQL.

A row says which series are read and how they are aggregated; `single` writes the query about one
workload, `grouped` the same aggregation for many workloads at once, labelled by workload. Adding
a mesh is adding an entry to OBSERVERS. Source: docs/compatibility/metrics.md, "Built-in queries".
Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, assert_never

from config import meshes
from config.api import metrics


class NoBuiltinQueries(ValueError):
    """A provider or metric without a row; the message lists what there is."""

    def __init__(self, field: str, given: str, known: Iterable[str]) -> None:
        super().__init__(
            f"{field} {given!r} has no built-in queries; allowed: {', '.join(sorted(known))}"
        )


class Shape(Enum):
    """How the series of a row become one number."""

    RATIO = "percent of requests that did not fail"
    P99 = "99th percentile of a histogram"


@dataclass(frozen=True, slots=True)
class Row:
    """One built-in query: `metric` is the series read, `good` the matcher of RATIO's numerator.

    The number is in the unit that checks compare in: percent, milliseconds.
    """

    shape: Shape
    metric: str
    good: str = ""
    factor: int = 1
    """What turns a percentile into milliseconds."""


@dataclass(frozen=True, slots=True)
class Observer:
    """How one mesh labels its telemetry.

    `fixed` matchers hold for every query; `namespace` and `workload` are the labels by which a
    workload is found; without the former the latter holds both, with a slash between. Where `pods`
    is given, it holds the names of pods, which go on after that of the workload as this regular
    expression says, or as `daemons` does for those of DaemonSets.
    """

    fixed: tuple[str, ...]
    namespace: str
    workload: str
    rows: Mapping[str, Row]
    pods: str = ""
    daemons: str = ""


ISTIO: Final = Observer(
    fixed=('reporter="destination"',),
    namespace="destination_workload_namespace",
    workload="destination_workload",
    rows=MappingProxyType(
        {
            metrics.REQUEST_SUCCESS_RATE: Row(
                Shape.RATIO, "istio_requests_total", good='response_code!~"5.*"'
            ),
            metrics.REQUEST_DURATION: Row(Shape.P99, "istio_request_duration_milliseconds_bucket"),
        }
    ),
)

HTTP: Final = Observer(
    fixed=(),
    namespace="kubernetes_namespace",
    workload="kubernetes_pod_name",
    rows=MappingProxyType(
        {
            metrics.REQUEST_SUCCESS_RATE: Row(
                Shape.RATIO, "http_request_duration_seconds_count", good='status!~"5.*"'
            ),
            metrics.REQUEST_DURATION: Row(
                Shape.P99, "http_request_duration_seconds_bucket", factor=1000
            ),
        }
    ),
    pods="-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)",
    daemons="-[0-9a-z]{5}",
)

KNATIVE: Final = Observer(
    fixed=(),
    namespace="",
    workload="envoy_cluster_name",
    rows=MappingProxyType(
        {
            metrics.REQUEST_SUCCESS_RATE: Row(
                Shape.RATIO, "envoy_cluster_upstream_rq", good='envoy_response_code!~"5.*"'
            ),
            metrics.REQUEST_DURATION: Row(Shape.P99, "envoy_cluster_upstream_rq_time_bucket"),
        }
    ),
)

OBSERVERS: Final[Mapping[str, Observer]] = MappingProxyType(
    {meshes.ISTIO: ISTIO, meshes.KUBERNETES: HTTP, meshes.KNATIVE: KNATIVE}
)


@dataclass(frozen=True, slots=True, order=True)
class WorkloadName:
    """The workload that a query is about; of Knative the revision."""

    namespace: str
    name: str
    is_daemon: bool = False
    """Whether it is a DaemonSet, whose pods have shorter names."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """A row asked about one workload; those of equal `row` and `window` go into one query."""

    provider: str
    metric: str
    window: str
    workload: WorkloadName

    @property
    def text(self) -> str:
        """The query about this workload alone. Raises NoBuiltinQueries."""
        return single(self.provider, self.metric, self.workload, self.window)

    @property
    def row(self) -> tuple[str, str, str]:
        """What two questions must have in common to be asked together."""
        return self.provider, self.metric, self.window


def single(provider: str, metric: str, workload: WorkloadName, window: str) -> str:
    """The query for `metric` of one workload over `window`; gives at most one series.

    Raises NoBuiltinQueries for a provider or a metric that is not in the table: no provider
    stands in for another.
    """
    observer, row = _row(provider, metric)
    return _text(row, (*observer.fixed, *_of_workload(observer, workload)), window, by=())


def _of_workload(observer: Observer, workload: WorkloadName) -> tuple[str, ...]:
    name = _literally(workload.name)
    if not observer.namespace:
        return (f"{observer.workload}=~{_quoted(f'{workload.namespace}/{name}')}",)
    pods = observer.daemons if workload.is_daemon else observer.pods
    return (
        f"{observer.namespace}={_quoted(workload.namespace)}",
        f"{observer.workload}=~{_quoted(name + pods)}",
    )


def grouped(provider: str, metric: str, workloads: Iterable[WorkloadName], window: str) -> str:
    """The same query for many workloads: one series per workload, labelled by `labels(provider)`.

    The matchers may also let through a workload that was not asked for (one's name in another's
    namespace); readers pick by label. Raises as `single`, and ValueError for no workloads or a
    provider whose series do not name them (`names_workloads`).
    """
    observer, row = _row(provider, metric)
    known = sorted(workloads)
    if not names_workloads(provider):
        raise ValueError(f"series of {provider} have no label of workloads")
    if not known:
        raise ValueError("workloads is empty; allowed: at least one")
    namespaces = dict.fromkeys(_literally(workload.namespace) for workload in known)
    names = dict.fromkeys(_literally(workload.name) for workload in known)
    of_workloads = (
        f"{observer.namespace}=~{_quoted('|'.join(namespaces))}",
        f"{observer.workload}=~{_quoted('|'.join(names))}",
    )
    by = (observer.namespace, observer.workload)
    return _text(row, (*observer.fixed, *of_workloads), window, by)


def names_workloads(provider: str) -> bool:
    """Whether the series say of which workload they are, and not just of which pod."""
    observer = _observer(provider)
    return bool(observer.namespace) and not observer.pods


def labels(provider: str) -> tuple[str, str]:
    """The labels that carry namespace and workload in the result of a grouped query."""
    observer = _observer(provider)
    return observer.namespace, observer.workload


def _observer(provider: str) -> Observer:
    if provider not in OBSERVERS:
        raise NoBuiltinQueries("provider", provider, OBSERVERS)
    return OBSERVERS[provider]


def _row(provider: str, metric: str) -> tuple[Observer, Row]:
    observer = _observer(provider)
    if metric not in observer.rows:
        raise NoBuiltinQueries("metric", metric, observer.rows)
    return observer, observer.rows[metric]


def _text(row: Row, matchers: tuple[str, ...], window: str, by: tuple[str, ...]) -> str:
    match row.shape:
        case Shape.RATIO:
            good = _sum_of_rates(row.metric, (*matchers, row.good), window, by)
            return f"{good} / {_sum_of_rates(row.metric, matchers, window, by)} * 100"
        case Shape.P99:
            rates = _sum_of_rates(row.metric, matchers, window, ("le", *by))
            factor = f" * {row.factor}" if row.factor != 1 else ""
            return f"histogram_quantile(0.99, {rates}){factor}"
        case _:
            assert_never(row.shape)


def _sum_of_rates(metric: str, matchers: tuple[str, ...], window: str, by: tuple[str, ...]) -> str:
    grouping = f" by ({', '.join(by)}) " if by else ""
    return f"sum{grouping}(rate({metric}{{{','.join(matchers)}}}[{window}]))"


def _literally(text: str) -> str:
    """`text` as an RE2 expression that matches nothing else: names may contain dots."""
    return re.sub(r"([.+*?()|\[\]{}^$\\])", r"\\\1", text)


def _quoted(text: str) -> str:
    """`text` as a PromQL string; JSON's escapes are a subset of PromQL's."""
    return json.dumps(text, ensure_ascii=False)
