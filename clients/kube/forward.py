"""A GET of what a pod serves, through a port-forward of the API server.

As `kubectl port-forward` does, but for one request and without a port of this machine. The library
makes the WebSocket; what it offers to speak through it leaves a thread and sockets behind.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any, Final, cast

import websocket
from kubernetes.client import ApiClient
from kubernetes.stream import ws_client

from clients import aside, errors, translation
from clients.clock import SystemClock
from clients.kube import connect as connecting
from clients.kube.resources import PODS

PROTOCOL: Final = "v4.channel.k8s.io"
"""Messages begin with the number of their channel: of the one port that is forwarded, 0 is for data
and 1 for what went wrong. The first message on each is the port."""

SILENCE: Final = timedelta(seconds=5)
"""How long the library waits for anything; a GET ends earlier, and leaves it behind."""

_DATA: Final = b"\0"
_PORT_BYTES: Final = 2
_HANDSHAKE: Final = re.compile(r"Handshake status (\d{3})")
"""How the library tells what the API server answered, if it was not what was asked for."""


class _Direct(websocket.WebSocket):
    """A WebSocket that follows no redirect: another server would be sent the token."""

    def connect(self, url: str, **options: Any) -> Any:
        """As the library's own. Raises WebSocketException for an answer that leads elsewhere."""
        return super().connect(url, **options, redirect_limit=0)  # type: ignore[no-untyped-call]


# The library's function makes one of this name, and takes no other.
ws_client.WebSocket = _Direct  # type: ignore[attr-defined]


def connect(*, role: str, kubeconfig: Path | None, context: str | None) -> Forward:
    """Port-forwards through the API server that `clients.kube.connect.connect` would choose."""
    return Forward(connecting.client(role, None, kubeconfig, context))


class Forward:
    """Port-forwards through one API server."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def get(
        self, namespace: str, pod: str, port: int, path: str, *, timeout: timedelta, most: int
    ) -> tuple[int, bytes]:
        """Status and body, of at most `most` bytes, of a GET of `path` at a pod's `port`.

        `timeout` bounds it all, however often a byte comes. Raises NotFound for a pod that is gone,
        Permanent where the forwarding is refused, Transient for what breaks or is late.
        """
        doing = f"port-forward to {namespace}/{pod}:{port}"
        where = f"{PODS.path(namespace, pod, 'portforward')}?ports={port}"
        late = threading.Event()
        with _translated(doing, late), _opened(self._api, where, timeout, late) as socket:
            stream = _Stream(socket, doing)
            asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            socket.send_binary(_DATA + asked.encode("ascii"))
            response = http.client.HTTPResponse(cast("Any", stream))
            response.begin()
            body = response.read(most + 1)
        if len(body) > most:
            raise errors.TooLarge(f"{doing}: the answer is larger than {most} bytes")
        if response.length:  # of what was announced, that has not come
            raise errors.Transient(f"{doing}: the connection broke")
        return response.status, body


@contextlib.contextmanager
def _opened(
    api: ApiClient, where: str, timeout: timedelta, late: threading.Event
) -> Iterator[websocket.WebSocket]:
    """A WebSocket that is cut off after `timeout`, which `late` tells then."""
    clock = SystemClock()
    ends = clock.monotonic() + timeout.total_seconds()
    opening = aside.begun(partial(_connected, api, where))
    try:
        socket = opening.result(timeout.total_seconds())
    except TimeoutError:
        late.set()
        opening.add_done_callback(_shut)
        raise
    cutting = threading.Timer(max(ends - clock.monotonic(), 0), _cut, (socket, late))
    cutting.daemon = True
    cutting.start()
    try:
        yield socket
    finally:
        cutting.cancel()
        _hang_up(socket)


def _connected(api: ApiClient, where: str) -> websocket.WebSocket:
    """A WebSocket to the API server."""
    configuration = api.configuration
    headers = {"sec-websocket-protocol": PROTOCOL}
    token = configuration.auth_settings().get("BearerToken")
    if token and token["value"]:
        headers["authorization"] = token["value"]
    url = f"ws{str(configuration.host).rstrip('/').removeprefix('http')}{where}"
    make: Any = ws_client.create_websocket
    websocket.setdefaulttimeout(SILENCE.total_seconds())  # the library has no argument for it
    opened: websocket.WebSocket = make(configuration, url, headers)
    return opened


def _shut(opening: Future[websocket.WebSocket]) -> None:
    """Closes a WebSocket that nobody waits for any more."""
    if not opening.exception():
        _hang_up(opening.result())


def _hang_up(socket: websocket.WebSocket) -> None:
    """Closes without a farewell, whose answer might be waited for."""
    shutdown: Any = socket.shutdown
    shutdown()


def _cut(socket: websocket.WebSocket, late: threading.Event) -> None:
    """Has whoever reads find the end."""
    late.set()
    connection = socket.sock
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(SHUT_RDWR)


class _Stream(io.RawIOBase):
    """What comes on the channel for data, for `http.client`, which takes it for a socket."""

    def __init__(self, socket: websocket.WebSocket, doing: str) -> None:
        self._socket = socket
        self._doing = doing
        self._rest = b""
        self._begun: set[int] = set()

    def makefile(self, _: str) -> io.BufferedReader:
        """A buffer over this."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Bytes that were put in `buffer`; 0 at the end."""
        while not self._rest:
            opcode, message = self._socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return 0
            self._take(bytes(message))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def _take(self, message: bytes) -> None:
        channel, data = message[0] if message else 0, message[1:]
        if channel not in self._begun:
            self._begun.add(channel)
            data = data[_PORT_BYTES:]
        if channel and data:
            words = errors.capped(data.decode("utf-8", "replace"))
            raise errors.Transient(f"{self._doing}: {words}")
        self._rest += b"" if channel else data


@contextlib.contextmanager
def _translated(doing: str, late: threading.Event) -> Iterator[None]:
    """A block whose library exceptions come out as `ClientError`; TimedOut once it is `late`.

    An answer other than a forwarding is told by its status alone, and not chained: the library's
    own words hold the headers of the answer.
    """
    try:
        with translation.translated(doing):
            yield
    except websocket.WebSocketBadStatusException as refusal:
        told = _HANDSHAKE.match(str(refusal))
        status = int(told[1]) if told else 0
        raise errors.of_status(status, "the port-forward is refused", doing) from None
    except (websocket.WebSocketException, http.client.HTTPException, errors.Transient) as failure:
        if late.is_set() or isinstance(failure, websocket.WebSocketTimeoutException):
            raise errors.TimedOut(f"{doing}: timed out") from None
        if isinstance(failure, errors.Transient):
            raise
        raise errors.Transient(f"{doing}: the connection broke") from None
