"""Stands between Coalmine and the API server, and makes trouble when told to.

Coalmine speaks plain HTTP to it, with its tokens; the API server is asked over TLS, as always.
"""

import contextlib
import http.client
import http.server
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from tests.services.cluster import ControlPlane

HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Answer:
    """Refuses instead of asking the server; it never hears of the request."""

    status: int
    retry_after_seconds: int | None = None


@dataclass(frozen=True)
class Delay:
    """Asks the server after a while."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """Ends the connection: before the server was asked, or after it has done what was asked."""

    after: bool


Fault = Answer | Delay | Cut


class Faults:
    """What befalls the next requests whose "METHOD /path" matches a pattern."""

    def __init__(self) -> None:
        self._planned: list[tuple[re.Pattern[str], Fault]] = []
        self._befallen = 0
        self._open: set[socket.socket] = set()
        self._is_cut_off = False
        self._lock = threading.Lock()

    @property
    def befallen(self) -> int:
        """How many requests have met a fault."""
        return self._befallen

    def add(self, pattern: str, *faults: Fault) -> None:
        """Each of `faults` befalls one request whose "METHOD /path" `pattern` is found in."""
        with self._lock:
            self._planned += [(re.compile(pattern), fault) for fault in faults]

    def clear(self) -> None:
        """Forgets what has not come to pass."""
        with self._lock:
            self._planned.clear()

    def cut_off(self) -> None:
        """Ends all connections, and each new one at its first request, until `restore`."""
        with self._lock:
            self._is_cut_off = True
            for connection in self._open:
                hang_up(connection)

    def restore(self) -> None:
        """Lets requests through again."""
        self._is_cut_off = False

    def opened(self, connection: socket.socket) -> None:
        """There is a connection more."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """It is gone."""
        with self._lock:
            self._open.discard(connection)

    def take(self, request: str) -> Fault | None:
        """The fault for a request; it is used up."""
        with self._lock:
            if self._is_cut_off:
                self._befallen += 1
                return Cut(after=False)
            for index, (pattern, fault) in enumerate(self._planned):
                if pattern.search(request):
                    del self._planned[index]
                    self._befallen += 1
                    return fault
        return None


@dataclass(frozen=True)
class Proxy:
    """A running proxy; `url` is where Coalmine finds its API server."""

    url: str
    faults: Faults


class Handler(http.server.BaseHTTPRequestHandler):
    """Passes one connection's requests on; subclassed with the server it stands before."""

    protocol_version = "HTTP/1.1"
    plane: ControlPlane
    faults: Faults

    def setup(self) -> None:
        """Has the connection known, for it to be cut off."""
        super().setup()
        self.faults.opened(self.connection)

    def finish(self) -> None:
        """It is over."""
        self.faults.closed(self.connection)
        super().finish()

    def handle_one_request(self) -> None:
        """One request; a peer that hangs up is not worth a word."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            super().handle_one_request()
            return
        self.close_connection = True

    def pass_on(self) -> None:
        """Asks the server, unless a fault befalls the request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.faults.take(f"{self.command} {self.path}")
        match fault:
            case Answer():
                self._refuse(fault)
                return
            case Delay(seconds=seconds):
                time.sleep(seconds)
            case Cut(after=False):
                self._hang_up()
                return
            case _:
                pass
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        with self.plane.asked(self.command, self.path, body or None, headers) as answer:
            if isinstance(fault, Cut):
                answer.read()
                self._hang_up()
            else:
                self._relay(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815 (their names there)

    def _relay(self, answer: urllib3.BaseHTTPResponse) -> None:
        """The answer as it comes: a watch is passed on line by line."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, fault: Answer) -> None:
        reason = {409: "Conflict", 429: "TooManyRequests"}.get(fault.status, "InternalError")
        body = b'{"kind":"Status","status":"Failure","reason":"%s","code":%d,"message":"as told"}'
        text = body % (reason.encode(), fault.status)
        self.send_response(fault.status)
        if fault.retry_after_seconds is not None:
            self.send_header("Retry-After", str(fault.retry_after_seconds))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _hang_up(self) -> None:
        self.close_connection = True
        hang_up(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
        """Keeps the test's output free of one line per request."""


def hang_up(connection: socket.socket) -> None:
    """Ends a connection for both sides, if it is not over yet."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def before(plane: ControlPlane) -> Iterator[Proxy]:
    """A proxy before `plane` for the length of the block."""
    faults = Faults()
    handler = type("PlaneHandler", (Handler,), {"plane": plane, "faults": faults})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True  # watches are open when the block ends
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Proxy(f"http://127.0.0.1:{server.server_address[1]}", faults)
        finally:
            server.shutdown()
            thread.join()
