"""The small HTTP server of a process: a table of paths, and what each is answered with.

It only tells. An answer is given again for a second, and of one row of the table one is made at a
time: whoever floods the port costs Redis and the process next to nothing.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from cli import exits
from clients import errors
from clients.clock import Clock, SystemClock

log = logging.getLogger(__name__)

REMEMBERED_SECONDS: Final = 1.0
"""How long an answer is given again."""

MOST_REMEMBERED: Final = 64
"""Answers that one row of the table remembers, one per path and parameter."""

MOST_CONNECTIONS: Final = 256
"""Connections at a time, each with a thread: a new one takes the place of the oldest whose client
is waited for, and is closed at once where all answers are being made."""

LONGEST_REQUEST: Final = 5.0
"""Seconds that a client has for its request, in all, and as many to read the answer."""

HANG_UP_SECONDS: Final = 0.2
"""How long the thread of a connection that was hung up on is waited for."""

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Question:
    """A GET: what stands in the places of the path, and in the query."""

    places: Mapping[str, str]
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    body: bytes
    content_type: str = JSON
    status: HTTPStatus = HTTPStatus.OK


Answer = Callable[[Question], Response]
"""Errors of `clients.errors` that it raises are answered with 503 and their message."""

Routes = Mapping[str, Answer]
"""By path; `{name}` in the place of a segment matches any, which is then in `Question.places`, and
`?name` at the end is the parameter that is read, in `Question.query`. Others are ignored."""


def as_json(body: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """`body` as JSON; what has no form there, such as a time, as text."""
    return Response(json.dumps(body, default=str).encode(), status=status)


@contextlib.contextmanager
def served(port: int, routes: Routes) -> Iterator[int]:
    """Serves `routes` where `exits.listening` says for the length of the block; gives the port.

    Raises PortTaken.
    """
    with exits.listening(port) as host:
        server = _Server((host, port), _handler(Table(routes)))
    thread = threading.Thread(target=server.serve_forever, name="endpoint", daemon=True)
    thread.start()
    log.info("health served", extra={"port": server.server_port})
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Table:
    """The answers to requests, each remembered for a moment."""

    def __init__(self, routes: Routes, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._paths = sorted(routes)
        self._rows = [_row(path, answer, clock) for path, answer in routes.items()]

    def answer(self, target: str) -> Response:
        """The answer to a GET of `target`, a path with or without a query. Raises nothing."""
        path, _, query = target.partition("?")
        for row in self._rows:
            if match := row.pattern.fullmatch(path):
                places = {name: unquote(text) for name, text in match.groupdict().items()}
                given = dict(parse_qsl(query)).get(row.parameter) if row.parameter else None
                read = {} if given is None else {row.parameter: given}
                return row.answered((path, given), Question(places, read))
        return as_json({"paths": self._paths}, HTTPStatus.NOT_FOUND)


@dataclass(slots=True)
class _Row:
    pattern: re.Pattern[str]
    parameter: str
    answer: Answer
    clock: Clock
    lock: threading.Lock = field(default_factory=threading.Lock)
    last: dict[tuple[str, str | None], tuple[float, Response]] = field(default_factory=dict)
    """By path and parameter, oldest first."""

    def answered(self, key: tuple[str, str | None], question: Question) -> Response:
        """The answer of now, or of a moment ago."""
        with self.lock:
            now = self.clock.monotonic()
            fresh = {k: v for k, v in self.last.items() if now - v[0] < REMEMBERED_SECONDS}
            if key not in fresh:
                fresh[key] = now, _made(self.answer, question)
            self.last = dict([*fresh.items()][-MOST_REMEMBERED:])
            return fresh[key][1]


def _made(answer: Answer, question: Question) -> Response:
    try:
        return answer(question)
    except errors.ClientError as failure:
        return as_json({"error": failure.message}, HTTPStatus.SERVICE_UNAVAILABLE)
    except Exception:
        log.exception("defect of an answer")
        return as_json({"error": "a defect, see the log"}, HTTPStatus.INTERNAL_SERVER_ERROR)


def _row(route: str, answer: Answer, clock: Clock) -> _Row:
    """The row of a path, with a group for each of its places, and of its parameter."""
    path, _, parameter = route.partition("?")
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
    return _Row(re.compile(pattern), parameter, answer, clock)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._clock = SystemClock()
        self._awaited: dict[Any, float] = {}
        """The connections whose clients have not asked yet, or not read their answers, the one that
        is waited for longest first, and since when."""

    def process_request(self, request: Any, client_address: Any) -> None:
        """Has a thread answer, if there is place for another one."""
        if self._places.acquire(blocking=False) or self._has_made_place():
            self.awaits(request)
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Hangs up on those who take too long, however often they send or read a byte."""
        latest = self._clock.monotonic() - LONGEST_REQUEST
        for connection, since in list(self._awaited.items()):
            if since < latest:
                self._hang_up(connection)

    def awaits(self, request: Any) -> None:
        """The client is to ask, or to read, from now on."""
        self._awaited[request] = self._clock.monotonic()

    def has_done(self, request: Any) -> None:
        """The client is not waited for any more."""
        self._awaited.pop(request, None)

    def _has_made_place(self) -> bool:
        for connection in list(self._awaited)[:1]:
            self._hang_up(connection)
            return self._places.acquire(timeout=HANG_UP_SECONDS)
        return False

    def _hang_up(self, connection: Any) -> None:
        """Has the thread that waits for a client find the end of its connection."""
        self.has_done(connection)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any
    ) -> None:
        """Answers, in a thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.has_done(request)
            self._places.release()

    def handle_error(self, *_: object) -> None:
        """Says nothing of clients that hung up."""


def _handler(table: Table) -> type[http.server.BaseHTTPRequestHandler]:
    """A request handler that answers from `table`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = LONGEST_REQUEST  # of one read, and of sending the answer

        def do_GET(self) -> None:
            """Answers."""
            assert isinstance(self.server, _Server)  # noqa: S101 - whose handler this is
            self.server.has_done(self.request)
            response = table.answer(self.path)
            self.server.awaits(self.request)
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: object) -> None:
            """Says nothing: probes come every few seconds."""

    return Handler
