"""Fetches all metrics of a tick at once, within bounded time.

The checks of a tick run side by side; equal queries run once. Each server has a cap on queries
under way and a circuit breaker, so that one that hangs delays neither its own canaries beyond the
time limit nor those of another server. One reader per process, shared by threads.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from typing import Final, TypeVar

from analysis.backends.backend import (
    Endpoint,
    InvalidEndpoint,
    MetricBackend,
    Series,
    UnknownBackend,
    VectorBackend,
)
from analysis.findings import Absent, CheckResult, Measurement
from analysis.metrics import grouping
from analysis.metrics.breaker import Breaker
from analysis.metrics.checks import Check
from analysis.metrics.fanout import Fanout
from analysis.metrics.grouping import Group, Query
from analysis.verdicts import Reason, Verdict
from clients import urls
from clients.clock import Clock
from config import durations

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
_Key = TypeVar("_Key", bound=Hashable)
Judge = Callable[[Check, Measurement], CheckResult]
Connect = Callable[[Endpoint], MetricBackend]

#: Reasons that speak of the server, not of the query: these make up a breaker's row.
OUTAGES: Final = frozenset(
    (Reason.UNREACHABLE, Reason.TIMED_OUT, Reason.THROTTLED, Reason.SERVER_ERROR)
)
TOGETHER: Final = timedelta(milliseconds=50)
"""How long answers wait for each other, to be judged together."""

LONGEST_MESSAGE: Final = 1000
"""Characters of a message that are kept: it goes into state, timeline, events and status."""

#: Servers remembered at once; the one unused for longest is forgotten first.
_MOST_SERVERS: Final = 256


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
        return self._asked(lambda: self.backend.query(text))

    def vector(self, text: str) -> tuple[Series, ...] | Absent:
        backend = self.backend
        if not isinstance(backend, VectorBackend):
            raise TypeError(f"{type(backend).__name__} gives no vectors")
        return self._asked(lambda: backend.vector(text))

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer | Absent:
        if refusal := self._breaker.refusal():
            return Absent(Verdict.ERROR, Reason.CIRCUIT_OPEN, refusal)
        if not self._slots.acquire(timeout=self._patience):
            cause = "too many queries are waiting for this server"
            return Absent(Verdict.ERROR, Reason.TIMED_OUT, cause)
        try:
            answer = _guarded(ask)
        finally:
            self._slots.release()
        if isinstance(answer, Absent) and answer.reason in OUTAGES:
            self._breaker.failed(answer.message)
        else:
            self._breaker.succeeded()
        return answer


def _guarded(ask: Callable[[], _Answer]) -> _Answer | Absent:
    """The backend's answer; a defect of one is an error of its checks, and told briefly."""
    try:
        answer = ask()
    except Exception as defect:
        log.exception("defect of a metric backend")
        cause = f"defect of the backend, see the log: {type(defect).__name__}"
        return Absent(Verdict.ERROR, Reason.UNREADABLE_ANSWER, cause)
    if isinstance(answer, Absent) and len(answer.message) > LONGEST_MESSAGE:
        return replace(answer, message=answer.message[:LONGEST_MESSAGE] + "…")
    return answer


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
        (results,) = (wave[""] for wave in self.measure_each({"": tuple(checks)}))
        return results

    def measure_each(
        self, asked: Mapping[_Key, Sequence[Check]]
    ) -> Iterator[dict[_Key, tuple[CheckResult, ...]]]:
        """The results of each key's checks, in their order, all within the budget of time.

        What is done together comes together; whoever has a slow query comes later and keeps
        nobody waiting. Built-in checks of one server are asked together.
        """
        open_keys = {key: _queries(checks) for key, checks in asked.items()}
        answers: dict[Query, Measurement] = {}
        for wave in self._answers(dict.fromkeys(chain.from_iterable(open_keys.values()))):
            answers.update(wave)
            ready = [key for key, needed in open_keys.items() if needed.keys() <= answers.keys()]
            if ready:
                yield {key: self._judged(asked[key], answers) for key in ready}
            for key in ready:
                del open_keys[key]

    def _judged(
        self, checks: Iterable[Check], answers: Mapping[Query, Measurement]
    ) -> tuple[CheckResult, ...]:
        return tuple(
            self._judge(check, check.problem or answers[_query(check)]) for check in checks
        )

    def probe(self, endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
        """What is wrong with each of `endpoints` that does not answer; empty when all do.

        The texts complete the event `Error checking metric providers: …`.
        """
        asked = dict.fromkeys(endpoints)
        fanout = Fanout(self._probed, self._clock, threads=1)
        for endpoint in asked:
            fanout.add(endpoint, endpoint)
        online: dict[Endpoint, Absent | None] = dict.fromkeys(asked, self._late())
        for wave in fanout.waves(self._limits.budget, TOGETHER):
            online.update(wave)
        return tuple(
            f"{endpoint.kind} {urls.redacted(endpoint.address)} is not available: {problem.message}"
            for endpoint, problem in online.items()
            if problem
        )

    def _answers(self, asked: Iterable[Query]) -> Iterator[Mapping[Query, Measurement]]:
        """The answers to `asked` in waves, the first at once, the last with what came too late."""
        yield {}
        missing = dict.fromkeys(asked)
        fanout = Fanout(self._asked, self._clock, threads=self._limits.per_server)
        for group in grouping.grouped(missing, self._gives_vectors):
            fanout.add(group.endpoint, group)
        for wave in fanout.waves(self._limits.budget, TOGETHER):
            answers: dict[Query, Measurement] = {}
            for group, answer in wave.items():
                if answer is None:  # refused, too large, too slow: perhaps not so for each alone
                    for query in group.members:
                        fanout.add(group.endpoint, Group((query,)))
                else:
                    answers.update(answer)
            for query in answers:
                del missing[query]
            yield answers
        yield dict.fromkeys(missing, self._late())

    def _late(self) -> Absent:
        budget = self._limits.budget
        cause = f"no answer within {durations.format_go(budget)}"
        return Absent(Verdict.ERROR, Reason.TIMED_OUT, cause, budget)

    def _asked(self, group: Group) -> Mapping[Query, Measurement] | None:
        """The answers to a group; None when they are to be asked for one by one."""
        server = self._server(group.endpoint)
        if isinstance(server, Absent):
            return dict.fromkeys(group.members, server)
        if len(group.members) == 1:
            (query,) = group.members
            return {query: server.query(query.text)}
        vector = server.vector(group.text)
        return None if isinstance(vector, Absent) else group.answers(vector)

    def _gives_vectors(self, endpoint: Endpoint) -> bool:
        server = self._server(endpoint)
        return not isinstance(server, Absent) and isinstance(server.backend, VectorBackend)

    def _probed(self, endpoint: Endpoint) -> Absent | None:
        server = self._server(endpoint)
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


def _query(check: Check) -> Query:
    return Query(check.endpoint, check.query, check.builtin)


def _queries(checks: Iterable[Check]) -> dict[Query, None]:
    return dict.fromkeys(_query(check) for check in checks if check.problem is None)
