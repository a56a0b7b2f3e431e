"""Requests of the scenario's hosts, sent through routes and workloads into telemetry.

Deterministic: every division of requests carries its remainders (see `apportion`), so counts over
any stretch of time can be computed from rates, weights and profiles to within a request or two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any, Final

from sandbox.mesh import latency, routes, telemetry
from sandbox.mesh.apportion import PARTS_PER_MILLION, Apportionment, parts_per_million
from sandbox.mesh.releases import Releases
from sandbox.mesh.routes import Route
from sandbox.mesh.scenario import Host, Profile, Scenario, ScenarioError
from sandbox.mesh.telemetry import Flow, Telemetry
from sandbox.mesh.world import Address, Snapshot, Workload

_NO_WAIT_MS: Final = 0.0


class Traffic:
    """The state of all traffic: requests sent so far, remainders, releases, counters."""

    def __init__(self, scenario: Scenario) -> None:
        """No request has been sent."""
        self.telemetry = Telemetry()
        self._hosts = scenario.hosts
        self._releases = Releases(scenario)
        self._sent: defaultdict[int, int] = defaultdict(int)
        self._splits: defaultdict[Hashable, Apportionment[Hashable]] = defaultdict(Apportionment)

    def advance(self, elapsed: float, now: float, snapshot: Snapshot) -> tuple[str, ...]:
        """Send what has become due `elapsed` seconds after the start; gives back problems.

        A problem (an unknown profile or match condition) silences its host until it is mended.
        """
        self._releases.forget_stopped(snapshot)
        problems = []
        for index, host in enumerate(self._hosts):
            due = int(host.requests_per_second * elapsed + 1e-9)
            count, self._sent[index] = due - self._sent[index], due
            try:
                _HostTraffic(self, index, host, now, snapshot).send(count)
            except (ScenarioError, routes.UnknownMatchError) as problem:
                problems.append(f"host {host.namespace}/{host.host}: {problem}")
        return tuple(problems)

    def behaviour(self, host: Host, workload: Workload, now: float) -> Profile:
        """How `workload` answers requests of `host` now."""
        return self._releases.behaviour(host, workload, now)

    def divide(self, key: Hashable, count: int, weights: Mapping[Hashable, int]) -> dict[Any, int]:
        """`count` divided by `weights`; remainders are carried between calls of the same `key`."""
        return self._splits[key].divide(count, weights)


class _HostTraffic:
    """One host's requests of one step."""

    def __init__(
        self, traffic: Traffic, index: int, host: Host, now: float, snapshot: Snapshot
    ) -> None:
        self._traffic = traffic
        self._index = index
        self._host = host
        self._now = now
        self._snapshot = snapshot
        self._apex = Address(host.namespace, host.host)

    def send(self, count: int) -> None:
        """Route `count` requests; without VirtualService and Service nobody can be called."""
        virtual_service = self._snapshot.virtual_service(self._apex)
        if virtual_service is not None:
            request = routes.Request(
                self._apex, self._host.path, self._host.method, self._host.headers
            )
            self._follow(routes.choose(virtual_service, request), count)
        elif self._snapshot.has_service(self._apex):
            self._follow(Route({self._apex: 100}), count)

    def _follow(self, route: Route | None, count: int) -> None:
        if route is None or not any(route.weights.values()):
            code, waits = 404 if route is None else 503, {_NO_WAIT_MS: count}
            flags = telemetry.NO_ROUTE
            self._record("source", self._apex, None, code=code, waits=waits, flags=flags)
            return
        for service, part in self._divide("route", count, route.weights).items():
            self._call(service, part, mirrored=False)
        if route.mirror is not None:
            copied = parts_per_million(route.mirror_percent / 100)
            shares = {True: copied, False: PARTS_PER_MILLION - copied}
            copies = self._divide("mirror", count, shares)[True]
            self._call(route.mirror, copies, mirrored=True)

    def _call(self, service: Address, count: int, *, mirrored: bool) -> None:
        """Send `count` requests to a Service; its workloads share by ready pods.

        The source does not report copies of mirrored requests.
        """
        if count == 0:
            return
        workloads = {w.name: w for w in self._snapshot.ready_workloads(service)}
        if not workloads:
            if not mirrored:
                waits = {_NO_WAIT_MS: count}
                flags = telemetry.NO_HEALTHY_UPSTREAM
                self._record("source", service, None, code=503, waits=waits, flags=flags)
            return
        replicas = {name: w.ready_replicas for name, w in workloads.items()}
        for name, part in self._divide(("pods", service), count, replicas).items():
            self._answer(service, workloads[name], part, mirrored=mirrored)

    def _answer(self, service: Address, workload: Workload, count: int, *, mirrored: bool) -> None:
        """The answers of `workload`, reported by both proxies."""
        if count == 0:
            return
        profile = self._traffic.behaviour(self._host, workload, self._now)
        errors = parts_per_million(profile.error_rate)
        codes = {profile.error_code: errors, 200: PARTS_PER_MILLION - errors}
        for code, part in self._divide(("codes", workload.name), count, codes).items():
            buckets = self._divide(
                ("latency", workload.name, code), part, latency.weights(profile.latency)
            )
            waits = {latency.typical_ms(profile.latency, bound): n for bound, n in buckets.items()}
            self._record("destination", service, workload, code=code, waits=waits)
            if not mirrored:
                self._record("source", service, workload, code=code, waits=waits)

    def _record(
        self,
        reporter: telemetry.Reporter,
        service: Address,
        workload: Workload | None,
        *,
        code: int,
        waits: Mapping[float, int],
        flags: str = telemetry.NO_FLAGS,
    ) -> None:
        """Count requests, `waits` giving how many took how many milliseconds."""
        answering = None if workload is None else telemetry.identity(workload)
        flow = Flow(reporter, self._host.source, service, answering, code, flags)
        for milliseconds, count in waits.items():
            self._traffic.telemetry.record(flow, count, milliseconds)

    def _divide(self, kind: Hashable, count: int, weights: Mapping[Any, int]) -> dict[Any, int]:
        return self._traffic.divide((self._index, kind), count, weights)
