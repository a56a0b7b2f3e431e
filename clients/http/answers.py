"""Answers of bounded size that come in bounded time, their status line and headers included.

The time limit of a socket starts anew with every byte. A server that drips, or sends
`100 Continue` for ever, would hold its caller for as long as it likes.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
from functools import lru_cache
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPSConnection

from clients import errors
from clients.clock import Clock, SystemClock
from clients.http.reaching import Prompt
from config.networks import NONE_DENIED, Denied

BLOCK: Final = 65536
"""Bytes asked for at once; most answers fit."""

_CLOCK: Final = SystemClock()
"""The time that sockets know."""


def whole(
    response: urllib3.BaseHTTPResponse, *, limit: int, deadline: float, clock: Clock, doing: str
) -> bytes:
    """The complete body of at most `limit` bytes; raises TooLarge for a larger one."""
    body = beginning(response, limit=limit + 1, deadline=deadline, clock=clock, doing=doing)
    if len(body) > limit:
        text = f"{doing}: the answer is larger than {limit} bytes"
        raise errors.TooLarge(text, status=response.status)
    return body


def beginning(
    response: urllib3.BaseHTTPResponse, *, limit: int, deadline: float, clock: Clock, doing: str
) -> bytes:
    """The first `limit` bytes of the body; what follows is dropped, with its connection.

    The connection of a body that was read to its end goes back to its pool. `deadline` is compared
    with `clock.monotonic()` after every block, so that a server that sends a byte now and then
    cannot hold the caller. Raises Transient when it takes longer.
    """
    blocks, left = [], limit
    while left > 0 and (block := response.read1(min(BLOCK, left), decode_content=True)):
        if clock.monotonic() > deadline:
            response.close()
            raise errors.Transient(f"{doing}: timed out")
        blocks.append(block)
        left -= len(block)
    response.close()
    return b"".join(blocks)


def begin_in_time(manager: urllib3.PoolManager, denied: Denied = NONE_DENIED) -> None:
    """Has all new connections of `manager` made, and answers on them begin, within a time limit.

    That is the limit of one connection or read. None is made to `denied` networks.
    """
    manager.pool_classes_by_scheme = _pools(denied)


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


@lru_cache(maxsize=16)
def _pools(of: Denied) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """By scheme, pools whose connections are `Prompt` and never to networks that are denied."""

    class Connection(Prompt):
        response_class = _Response
        denied = of

    class SecureConnection(Prompt, HTTPSConnection):
        response_class = _Response
        denied = of

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
