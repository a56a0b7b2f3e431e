"""Fetches all metrics of a tick at once, within bounded time.

The checks of a tick run side by side; equal queries run once. Each server has a cap on queries
under way and a circuit breaker, so that one that hangs delays neither its own canaries beyond the
time limit nor those of another server. One reader per process, shared by threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Final, TypeVar

from analysis.backends.backend import (
    Endpoint,
    InvalidEndpoint,
    MetricBackend,
    UnknownBackend,
)
from analysis.findings import Absent, CheckResult, Measurement
from analysis.metrics import grouping, servers
from analysis.metrics.checks import Check
from analysis.metrics.fanout import Fanout
from analysis.metrics.grouping import Group, Query
from analysis.metrics.servers import Limits as Limits
from analysis.metrics.servers import Server
from analysis.metrics.sharing import Look, Sharing, Wanted
from analysis.verdicts import Reason, Verdict
from clients import urls
from clients.clock import Clock
from config import durations

_Key = TypeVar("_Key", bound=Hashable)
Judge = Callable[[Check, Measurement], CheckResult]
Connect = Callable[[Endpoint], MetricBackend]

TOGETHER: Final = timedelta(milliseconds=50)
"""How long answers wait for each other, to be judged together."""

#: Servers remembered at once; the one unused for longest is forgotten first.
_MOST_SERVERS: Final = 256


_Job = Group | Wanted


@dataclass(frozen=True, slots=True)
class _Step:
    """What a job came to: answers, and what is to be done for more of them."""

    answers: Mapping[Query, Measurement] = field(default_factory=dict)
    then: tuple[_Job, ...] = ()

    def go_on(self, fanout: Fanout[_Job, _Step]) -> None:
        """Has it done: by threads of each server, and by some that wait for others."""
        for job in self.then:
            fanout.add(job.lane if isinstance(job, Group) else None, job)


def _looked(look: Look) -> _Step:
    alone: list[_Job] = [Group((query,)) for query in look.own]
    return _Step(look.answers, (*alone, *([look.wanted] if look.wanted else [])))


class MetricReader:
    """Measures and judges checks. Never raises, whatever servers do. Safe to share by threads.

    `connect` gives the backend of an endpoint (raising InvalidEndpoint, or UnknownBackend for its
    kind); `judge` turns measurements into results.
    """

    def __init__(
        self,
        connect: Connect,
        clock: Clock,
        judge: Judge,
        *,
        limits: Limits = servers.DEFAULTS,
        sharing: Sharing | None = None,
    ) -> None:
        """`sharing` is with other threads and processes; without it each call is for itself."""
        self._connect = connect
        self._sharing = sharing
        self._clock = clock
        self._judge = judge
        self._limits = limits
        self._servers: OrderedDict[Endpoint, Server] = OrderedDict()
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
        missing, since = dict.fromkeys(asked), self._clock.monotonic()
        fanout = Fanout(self._carried_out, self._clock, threads=self._limits.per_server)
        answers: dict[Query, Measurement] = {}
        for step in self._first_steps(missing):
            answers.update(step.answers)
            step.go_on(fanout)
        for wave in chain([{}], fanout.waves(self._limits.budget, TOGETHER)):
            for step in wave.values():
                answers.update(step.answers)
                step.go_on(fanout)
            self._tell(wave, since)
            for query in answers:
                del missing[query]
            yield answers
            answers = {}
        yield dict.fromkeys(missing, self._late())

    def _first_steps(self, asked: Iterable[Query]) -> Iterator[_Step]:
        """Has queries begun; what others may ask as well after the rest, which waits for nobody."""
        alone, shared = list[Query](), list[Query]()
        for query in asked:
            (shared if self._sharing and query.builtin is None else alone).append(query)
        yield _Step(then=tuple(grouping.grouped(alone, self._largest_group)))
        if self._sharing and shared:
            yield _looked(self._sharing.look(shared))

    def _tell(self, wave: Mapping[_Job, _Step], since: float) -> None:
        """Has others know what this process has found out."""
        asked = (step for job, step in wave.items() if isinstance(job, Group))
        news = {
            query: answer
            for step in asked
            for query, answer in step.answers.items()
            if query.builtin is None
        }
        if self._sharing and news:
            self._sharing.tell(news, since)

    def _late(self) -> Absent:
        budget = self._limits.budget
        cause = f"no answer within {durations.format_go(budget)}"
        return Absent(Verdict.ERROR, Reason.TIMED_OUT, cause, budget)

    def _carried_out(self, job: _Job) -> _Step:
        return self._asked(job) if isinstance(job, Group) else _looked(job.look_again())

    def _asked(self, group: Group) -> _Step:
        server = self._server(group.endpoint)
        if isinstance(server, Absent):
            return _Step(dict.fromkeys(group.members, server))
        if len(group.members) == 1:
            (query,) = group.members
            answer = server.query(query.text, is_builtin=query.builtin is not None)
            return _Step({query: answer})
        vector = server.vector(group.text)
        if isinstance(vector, Absent):
            # Refused, too large, too slow: perhaps not so for each alone.
            if vector.reason is Reason.TIMED_OUT:
                server.took_too_long(len(group.members))
            return _Step(then=tuple(Group((query,)) for query in group.members))
        return _Step(group.answers(vector))

    def _largest_group(self, endpoint: Endpoint) -> int:
        server = self._server(endpoint)
        return 1 if isinstance(server, Absent) else server.largest_group

    def _probed(self, endpoint: Endpoint) -> Absent | None:
        server = self._server(endpoint)
        return server if isinstance(server, Absent) else server.online()

    def _server(self, endpoint: Endpoint) -> Server | Absent:
        with self._lock:
            if endpoint not in self._servers:
                try:
                    backend = self._connect(endpoint)
                except (InvalidEndpoint, UnknownBackend) as error:
                    kind, address = endpoint.kind.capitalize(), urls.redacted(endpoint.address)
                    cause = f"Error building {kind} client for {address} {error}"
                    return Absent(Verdict.ERROR, Reason.INVALID_ADDRESS, cause)
                self._servers[endpoint] = Server(backend, self._clock, self._limits)
            self._servers.move_to_end(endpoint)
            while len(self._servers) > _MOST_SERVERS:
                self._servers.popitem(last=False)
            return self._servers[endpoint]


def _query(check: Check) -> Query:
    return Query(check.endpoint, check.query, check.builtin)


def _queries(checks: Iterable[Check]) -> dict[Query, None]:
    return dict.fromkeys(_query(check) for check in checks if check.problem is None)
