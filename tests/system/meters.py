"""A metrics server in a test's hands: Prometheus' query API, answering what the test says.

Each application is healthy until the test says otherwise. For rollouts over a real Prometheus see
`tests.services.prometheus`; this one gives faults at a moment, and numbers without a scrape.
"""

import contextlib
import http.server
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

WORKLOADS: Final = re.compile(r'destination_workload=~"([^"]+)"')
GROUPED: Final = re.compile(r'destination_workload_namespace=~"([^"|]+)"')
"""A query about several workloads of one namespace: the answer names them by their labels."""


@dataclass(frozen=True)
class Health:
    """What is measured of an application: percent of good requests, 99th percentile in ms.

    `status` other than 200 is answered instead, after `delay_seconds`, with CUT nothing at all;
    None is no series.
    """

    success_rate: float | None = 100.0
    duration: float | None = 20.0
    status: int = 200
    delay_seconds: float = 0.0


CUT: Final = 0
"""The status of a server that hangs up instead of answering."""
HEALTHY: Final = Health()
FAILING: Final = Health(success_rate=50.0)
SLOW: Final = Health(duration=900.0)
SILENT: Final = Health(success_rate=None, duration=None)
NOT_A_NUMBER: Final = Health(success_rate=float("nan"), duration=float("nan"))


class Meters:
    """The health of each application by the name of its Deployment."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._health: dict[str, Health] = {}
        self._asked: list[str] = []
        self.authorizations: set[str] = set()
        """What was sent as Authorization, with any query."""
        self._of_all: Health | None = None

    def set_all(self, health: Health | None) -> None:
        """From the next query on, everybody is in this health; None: each in its own again."""
        self._of_all = health

    def set(self, name: str, health: Health) -> None:
        """From the next query on, `name` is in this health."""
        self._health[name] = health

    def asked(self, name: str) -> int:
        """How many queries about `name` there were."""
        return self._asked.count(name)

    def answer(self, query: str) -> tuple[int, dict[str, Any]]:
        """Status and body for one query."""
        found = WORKLOADS.search(query)
        names = found.group(1).split("|") if found else [""]
        self._asked += names
        healths = {name: self._of_all or self._health.get(name, HEALTHY) for name in names}
        time.sleep(max(health.delay_seconds for health in healths.values()))
        status = max(healths.values(), key=lambda health: health.status != 200).status
        if status != 200:
            return status, {"status": "error", "errorType": "test", "error": "as told"}
        values = {name: _value(health, query) if found else 1.0 for name, health in healths.items()}
        samples = [
            {"metric": _labels(name, query), "value": [time.time(), str(value)]}
            for name, value in values.items()
            if value is not None
        ]
        return 200, {"status": "success", "data": {"resultType": "vector", "result": samples}}


def unwell(status: int, *, delay_seconds: float = 0.0) -> Health:
    """A server that answers with `status`."""
    return replace(HEALTHY, status=status, delay_seconds=delay_seconds)


def _labels(name: str, query: str) -> dict[str, str]:
    grouped = GROUPED.search(query)
    if grouped is None:
        return {}
    return {"destination_workload_namespace": grouped.group(1), "destination_workload": name}


def _value(health: Health, query: str) -> float | None:
    return health.duration if "histogram_quantile" in query else health.success_rate


@contextlib.contextmanager
def running() -> Iterator[Meters]:
    """A metrics server for the length of the block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(urllib.parse.urlsplit(self.path).query)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._answer(self.rfile.read(length).decode())

        def _answer(self, parameters: str) -> None:
            meters.authorizations.update(self.headers.get_all("Authorization") or ())
            query = urllib.parse.parse_qs(parameters).get("query", [""])[0]
            status, body = meters.answer(query)
            text = json.dumps(body).encode()
            if status == CUT:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):  # who asked has given up meanwhile
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
            """Keeps the test's output free of one line per query."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True  # connections that are kept open end with the block
        meters = Meters(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield meters
        finally:
            server.shutdown()
            thread.join()
