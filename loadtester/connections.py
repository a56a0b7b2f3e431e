"""Connections within bounds: who does not ask, or reads no answer, keeps nobody from his own.

And what is said of requests that are none: without their text, which may hold a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Final, cast

from aiohttp.http_exceptions import HttpProcessingError

MOST: Final = 512
"""Connections at a time, beside those that wait for tasks; a new one takes the place of the oldest
that is not being answered."""

ASKED_WITHIN: Final = 10.0
"""Seconds from the beginning of a connection to the end of its first request's header."""


class Connections:
    """The open connections of one server."""

    def __init__(self, most: int = MOST, asked_within: float = ASKED_WITHIN) -> None:
        self._most = most
        self._asked_within = asked_within
        self._open: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        """Oldest first, and what hangs up on those that do not ask."""
        self._answered: set[asyncio.BaseTransport] = set()

    @contextlib.contextmanager
    def answered(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """For the length of the block the connection has a request that it is kept for."""
        if transport not in self._open:  # gone already
            yield
            return
        self._open[transport].cancel()
        self._answered.add(transport)
        try:
            yield
        finally:
            self._answered.discard(transport)

    def accept(self, serve: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        """The protocol of a new connection, which `serve` makes what it is."""
        return _Connection(self, serve())

    def opened(self, transport: asyncio.Transport) -> bool:
        """Whether there is room for one more, once the oldest that is idle has gone."""
        if len(self._open) >= self._most:
            idle = next((each for each in self._open if each not in self._answered), None)
            if idle is None:
                transport.abort()
                return False
            self._hang_up(idle)
        later = asyncio.get_running_loop().call_later
        self._open[transport] = later(self._asked_within, self._hang_up, transport)
        return True

    def closed(self, transport: asyncio.BaseTransport) -> None:
        """Forgets a connection that is gone."""
        if timer := self._open.pop(transport, None):
            timer.cancel()

    def _hang_up(self, transport: asyncio.BaseTransport) -> None:
        self.closed(transport)
        cast("asyncio.Transport", transport).abort()


class _Connection(asyncio.Protocol):
    """Passes everything on to the protocol that serves, once there is room."""

    def __init__(self, connections: Connections, serving: asyncio.Protocol) -> None:
        self._connections = connections
        self._serving = serving
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins, unless there is no room."""
        if self._connections.opened(cast("asyncio.Transport", transport)):
            self._transport = transport
            self._serving.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Passed on, if there was room."""
        if self._transport is not None:
            self._serving.data_received(data)

    def eof_received(self) -> bool | None:
        """Passed on."""
        return self._serving.eof_received()

    def pause_writing(self) -> None:
        """Passed on."""
        self._serving.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self._serving.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what has begun."""
        if self._transport is not None:
            self._connections.closed(self._transport)
            self._serving.connection_lost(exc)


def without_text(record: logging.LogRecord) -> bool:
    """A filter that keeps all records, and of requests that cannot be read only that it was one."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True
