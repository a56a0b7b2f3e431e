"""Watch streams: one JSON event per line, and the streams that are open."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import urllib3

from clients import errors
from clients.kube import decoding
from clients.kube.protocol import WatchEvent, WatchType

BLOCK: Final = 65536
"""Bytes read at once, at most: an event is delivered as soon as it is there."""

END: Final = b"\n"

ERROR: Final = "ERROR"
"""The type of the event by which the server says why it ends a watch."""


def read_events(
    response: urllib3.BaseHTTPResponse, doing: str, longest: int
) -> Iterator[WatchEvent]:
    """The events of a watch in order, until the server ends it.

    Raises Expired and others for the server's ERROR event, Expired for a line that is no event,
    Transient for one that breaks off, Permanent for one of more than `longest` bytes.
    """
    for line in _lines(response, doing, longest):
        if line.strip():
            yield _event(line, doing)


class Streams:
    """The watches in progress, so that another thread can end them."""

    def __init__(self) -> None:
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def open(self, response: urllib3.BaseHTTPResponse) -> Iterator[None]:
        """A block in which `response` is read; it ends without an error when `close` ends it."""
        with self._lock:
            self._open.add(response)
            if self._closed:
                response.close()  # reading gives the end at once
        try:
            yield
        except (errors.ClientError, *errors.LIBRARY_ERRORS):
            if not self._closed:
                raise
        finally:
            with self._lock:
                self._open.discard(response)
            response.close()

    def close(self) -> None:
        """Make every reader see the end of its stream."""
        with self._lock:
            self._closed = True
            for response in self._open:
                with suppress(OSError, ValueError, RuntimeError):  # it ended by itself just now
                    response.shutdown()


def _lines(response: urllib3.BaseHTTPResponse, doing: str, longest: int) -> Iterator[bytes]:
    rest = bytearray()
    while block := response.read1(BLOCK):
        *lines, last = block.split(b"\n")
        for line in lines:
            yield bytes(rest) + line + END
            rest.clear()
        rest += last
        if len(rest) > longest:
            raise errors.Permanent(f"{doing}: an event is larger than {longest} bytes")
    if rest:
        yield bytes(rest)


def _event(line: bytes, doing: str) -> WatchEvent:
    try:
        event = decoding.event(line, doing)
        kind, obj = event["type"], event["object"]
        if kind == ERROR:
            raise _error(obj, doing)
        return WatchEvent(WatchType(kind), obj)
    except (ValueError, KeyError, TypeError) as error:
        text = errors.capped(line.decode("utf-8", "replace"))
        # A whole line would be sent again, and again: only a list leads past it.
        broken = errors.Expired if line.endswith(END) else errors.Transient
        raise broken(f"{doing}: not a watch event: {text}") from error


def _error(status: Any, doing: str) -> errors.ClientError:
    code = status.get("code") if isinstance(status, dict) else None
    if not isinstance(code, int):
        return errors.Transient(f"{doing}: {errors.capped(str(status))}")
    return errors.of_status(code, json.dumps(status), doing)
