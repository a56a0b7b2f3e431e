"""Answers whose status line and headers come in time.

The time limit of a socket starts anew with every byte. A server that drips its headers, or sends
`100 Continue` for ever, would hold its caller for as long as it likes.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from clients.clock import SystemClock

_CLOCK: Final = SystemClock()
"""The time that sockets know."""


class _Impatient(io.RawIOBase):
    """What comes from a socket until `deadline`, in seconds of the monotonic clock."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self.deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.deadline < math.inf:
            left = self.deadline - _CLOCK.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head may take as long as one read, in all."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._limit = sock.gettimeout()
        self._sock = sock
        deadline = math.inf if self._limit is None else _CLOCK.monotonic() + self._limit
        self._impatient = _Impatient(sock, self.fp.detach(), deadline)
        self.fp = io.BufferedReader(self._impatient)

    def begin(self) -> None:
        super().begin()
        self._impatient.deadline = math.inf  # the body has limits of its own
        self._sock.settimeout(self._limit)


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


def bound(manager: urllib3.PoolManager) -> None:
    """Has all answers on new connections of `manager` begin within the time limit of one read."""
    manager.pool_classes_by_scheme = _POOLS
