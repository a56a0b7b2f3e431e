"""The routes of the HTTP API: each reads its parameters, asks the store, renders the answer.

Source: Prometheus documentation, "HTTP API" and "Management API".
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tornado import web

from sandbox import promql
from sandbox.prometheus import parameters, rendering
from sandbox.prometheus.faults import Faults, Hang, HttpStatus
from sandbox.promql import Labels, SeriesStore, Value
from sandbox.promql.series import milliseconds

_STATUS: Final = {"bad_data": 400, "execution": 422}
_BUILD: Final = {
    "version": "2.42.0",
    "revision": "sandbox",
    "branch": "sandbox",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}
LOOKBACK_SECONDS: Final = 300
"""How old the newest value of a series may be that still exists."""

_NAMES: Final = {"healthy": "Healthy", "ready": "Ready"}


@dataclass(slots=True)
class Service:
    """What all requests share: the series, the clock, the faults and the count of queries."""

    series: SeriesStore
    now: Callable[[], float]
    faults: Faults = field(default_factory=Faults)
    query_count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_query(self) -> None:
        """Count one instant or range query, answered or not."""
        with self._lock:
            self.query_count += 1


class _Handler(web.RequestHandler):
    """GET and POST with the same parameters; errors in Prometheus's envelope."""

    service: Service

    def initialize(self, service: Service) -> None:
        self.service = service

    async def get(self, *path: str) -> None:
        await self._answer(path)

    async def post(self, *path: str) -> None:
        await self._answer(path)

    async def _answer(self, path: tuple[str, ...]) -> None:
        try:
            data = await self.data(*path)
        except promql.PromqlError as error:
            self._finish(_STATUS[error.kind], rendering.error(error.kind, str(error)))
        else:
            if not self._finished:
                self._finish(200, rendering.success(data))

    def _finish(self, status: int, body: dict[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body))

    async def data(self, *path: str) -> Any:
        """The `data` of the answer."""
        raise NotImplementedError

    def selected(self, *, required: bool) -> Iterable[Labels]:
        """The label sets the `match[]`, `start` and `end` parameters choose, without repeats."""
        selectors = self.get_arguments("match[]")
        if required and not selectors:
            raise promql.BadQueryError("no match[] parameter provided")
        now = self.service.now()
        start = parameters.instant("start", self.get_argument("start", None), 0.0)
        end = parameters.instant("end", self.get_argument("end", None), now)
        chosen = [parameters.selector(text) for text in selectors] or [()]
        return {
            window.labels: None
            for matchers in chosen
            for window in self.service.series.select(
                matchers, milliseconds(start), milliseconds(end)
            )
        }


class _Evaluated(_Handler):
    """A query: counted, and subject to faults."""

    async def data(self, *path: str) -> Any:
        del path
        self.service.count_query()
        fault = self.service.faults.take()
        match fault:
            case HttpStatus(code, retry_after):
                return self._refuse(code, retry_after)
            case Hang(seconds):
                await asyncio.sleep(seconds)
        value, at = self.evaluate()
        return rendering.result(rendering.distorted(value, fault), at)

    def evaluate(self) -> tuple[Value, float]:
        """The value of the query and the instant it is for (seconds)."""
        raise NotImplementedError

    def query(self) -> str:
        """The text of the query."""
        return self.get_argument("query", "", strip=False)

    def _refuse(self, code: int, retry_after: int | None) -> None:
        if retry_after is not None:
            self.set_header("Retry-After", str(retry_after))
        self._finish(code, rendering.error("unavailable", f"injected fault: HTTP {code}"))


class _Query(_Evaluated):
    def evaluate(self) -> tuple[Value, float]:
        at = parameters.instant("time", self.get_argument("time", None), self.service.now())
        return promql.evaluate_instant(self.query(), at, self.service.series), at


class _QueryRange(_Evaluated):
    def evaluate(self) -> tuple[Value, float]:
        chosen = parameters.query_range(*(self.get_argument(n, "") for n in _RANGE))
        value = promql.evaluate_range(
            self.query(), chosen.start, chosen.end, chosen.step, self.service.series
        )
        return value, chosen.end


class _Federate(_Handler):
    """The newest values, for another Prometheus to scrape. Source: "Federation"."""

    async def _answer(self, path: tuple[str, ...]) -> None:
        del path
        now = self.service.now()
        span = milliseconds(now - LOOKBACK_SECONDS), milliseconds(now)
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        for text in self.get_arguments("match[]"):
            for window in self.service.series.select(parameters.selector(text), *span):
                self.write(rendering.exposed(window))
        self.finish()


class _Series(_Handler):
    async def data(self, *path: str) -> Any:
        del path
        return [labels.as_dict() for labels in self.selected(required=True)]


class _LabelNames(_Handler):
    async def data(self, *path: str) -> Any:
        del path
        return sorted({name for ls in self.selected(required=False) for name, _ in ls.pairs})


class _LabelValues(_Handler):
    async def data(self, *path: str) -> Any:
        (name,) = path
        found = {labels.get(name) for labels in self.selected(required=False)}
        return sorted(found - {""})


class _BuildInfo(_Handler):
    async def data(self, *path: str) -> Any:
        del path
        return _BUILD


class _Management(web.RequestHandler):
    def get(self, name: str) -> Awaitable[None] | None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(f"Prometheus Server is {_NAMES[name]}.\n")
        return None


class _Root(web.RequestHandler):
    """The address itself: clients open it to see whether anything answers."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write("Coalmine sandbox: a Prometheus-compatible query API.\n")


_RANGE: Final = ("start", "end", "step")


def application(service: Service) -> web.Application:
    """The HTTP application over `service`."""
    shared = {"service": service}
    return web.Application(
        [
            (r"/", _Root),
            (r"/-/(healthy|ready)", _Management),
            (r"/federate", _Federate, shared),
            (r"/api/v1/query", _Query, shared),
            (r"/api/v1/query_range", _QueryRange, shared),
            (r"/api/v1/series", _Series, shared),
            (r"/api/v1/labels", _LabelNames, shared),
            (r"/api/v1/label/([a-zA-Z_][a-zA-Z0-9_]*)/values", _LabelValues, shared),
            (r"/api/v1/status/buildinfo", _BuildInfo, shared),
        ],
        log_function=lambda _handler: None,
    )
