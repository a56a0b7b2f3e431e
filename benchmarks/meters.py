"""A metrics server that costs next to nothing: Prometheus' query API, one answer for everybody.

It takes webhooks as well. Both can be slow.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, Final

HOOK: Final = "/hook"
"""Where webhooks are taken."""

_SUCCESS_RATE: Final = "100"
_BAD_SUCCESS_RATE: Final = "50"
_MILLISECONDS: Final = "20"
_ONE: Final = "1"
_WORKLOADS: Final = re.compile(r'destination_workload=~"([^"]*)"')
_BY_WORKLOAD: Final = "destination_workload_namespace, destination_workload)"


class Meters:
    """The server's one answer, and how often it was asked for.

    `namespace_of` is where each workload is that a grouped query asks for. `slow` are the seconds
    that an answer takes, of a query and of a webhook.
    """

    def __init__(
        self, port: int, namespace_of: Callable[[str], str], slow: tuple[float, float]
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.is_bad = False
        self.slow = slow
        self._namespace_of = namespace_of
        self._queries = 0
        self._lock = threading.Lock()

    @property
    def queries(self) -> int:
        """Queries so far."""
        with self._lock:
            return self._queries

    def answer(self, query: str) -> bytes:
        """The body for one query: an instant vector of one number."""
        with self._lock:
            self._queries += 1
        value = [time.time(), self._number(query)]
        result = [{"metric": labels, "value": value} for labels in self._labels(query)]
        data = {"resultType": "vector", "result": result}
        return json.dumps({"status": "success", "data": data}).encode()

    def _labels(self, query: str) -> list[dict[str, Any]]:
        """Of each series: one per workload where the query asks for that."""
        asked = _WORKLOADS.search(query)
        if not asked or _BY_WORKLOAD not in query:
            return [{}]
        return [
            {
                "destination_workload": name,
                "destination_workload_namespace": self._namespace_of(name),
            }
            for name in asked[1].split("|")
        ]

    def _number(self, query: str) -> str:
        if "histogram_quantile" in query:
            return _MILLISECONDS
        if "istio_requests_total" in query:
            return _BAD_SUCCESS_RATE if self.is_bad else _SUCCESS_RATE
        return _ONE


class _Server(http.server.ThreadingHTTPServer):
    """Serves `meters` over HTTP."""

    daemon_threads = True
    meters: Meters


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers queries and webhooks."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one packet per answer: two would wait for each other's receipt
    server: _Server

    def do_GET(self) -> None:
        self._answer(urllib.parse.urlsplit(self.path).query)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length).decode()
        if self.path == HOOK:
            time.sleep(self.server.meters.slow[1])
            self._send(b"")
        else:
            self._answer(content)

    def _answer(self, parameters: str) -> None:
        meters = self.server.meters
        body = meters.answer(urllib.parse.parse_qs(parameters).get("query", [""])[0])
        time.sleep(meters.slow[0])
        self._send(body)

    def _send(self, body: bytes) -> None:
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        """Says nothing."""


@contextlib.contextmanager
def running(
    namespace_of: Callable[[str], str], slow: tuple[float, float] = (0.0, 0.0)
) -> Iterator[Meters]:
    """The server for the length of the block, in threads of this process."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.meters = Meters(server.server_address[1], namespace_of, slow)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.meters
        finally:
            server.shutdown()
            thread.join()
