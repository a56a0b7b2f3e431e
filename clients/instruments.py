"""What a process counts and times of its own work: the table, and the door by which it is told.

Whoever works gets `Instruments` where it is wired and tells them; who reads them, and how, is
`exporter`'s business. The values of a label come from code, never from what users write: their
number is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

_CALL: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_JOB: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_HOOK: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_LATE: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_COUNT: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric; `name` as it is scraped, a counter's with `_total`. Each is equal to itself."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _histogram(name: str, buckets: tuple[float, ...], meaning: str, *labels: str) -> Metric:
    return Metric(f"coalmine_{name}", Kind.HISTOGRAM, meaning, labels, buckets)


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"coalmine_{name}_total", Kind.COUNTER, meaning, labels)


JOBS: Final = _histogram(
    "job_seconds",
    _JOB,
    "How long jobs took, by Celery task; `outcome` is done, put-off (Redis or the API server was "
    "away, and it will be asked for again), unreadable or defect.",
    *("task", "outcome"),
)
BATCHES: Final = _histogram(
    "job_canaries", _COUNT, "How many canaries, or webhooks, one job was about.", "task"
)
TICKS: Final = _counter(
    "ticks",
    "Looks at canaries; `outcome` is committed, rested (there was nothing to decide), overtaken "
    "(another decision came first), unknown (there is no such canary) or not-due, `rule` the rule "
    "that spoke.",
    *("outcome", "rule"),
)
CHECKS: Final = _counter("checks", "Metric checks judged, by verdict.", "verdict")
LATENESS: Final = _histogram(
    "tick_late_seconds",
    _LATE,
    "How long after its time an analysis was decided; what a step is late.",
)
TICK_SECONDS: Final = _histogram(
    "tick_seconds", _JOB, "From reading a canary to its decision, metric queries included."
)
QUERIES: Final = _histogram(
    "metric_query_seconds",
    _CALL,
    "Queries to metrics servers, by kind of backend; `outcome` is answered, or the reason why "
    "there was no answer; CircuitOpen for one that was not sent since the server is down.",
    *("backend", "outcome"),
)
RECONCILES: Final = _histogram(
    "reconcile_seconds",
    _CALL,
    "Runs that bring about what was decided: `lane` is route, workload or status; `outcome` is "
    "applied, superseded (a newer intent exists), rejected, idle, or the kind of error.",
    *("lane", "outcome"),
)
STALE: Final = _counter(
    "stale_results",
    "Work whose result did not count, as its lease was lost or its intent had changed meanwhile; "
    "`work` is tick, route, workload or status.",
    "work",
)
API_CALLS: Final = _histogram(
    "api_call_seconds",
    _CALL,
    "Calls to the API server; of a watch, until it was answered. `outcome` is ok or the kind of "
    "error. Lists that come after the first are watches that lost their place.",
    *("verb", "resource", "outcome"),
)
HOOKS: Final = _histogram(
    "hook_seconds",
    _HOOK,
    "Webhooks called, their retries included, by type; `outcome` is passed or refused.",
    *("type", "outcome"),
)
NOTICES: Final = _counter(
    "notices",
    "Attempts to tell a channel about an event; `channel` is its sort, such as slack or "
    "event-hook; `outcome` is delivered, refused (it will never be taken), not-yet (others go "
    "first), or the kind of error: it is tried again.",
    *("channel", "outcome"),
)
TERMS_LOST: Final = _counter(
    "terms_lost", "Terms of leadership that another beat, or a silent Redis, has ended."
)

TABLE: Final = (
    JOBS,
    BATCHES,
    TICKS,
    CHECKS,
    LATENESS,
    TICK_SECONDS,
    QUERIES,
    RECONCILES,
    STALE,
    API_CALLS,
    HOOKS,
    NOTICES,
    TERMS_LOST,
)
"""What is told by `Instruments`; what is looked up at a scrape is in `exporter`."""


class Instruments(Protocol):
    """Takes note; costs a microsecond, never raises. `labels` are in the order of the metric's."""

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Counts `by` more of a counter."""

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Adds one value to a histogram."""


class _Silent:
    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        pass

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        pass


SILENT: Final[Instruments] = _Silent()
"""For processes, tests and simulations that nobody scrapes."""
