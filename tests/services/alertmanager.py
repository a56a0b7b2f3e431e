"""A real Alertmanager, which tells receivers in the test's process."""

import contextlib
import http.server
import json
import queue
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.services import presence, processes, web


@dataclass(frozen=True)
class Alertmanager:
    """A running server; `url` is http://127.0.0.1:PORT."""

    url: str

    def active(self) -> list[dict[str, Any]]:
        """The alerts that fire, as its API tells them."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts?active=true", timeout=10) as answer:
            alerts: list[dict[str, Any]] = json.loads(answer.read())
            return alerts


@dataclass(frozen=True)
class Pager:
    """A receiver of the notifications of an Alertmanager; `url` is its address."""

    url: str
    told: "queue.SimpleQueue[dict[str, Any]]" = field(default_factory=queue.SimpleQueue)

    def next(self, timeout: float = 60.0) -> dict[str, Any]:
        """The next notification. Raises queue.Empty when there is none in time."""
        return self.told.get(timeout=timeout)


@contextlib.contextmanager
def pager() -> Iterator[Pager]:
    """A receiver on a free port for the length of the block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.told.put(json.loads(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with web.served(Handler) as port:
        known = Pager(f"http://127.0.0.1:{port}/")
        yield known


@contextlib.contextmanager
def running(
    folder: Path, receivers: Mapping[str, str], routes: Sequence[Mapping[str, Any]]
) -> Iterator[Alertmanager]:
    """An Alertmanager for the length of the block; its files and log are in `folder`.

    `receivers` are URLs by name, `routes` go to them by label; the first has what no route takes.
    """
    binary = presence.executable("prometheus-alertmanager", "alertmanager")
    if binary is None:
        raise processes.ServiceError("no alertmanager on PATH")
    pace = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    config = {
        "route": {"receiver": next(iter(receivers)), **pace, "routes": [*routes]},
        "receivers": [
            {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}
            for name, url in receivers.items()
        ],
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), "utf-8")
    port = processes.free_ports(1)[0]
    command: list[str | Path] = [
        binary,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    url = f"http://127.0.0.1:{port}"
    with processes.running("alertmanager", command, folder, ready=lambda: _ready(url)):
        yield Alertmanager(url)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
