"""A load tester from its settings, and its life: it serves until a signal, then drains."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, cast

from aiohttp import web

from clients.clock import SystemClock
from clients.gates import Gates
from config.settings.loadtester import LoadTesterSettings
from loadtester import connections, kinds, programs
from loadtester.access import Access
from loadtester.askers import Askers
from loadtester.connections import Connections
from loadtester.kinds.commands import Commands
from loadtester.kinds.concord import Concord
from loadtester.metrics import Metrics
from loadtester.processes import Limits, Processes
from loadtester.programs import Programs
from loadtester.runs import Runs
from loadtester.server import Service

log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 60.0
"""How long requests may take to be answered after SIGTERM; as with Flagger."""


def service(settings: LoadTesterSettings, environ: Mapping[str, str], gates: Gates) -> Service:
    """The load tester that `settings` describe; commands get what they may of `environ`."""
    passed = programs.environment(environ, settings.variables)
    known = Programs(frozenset(settings.allowed), settings.with_shell, passed)
    processes = Processes(passed, Limits(settings.timeout))
    metrics = Metrics()
    token = Path(settings.token_file) if settings.token_file else None
    keys = Path(settings.concord_keys) if settings.concord_keys else None
    concord = Concord(frozenset(settings.concord_servers or ()), keys, settings.timeout)
    return Service(
        Access(settings.namespaces, token),
        gates,
        Askers(SystemClock().now),
        kinds.registry(Commands(known, processes.run), concord, settings.timeout),
        Runs(settings.background, settings.blocking, metrics),
        metrics,
        processes.guarded,
        Connections(connections.MOST + settings.blocking),
    )


def run(service: Service, listening: socket.socket) -> None:
    """Serves on `listening` until SIGTERM or SIGINT, and ends all processes."""
    asyncio.run(_serve(service, listening))


async def _serve(service: Service, listening: socket.socket) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with serving(service, listening):
        log.info("load tester served", extra={"port": listening.getsockname()[1]})
        await told.wait()
        log.info("shutting down")


@contextlib.asynccontextmanager
async def serving(service: Service, listening: socket.socket) -> AsyncIterator[None]:
    """Serves for the length of the block; after it all processes are ended."""
    with service.guarded():
        async with _listening(service, listening):
            yield


@contextlib.asynccontextmanager
async def _listening(service: Service, listening: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(
        service.application(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        logger=_http_log(),
    )
    await runner.setup()
    serve = cast("Callable[[], asyncio.Protocol]", runner.server)
    accept = partial(service.connections.accept, serve)
    server = await asyncio.get_running_loop().create_server(accept, sock=listening)
    try:
        yield
    finally:
        server.close()
        await service.runs.drain(DRAIN_SECONDS)
        await runner.cleanup()


def _http_log() -> logging.Logger:
    """What aiohttp logs of connections."""
    logger = logging.getLogger(f"{__name__}.http")
    logger.addFilter(connections.without_text)  # once, however often it is added
    return logger
