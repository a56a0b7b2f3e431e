"""The metrics server as a thread: starts, tells its address, stops."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Final

from tornado import httpserver

from sandbox.prometheus import handlers
from sandbox.prometheus.faults import Faults
from sandbox.promql import SeriesStore

_HOST: Final = "127.0.0.1"
_GRACE_SECONDS: Final = 5.0


class PrometheusServer:
    """A Prometheus-compatible query API over `series`, on a port of the loopback interface.

    `now` gives the time of queries that name none, in seconds since the epoch; port 0 takes a
    free one. Runs in a thread of its own between `start` and `stop`.
    """

    def __init__(self, series: SeriesStore, *, now: Callable[[], float], port: int = 0) -> None:
        """A server that is not yet listening."""
        self._service = handlers.Service(series, now)
        self._port = port
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address to query, e.g. `http://127.0.0.1:41234`; valid once started."""
        return f"http://{_HOST}:{self._port}"

    @property
    def faults(self) -> Faults:
        """The faults of the next queries; empty unless something is added."""
        return self._service.faults

    @property
    def query_count(self) -> int:
        """How many instant and range queries have arrived, faulty ones included."""
        return self._service.query_count

    def start(self) -> PrometheusServer:
        """Itself, listening. Raises OSError when the port is taken."""
        listening = socket.create_server((_HOST, self._port))
        listening.settimeout(0)  # asyncio wants it non-blocking
        self._port = listening.getsockname()[1]
        server = httpserver.HTTPServer(handlers.application(self._service))
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(server, listening)),
            name="sandbox-prometheus",
            daemon=True,
        )
        self._thread.start()
        self._ready.wait(_GRACE_SECONDS)
        return self

    def stop(self) -> None:
        """Stop listening and wait for the thread; requests in progress are cut off."""
        if self._loop is None or self._stopping is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_GRACE_SECONDS)
        self._thread = None

    async def _serve(self, server: httpserver.HTTPServer, listening: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server.add_sockets([listening])
        self._ready.set()
        await self._stopping.wait()
        server.stop()
        await server.close_all_connections()
