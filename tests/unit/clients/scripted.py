"""A local web server that answers each request as a test has scripted it, well or badly."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """The answers to come, in order, the last one forever; and the requests so far."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    closed: int = 0
    """Connections that the server has ended."""

    def then(self, *answers: Answer) -> None:
        """Append answers."""
        self.answers.extend(answers)

    def next(self) -> Answer:
        """The answer to the next request."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def reply(status: int, body: str | bytes = b"", **headers: str) -> Answer:
    """A complete answer; underscores in header names are dashes."""
    data = body.encode() if isinstance(body, str) else body

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def stream(*lines: str | bytes, cut: bool = False) -> Answer:
    """A chunked answer, a chunk per line; `cut` breaks the connection instead of ending it."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for line in lines:
            data = line.encode() if isinstance(line, str) else line
            handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if cut:
            reset(handler)
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def hang(over: threading.Event, *, after: bytes = b"") -> Answer:
    """No answer, or only its beginning, until the test is over."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(after)
        handler.wfile.flush()
        over.wait(30)
        handler.close_connection = True

    return answer


def drip(over: threading.Event, pause: float = 0.05) -> Answer:
    """An answer of which one byte comes now and then, without an end."""
    return _endless(over, pause, b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")


def drip_a_header(over: threading.Event, pause: float = 0.05) -> Answer:
    """A header of which one byte comes now and then, without an end."""
    return _endless(over, pause, b"x", b"HTTP/1.1 200 OK\r\nX-Slow: ")


def continue_for_ever(over: threading.Event, pause: float = 0.05) -> Answer:
    """Interim answers without an end, and no final one."""
    return _endless(over, pause, b"HTTP/1.1 100 Continue\r\n\r\n")


def _endless(over: threading.Event, pause: float, piece: bytes, beginning: bytes = b"") -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(beginning)
        while not over.wait(pause):
            handler.wfile.write(piece)

    return answer


def reset(handler: BaseHTTPRequestHandler) -> None:
    """The connection is reset."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.wfile = open("/dev/null", "wb")  # noqa: PTH123, SIM115  # nothing more can be said
    handler.rfile.close()
    handler.connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    script: Script

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients that hang up are what these tests are about."""

    def shutdown_request(self, request: Any) -> None:
        """Note it, once it is done."""
        super().shutdown_request(request)
        self.script.closed += 1


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Script]:
    """A script, served on a free port of 127.0.0.1 for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            if not name.startswith("do_"):
                raise AttributeError(name)
            return self._answer

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            script.next()(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    server.script = script = Script(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
