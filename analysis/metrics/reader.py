"""Fetches all metrics of a tick at once, within bounded time.

The checks of a tick run side by side; equal queries run once. Each server has a cap on queries
under way and a circuit breaker, so that one that hangs delays neither its own canaries beyond the
time limit nor those of another server. One reader per process, shared by threads.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from analysis.backends.backend import Endpoint, InvalidEndpoint, MetricBackend, UnknownBackend
from analysis.findings import Absent, CheckResult, Measurement
from analysis.metrics.breaker import Breaker
from analysis.metrics.checks import Check
from analysis.verdicts import Reason, Verdict
from clients import urls
from clients.clock import Clock
from config import durations

log = logging.getLogger(__name__)

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")
_Work = SimpleQueue[tuple[_Argument, "Future[_Result]"]]
Judge = Callable[[Check, Measurement], CheckResult]
Connect = Callable[[Endpoint], MetricBackend]

#: Reasons that speak of the server, not of the query: these make up a breaker's row.
OUTAGES: Final = frozenset(
    (Reason.UNREACHABLE, Reason.TIMED_OUT, Reason.THROTTLED, Reason.SERVER_ERROR)
)
LONGEST_MESSAGE: Final = 1000
"""Characters of a message that are kept: it goes into state, timeline, events and status."""

#: Servers remembered at once; the one unused for longest is forgotten first.
_MOST_SERVERS: Final = 256


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of whom; equal queries have equal answers."""

    endpoint: Endpoint
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`per_server` queries under way at once; `budget` bounds one call of the reader as a whole.

    `per_query` is the time limit of one query; it is no longer than the budget.
    """

    per_server: int = 16
    per_query: timedelta = timedelta(seconds=5)
    budget: timedelta = timedelta(seconds=6)


class _Server:
    """One metrics server: its connection, its queue, its breaker."""

    def __init__(self, backend: MetricBackend, clock: Clock, limits: Limits) -> None:
        self.backend = backend
        self._breaker = Breaker(clock)
        self._slots = threading.BoundedSemaphore(limits.per_server)
        self._patience = limits.per_query.total_seconds()

    def query(self, text: str) -> Measurement:
        if refusal := self._breaker.refusal():
            return Absent(Verdict.ERROR, Reason.CIRCUIT_OPEN, refusal)
        if not self._slots.acquire(timeout=self._patience):
            cause = "too many queries are waiting for this server"
            return Absent(Verdict.ERROR, Reason.TIMED_OUT, cause)
        try:
            measurement = self._answer(text)
        finally:
            self._slots.release()
        if isinstance(measurement, Absent) and measurement.reason in OUTAGES:
            self._breaker.failed(measurement.message)
        else:
            self._breaker.succeeded()
        return measurement

    def _answer(self, text: str) -> Measurement:
        """The backend's answer; a defect of one is an error of its checks, and told briefly."""
        try:
            measurement = self.backend.query(text)
        except Exception as defect:
            log.exception("defect of a metric backend")
            cause = f"defect of the backend, see the log: {type(defect).__name__}"
            return Absent(Verdict.ERROR, Reason.UNREADABLE_ANSWER, cause)
        if isinstance(measurement, Absent) and len(measurement.message) > LONGEST_MESSAGE:
            return replace(measurement, message=measurement.message[:LONGEST_MESSAGE] + "…")
        return measurement


class MetricReader:
    """Measures and judges checks. Never raises, whatever servers do. Safe to share by threads.

    `connect` gives the backend of an endpoint (raising InvalidEndpoint, or UnknownBackend for its
    kind); `judge` turns measurements into results.
    """

    def __init__(
        self, connect: Connect, clock: Clock, judge: Judge, *, limits: Limits = Limits()
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._judge = judge
        self._limits = limits
        self._servers: OrderedDict[Endpoint, _Server] = OrderedDict()
        self._lock = threading.Lock()

    def measure(self, checks: Iterable[Check]) -> tuple[CheckResult, ...]:
        """One result per check, in the order of `checks`, within the budget of time."""
        checks = tuple(checks)
        queries = [Query(check.endpoint, check.query) for check in checks if check.problem is None]
        answers = self._all(dict.fromkeys(queries), self._measured)
        return tuple(
            self._judge(check, check.problem or answers[Query(check.endpoint, check.query)])
            for check in checks
        )

    def probe(self, endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
        """What is wrong with each of `endpoints` that does not answer; empty when all do.

        The texts complete the event `Error checking metric providers: …`.
        """
        asked = dict.fromkeys(Query(endpoint, "") for endpoint in endpoints)
        found = self._all(asked, self._probed)
        return tuple(
            f"{query.endpoint.kind} {urls.redacted(query.endpoint.address)} is not available: "
            f"{problem.message}"
            for query, problem in found.items()
            if isinstance(problem, Absent)
        )

    def _all(
        self, queries: Iterable[Query], ask: Callable[[Query], _Result]
    ) -> dict[Query, _Result | Absent]:
        """What `ask` gives for each of `queries`, side by side, within the budget."""
        limits = self._limits
        queries = tuple(queries)
        answers = _side_by_side(ask, queries, threads=limits.per_server, within=limits.budget)
        cause = f"no answer within {durations.format_go(limits.budget)}"
        late = Absent(Verdict.ERROR, Reason.TIMED_OUT, cause, limits.budget)
        return {query: answers.get(query, late) for query in queries}

    def _measured(self, query: Query) -> Measurement:
        server = self._server(query.endpoint)
        return server if isinstance(server, Absent) else server.query(query.text)

    def _probed(self, query: Query) -> Absent | None:
        server = self._server(query.endpoint)
        return server if isinstance(server, Absent) else server.backend.online()

    def _server(self, endpoint: Endpoint) -> _Server | Absent:
        with self._lock:
            if endpoint not in self._servers:
                try:
                    backend = self._connect(endpoint)
                except (InvalidEndpoint, UnknownBackend) as error:
                    kind, address = endpoint.kind.capitalize(), urls.redacted(endpoint.address)
                    cause = f"Error building {kind} client for {address} {error}"
                    return Absent(Verdict.ERROR, Reason.INVALID_ADDRESS, cause)
                self._servers[endpoint] = _Server(backend, self._clock, self._limits)
            self._servers.move_to_end(endpoint)
            while len(self._servers) > _MOST_SERVERS:
                self._servers.popitem(last=False)
            return self._servers[endpoint]


def _side_by_side(
    call: Callable[[_Argument], _Result],
    arguments: Iterable[_Argument],
    *,
    threads: int,
    within: timedelta,
) -> dict[_Argument, _Result]:
    """What `call` gave for each distinct argument; those not done `within` the time are missing.

    At most `threads` run at once; what has not begun when the time is up never does. The threads
    are daemons: a call that never ends keeps neither the caller nor the process. Raises what
    `call` raised.
    """
    futures: dict[_Argument, Future[_Result]] = {
        argument: Future() for argument in dict.fromkeys(arguments)
    }
    work: _Work[_Argument, _Result] = SimpleQueue()
    for pair in futures.items():
        work.put(pair)
    for _ in range(min(threads, len(futures))):
        threading.Thread(target=_work_off, args=(call, work), name="metrics", daemon=True).start()
    wait(futures.values(), timeout=within.total_seconds())
    done = {argument: future for argument, future in futures.items() if not future.cancel()}
    return {argument: future.result() for argument, future in done.items() if future.done()}


def _work_off(call: Callable[[_Argument], _Result], work: _Work[_Argument, _Result]) -> None:
    while True:
        try:
            argument, future = work.get_nowait()
        except Empty:
            return
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call(argument))
            except Exception as error:  # noqa: BLE001 (handed to the caller, who raises it)
                future.set_exception(error)
