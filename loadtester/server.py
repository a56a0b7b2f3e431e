"""The HTTP interface: Flagger's paths, statuses and texts, and `GET /gate`, which lists the gates.

Any method is accepted, as with Flagger.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar, assert_never

from aiohttp import web

from clients import errors
from clients.gates import Gate, GateId, GateKind, Gates, TooManyGates
from config import durations, moments
from loadtester import access as admission
from loadtester import kinds, payload
from loadtester.access import Access
from loadtester.askers import Askers
from loadtester.connections import Connections
from loadtester.jobs import End, Job, Mode, Outcome, Refused
from loadtester.kinds import Prepare
from loadtester.metrics import CONTENT_TYPE, Metrics
from loadtester.payload import BadPayloadError, Payload
from loadtester.runs import Runs

log = logging.getLogger(__name__)

LARGEST_BODY: Final = 64 * 1024
"""Bytes; no webhook posts more than a few thousand."""

LONGEST_NAME: Final = 253
"""Characters of a name in Kubernetes; gates are kept under it, and logs have it."""

_LOGGED: Final = 1000
"""Characters of a path and of a refusal that a log line has."""

_BODY_WITHIN: Final = timedelta(seconds=10)

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Service:
    """What requests are answered with."""

    access: Access
    gates: Gates
    askers: Askers
    known: Mapping[str, Prepare]
    runs: Runs
    metrics: Metrics
    guarded: Callable[[], AbstractContextManager[None]]
    """For the length of its block, tasks do not outlive the load tester, however that ends."""
    connections: Connections
    patience: timedelta = timedelta(seconds=5)
    """How long gates may take to be asked or changed; webhooks wait for 10 s."""
    threads: Executor = field(default_factory=partial(ThreadPoolExecutor, 8, "gates"))
    """Those that wait for the gates: a Redis that is slow keeps nothing else waiting."""

    def application(self) -> web.Application:
        """All paths."""
        application = web.Application(middlewares=[self._refusing], client_max_size=LARGEST_BODY)
        add = application.router.add_route
        add("*", "/healthz", partial(_said, "OK", HTTPStatus.OK))
        add("*", "/metrics", self._metrics)
        add("*", "/gate/approve", partial(_said, "OK", HTTPStatus.OK))
        add("*", "/gate/halt", partial(_said, "Forbidden", HTTPStatus.FORBIDDEN))
        for kind in GateKind:
            add("*", f"/{kind}/check", partial(self._check, kind))
            for name, is_open in (("open", True), ("close", False)):
                add("*", f"/{kind}/{name}", partial(self._put, kind, is_open))
        add("GET", "/gate", self._list)
        add("*", "/{path:.*}", self._task)
        return application

    @web.middleware
    async def _refusing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers what is refused, with one line in the log."""
        try:
            with self.connections.answered(request.transport):
                return await handler(request)
        except Refused as refusal:
            return self._refused(request, refusal.status, refusal.text)
        except BadPayloadError as error:  # whose answer has no text with Flagger
            return self._refused(request, HTTPStatus.BAD_REQUEST, "", f"no payload: {error}")
        except (errors.ClientError, TooManyGates) as error:
            return self._refused(request, HTTPStatus.SERVICE_UNAVAILABLE, f"gates: {error}")

    def _refused(
        self, request: web.Request, status: HTTPStatus, text: str, why: str = ""
    ) -> web.Response:
        self.metrics.refused.labels(int(status)).inc()
        said = (why or text)[:_LOGGED]
        extra = {"path": request.path[:_LOGGED], "status": int(status), "error": said}
        log.warning("request refused", extra=extra)
        return web.Response(status=status, text=text)

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=self.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _check(self, kind: GateKind, request: web.Request) -> web.Response:
        asked = await self._payload(request)
        gate = GateId(kind, asked.ref)
        self.askers.note(gate)
        if await self._of_gates(partial(self.gates.is_open, gate)):
            return web.Response(text="Approved")
        return web.Response(text="Forbidden", status=HTTPStatus.FORBIDDEN)

    async def _put(self, kind: GateKind, is_open: bool, request: web.Request) -> web.Response:  # noqa: FBT001 - bound by position
        self.access.check(request.headers.get("Authorization", ""))
        asked = await self._payload(request)
        if not (asked.name and asked.namespace):
            raise Refused("name and namespace are required")
        gate = _gate(GateId(kind, asked.ref), is_open, request, asked)
        await self._of_gates(partial(self.gates.put, gate))
        remark = self.askers.remark(gate.id)
        extra = {"canary": asked.ref.dotted, **_shown(gate), "remark": remark.rstrip()}
        log.info("gate set", extra=extra)
        return web.Response(status=HTTPStatus.ACCEPTED, text=remark)

    async def _list(self, request: web.Request) -> web.Response:
        del request
        listing = partial(self._listing, self.askers.last())
        return web.json_response(text=await self._of_gates(listing))

    def _listing(self, asked: Mapping[GateId, datetime]) -> str:
        untouched = {gate: Gate(gate, is_open=False, who="", address="", why="") for gate in asked}
        known = {**untouched, **{gate.id: gate for gate in self.gates.all()}}
        admitted = (each for each in known.values() if self.access.admits(each.id.ref.namespace))
        listed = [_listed(gate, asked.get(gate.id)) for gate in sorted(admitted, key=_by_id)]
        return json.dumps({"gates": listed})

    async def _of_gates(self, ask: Callable[[], T]) -> T:
        """What `ask` gives. Raises Refused where that takes long: then it may yet be done."""
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                return await asyncio.get_running_loop().run_in_executor(self.threads, ask)
        except TimeoutError as error:
            within = durations.format_go(self.patience)
            text = f"gates: no answer within {within}"
            raise Refused(text, HTTPStatus.SERVICE_UNAVAILABLE) from error

    async def _task(self, request: web.Request) -> web.Response:
        job = kinds.job(self.known, await self._payload(request))
        match job.mode:
            case Mode.BACKGROUND:
                self.runs.submit(job)
                return web.Response(status=HTTPStatus.ACCEPTED)
            case Mode.BLOCKING:
                return _answer(job, await self.runs.ask(job))
            case _:
                assert_never(job.mode)

    async def _payload(self, request: web.Request) -> Payload:
        """What is asked for. Raises BadPayloadError, and Refused for other namespaces."""
        try:
            async with asyncio.timeout(_BODY_WITHIN.total_seconds()):
                body = await request.read()
        except (TimeoutError, ConnectionResetError, web.HTTPRequestEntityTooLarge) as error:
            raise BadPayloadError(type(error).__name__) from error
        asked = payload.parse(body)
        if max(map(len, asked.ref)) > LONGEST_NAME:
            raise Refused(f"name and namespace have at most {LONGEST_NAME} characters")
        if not self.access.admits(asked.namespace):
            raise Refused("Forbidden", HTTPStatus.FORBIDDEN)
        return asked


def _answer(job: Job, outcome: Outcome) -> web.Response:
    """What whoever waited for `job` is told."""
    if outcome.end is End.SUCCEEDED:
        return web.Response(text=outcome.output if job.returns_output else "")
    return web.Response(text=job.failure(outcome), status=HTTPStatus.INTERNAL_SERVER_ERROR)


async def _said(text: str, status: HTTPStatus, request: web.Request) -> web.Response:
    """Always the same."""
    del request
    return web.Response(text=text, status=status)


def _gate(gate: GateId, is_open: bool, request: web.Request, asked: Payload) -> Gate:  # noqa: FBT001 - as it is sent
    """How a gate is to stand, and who says so.

    A proxy that knows its users says who it is in X-Forwarded-User; else people may say it
    themselves.
    """
    who = request.headers.get("X-Forwarded-User") or asked.metadata.get("user", "")
    return Gate(
        gate,
        is_open,
        who=admission.told(who),
        address=request.remote or "",
        why=admission.told(asked.metadata.get("reason", "")),
    )


def _shown(gate: Gate) -> dict[str, Any]:
    return {
        "kind": gate.id.kind,
        "state": "open" if gate.is_open else "closed",
        "who": gate.who,
        "address": gate.address,
        "why": gate.why,
    }


def _listed(gate: Gate, asked: datetime | None) -> dict[str, Any]:
    who = {"namespace": gate.id.ref.namespace, "name": gate.id.ref.name}
    at = None if gate.at == moments.EPOCH else moments.rfc3339(gate.at)
    return {**who, **_shown(gate), "at": at, "asked": asked and moments.rfc3339(asked)}


def _by_id(gate: Gate) -> tuple[str, str, str]:
    return (*gate.id.ref, gate.id.kind)
