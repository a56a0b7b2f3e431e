"""Reading an answer with a bound on its size and on the whole time it takes."""

from __future__ import annotations

from typing import Final

import urllib3

from clients import errors
from clients.clock import Clock

BLOCK: Final = 65536
"""Bytes asked for at once; most answers fit."""


def whole(
    response: urllib3.BaseHTTPResponse, *, limit: int, deadline: float, clock: Clock, doing: str
) -> bytes:
    """The complete body of at most `limit` bytes; the connection goes back to its pool.

    `deadline` is compared with `clock.monotonic()` after every block, so that a server that sends
    a byte now and then cannot hold the caller.

    Raises TooLarge when the body is larger, Transient when it takes longer.
    """
    blocks, left = [], limit
    while block := response.read1(BLOCK):
        left -= len(block)
        if left < 0:
            response.close()
            raise errors.TooLarge(
                f"{doing}: the answer is larger than {limit} bytes", status=response.status
            )
        _refuse_late(response, deadline, clock, doing)
        blocks.append(block)
    response.release_conn()
    return b"".join(blocks)


def beginning(
    response: urllib3.BaseHTTPResponse, *, limit: int, deadline: float, clock: Clock, doing: str
) -> bytes:
    """The first `limit` bytes of the body; what follows is dropped, with its connection.

    Raises Transient when they do not come in time, as in `whole`.
    """
    blocks, left = [], limit
    while left > 0 and (block := response.read1(min(BLOCK, left))):
        _refuse_late(response, deadline, clock, doing)
        blocks.append(block)
        left -= len(block)
    response.close()
    return b"".join(blocks)


def _refuse_late(
    response: urllib3.BaseHTTPResponse, deadline: float, clock: Clock, doing: str
) -> None:
    if clock.monotonic() > deadline:
        response.close()
        raise errors.Transient(f"{doing}: timed out")
