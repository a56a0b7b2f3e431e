"""A real Prometheus, fed by scraping a test's own metrics or by backfilled blocks."""

import contextlib
import http.server
import json
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.services import presence, processes, web


@dataclass(frozen=True)
class Prometheus:
    """A running server; `url` is http://127.0.0.1:PORT, `process` can be taken down."""

    url: str
    process: processes.Process

    def query(self, promql: str, at: float | None = None) -> dict[str, Any]:
        """The `data` of an instant query: resultType and result; `at` is a Unix time in seconds.

        Raises urllib.error.HTTPError for a query that the server refuses.
        """
        parameters = {"query": promql} | ({} if at is None else {"time": repr(at)})
        return self._asked("query", parameters)

    def query_range(self, promql: str, start: float, end: float, step: float) -> list[Any]:
        """The series of a range query, from `start` to `end` in Unix seconds."""
        span = {"start": repr(start), "end": repr(end), "step": repr(step)}
        series: list[Any] = self._asked("query_range", {"query": promql, **span})["result"]
        return series

    def _asked(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            data: dict[str, Any] = json.loads(answer.read())["data"]
            return data


class MetricsEndpoint:
    """An HTTP server of this process whose /metrics is what the test last set."""

    def __init__(self, port: int) -> None:
        self.target = f"127.0.0.1:{port}"
        self._parts: dict[str, str] = {}
        self._lock = threading.Lock()

    def set(self, text: str, part: str = "test") -> None:
        """Replaces the part of the page called `part`; `text` is in Prometheus' text format."""
        with self._lock:
            self._parts[part] = text if text.endswith("\n") else text + "\n"

    def clear(self) -> None:
        """Leaves the page empty; Prometheus then marks all series as stale."""
        with self._lock:
            self._parts.clear()

    def text(self) -> str:
        """The page as it is now."""
        with self._lock:
            return "".join(self._parts.values())


@contextlib.contextmanager
def metrics_endpoint() -> Iterator[MetricsEndpoint]:
    """A metrics page for the length of the block; `target` is what to scrape."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            """Answers; a scraper that hung up, as a late one does, is nobody's error."""
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            body = endpoint.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
            """Keeps the test's output free of one line per scrape."""

    with web.served(Handler) as port:
        endpoint = MetricsEndpoint(port)
        yield endpoint


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    targets: Sequence[str] = (),
    jobs: Sequence[Mapping[str, Any]] = (),
    rules: Sequence[Path] = (),
    scrape_interval: str = "1s",
    openmetrics: str | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus for the length of the block; its files and log are in `folder`.

    `targets` are host:port of pages to scrape, under the job `test`; `jobs` are scrape configs
    besides, `rules` files of rules. `openmetrics` is data from before the start, in OpenMetrics
    text with a timestamp on each sample and `# EOF` at the end: with it, a query at a fixed time
    always has the same answer.
    """
    binary, port = presence.executable("prometheus"), processes.free_ports(1)[0]
    if binary is None:
        raise processes.ServiceError("no prometheus on PATH")
    data = folder / "data"
    if openmetrics is not None:
        _backfill(openmetrics, folder, data)
    scrape = {"job_name": "test", "static_configs": [{"targets": list(targets)}]}
    config = {
        "global": {
            "scrape_interval": scrape_interval,
            "scrape_timeout": scrape_interval,
            # Of subqueries without a step it is the step, hence Prometheus's own without rules.
            **({"evaluation_interval": scrape_interval} if rules else {}),
        },
        "scrape_configs": [*([scrape] if targets else []), *jobs],
        "rule_files": [str(file) for file in rules],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    command: list[str | Path] = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",  # backfilled data may be of any age
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    url = f"http://127.0.0.1:{port}"
    with processes.running("prometheus", command, folder, ready=lambda: _ready(url)) as process:
        yield Prometheus(url, process)


def _backfill(openmetrics: str, folder: Path, data: Path) -> None:
    """Writes `openmetrics` into the server's data folder, as blocks of two hours."""
    source = folder / "backfill.om"
    source.write_text(openmetrics, "utf-8")
    promtool = presence.executable("promtool")
    if promtool is None:
        raise processes.ServiceError("no promtool on PATH")
    create = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", str(source), str(data)]
    done = subprocess.run(create, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise processes.ServiceError(f"promtool refused the data: {done.stdout}{done.stderr}")


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
