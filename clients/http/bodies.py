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
