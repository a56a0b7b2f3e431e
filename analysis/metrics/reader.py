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
from analysis.metrics.sharing import Sharing, Wanted
from analysis.verdicts import Reason, Verdict
from clients import urls
from clients.clock import Clock
from clients.instruments import SILENT, Instruments
from config import durations
from config.refs import CanaryRef

_Key = TypeVar("_Key", bound=Hashable)
Judge = Callable[[Check, Measurement], CheckResult]
Connect = Callable[[Endpoint], MetricBackend]

#: Servers remembered at once; the one unused for longest is forgotten first.
_MOST_SERVERS: Final = 256


@dataclass(frozen=True, slots=True)
class _Step:
    """Answers that have come, and what is to be done for more of them."""

    answers: Mapping[Query, Measurement] = field(default_factory=dict)
    then: Sequence[Group] = ()
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """What one thread is to ask of a server."""

    server: Server
    group: Group

    def ask(self) -> _Step:
        """Asks for it."""
        members = self.group.members
        if len(members) == 1:
            return _Step({members[0]: self.server.query(members[0].text)})
        vector = self.server.vector(self.group.text)
        if isinstance(vector, Absent):
            # Refused, too large, too slow: perhaps not so for each alone.
            if vector.reason is Reason.TIMED_OUT:
                self.server.took_too_long(len(members))
            return _Step(then=_alone(members))
        return _Step(self.group.answers(vector))


def _alone(queries: Iterable[Query]) -> tuple[Group, ...]:
    return tuple(Group((query,)) for query in queries)


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
        tell: Instruments = SILENT,
    ) -> None:
        """`sharing` is with other threads and processes; without it each call is for itself."""
        self._connect = connect
        self._sharing = sharing
        self._clock = clock
        self._judge = judge
        self._limits = limits
        self._instruments = tell
        self._servers: OrderedDict[Endpoint, Server] = OrderedDict()
        self._lock = threading.Lock()

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
        reached = {endpoint: self._server(endpoint) for endpoint in dict.fromkeys(endpoints)}
        fanout = Fanout(Server.online, self._clock, self._limits.budget)
        for server in reached.values():
            if isinstance(server, Server):
                fanout.add(server.threads(is_builtin=True), grouping.NOBODY, server)
        online = dict[Server, Absent | None]()
        while wave := fanout.wave():
            online.update(wave)
        fanout.close()
        problems = (
            (endpoint, online.get(server, self._late()) if isinstance(server, Server) else server)
            for endpoint, server in reached.items()
        )
        return tuple(
            f"{endpoint.kind} {urls.redacted(endpoint.address)} is not available: {problem.message}"
            for endpoint, problem in problems
            if problem
        )

    def _answers(self, asked: Iterable[Query]) -> Iterator[Mapping[Query, Measurement]]:
        """The answers to `asked` in waves, the first at once, the last with what came too late."""
        yield {}
        missing, since = dict.fromkeys(asked), self._clock.monotonic()
        fanout = Fanout(_Job.ask, self._clock, self._limits.budget)
        step: _Step | None = self._first(missing, fanout)
        try:
            while step is not None:
                answers = {**step.answers, **self._begin(step.then, fanout)}
                for query in answers:
                    del missing[query]
                yield answers
                step = self._next(fanout, step.wanted, since) if missing else None
        finally:
            fanout.close()
        queued = {query for job in set(fanout.waiting) for query in job.group.members}
        yield {query: self._late(has_begun=query not in queued) for query in missing}

    def _first(self, asked: Iterable[Query], fanout: Fanout[_Job, _Step]) -> _Step:
        """Has queries begun; what others may ask as well after the rest, which waits for nobody."""
        alone, shared = list[Query](), list[Query]()
        for query in asked:
            (shared if self._sharing and query.builtin is None else alone).append(query)
        refused = self._begin(grouping.grouped(alone, self._largest_group), fanout)
        if not self._sharing or not shared:
            return _Step(refused)
        look = self._sharing.look(shared)
        return _Step({**refused, **look.answers}, _alone(look.own), look.wanted)

    def _next(
        self, fanout: Fanout[_Job, _Step], wanted: Wanted | None, since: float
    ) -> _Step | None:
        """What comes next; None when the time is up."""
        wave = fanout.wave(wanted.at if wanted else None)
        if not wave and (wanted is None or fanout.is_late()):
            return None
        self._tell(wave, since)
        answers = {each: answer for step in wave.values() for each, answer in step.answers.items()}
        then = [group for step in wave.values() for group in step.then]
        if wanted and (not wave or self._clock.monotonic() >= wanted.at):
            look = wanted.look()
            return _Step({**answers, **look.answers}, [*then, *_alone(look.own)], look.wanted)
        return _Step(answers, then, wanted)

    def _begin(
        self, groups: Iterable[Group], fanout: Fanout[_Job, _Step]
    ) -> dict[Query, Measurement]:
        """Has `groups` asked; the answers for those whose server cannot be."""
        refused: dict[Query, Measurement] = {}
        for group in groups:
            server = self._server(group.endpoint)
            if isinstance(server, Absent):
                refused.update(dict.fromkeys(group.members, server))
            else:
                threads = server.threads(is_builtin=group.is_builtin)
                fanout.add(threads, group.owner, _Job(server, group))
        return refused

    def _tell(self, wave: Mapping[_Job, _Step], since: float) -> None:
        """Has others know what this process has found out."""
        news = {
            query: answer
            for job, step in wave.items()
            if not job.group.is_builtin
            for query, answer in step.answers.items()
        }
        if self._sharing and news:
            self._sharing.tell(news, since)

    def _late(self, *, has_begun: bool = True) -> Absent:
        budget = self._limits.budget
        cause = f"no answer within {durations.format_go(budget)}"
        if not has_begun:
            cause = "too many queries are waiting for this server"
        return Absent(Verdict.ERROR, Reason.TIMED_OUT, cause, budget)

    def _largest_group(self, endpoint: Endpoint) -> int:
        server = self._server(endpoint)
        return 1 if isinstance(server, Absent) else server.largest_group

    def _server(self, endpoint: Endpoint) -> Server | Absent:
        with self._lock:
            if endpoint not in self._servers:
                try:
                    backend = self._connect(endpoint)
                except (InvalidEndpoint, UnknownBackend) as error:
                    kind, address = endpoint.kind.capitalize(), urls.redacted(endpoint.address)
                    cause = f"Error building {kind} client for {address} {error}"
                    return Absent(Verdict.ERROR, Reason.INVALID_ADDRESS, cause)
                made = Server(backend, self._clock, self._limits, endpoint.kind, self._instruments)
                self._servers[endpoint] = made
            self._servers.move_to_end(endpoint)
            while len(self._servers) > _MOST_SERVERS:
                self._servers.popitem(last=False)
            return self._servers[endpoint]


def _query(check: Check) -> Query:
    owner = CanaryRef(check.subject.namespace, check.subject.canary)
    return Query(check.endpoint, check.query, check.builtin, owner)


def _queries(checks: Iterable[Check]) -> dict[Query, None]:
    return dict.fromkeys(_query(check) for check in checks if check.problem is None)
