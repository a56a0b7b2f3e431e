"""The embedded load generator against a local server: rate by count, options, report."""

import asyncio
import http.server
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clients.clock import SystemClock
from loadtester.hey import arguments, generator
from loadtester.hey.report import Results
from tests.patience import until
from tests.services import web
from tests.services.loadtesters import LoadTester


@dataclass
class Target:
    """A server that remembers what it was asked, over how many connections."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    connections: int = 0


@pytest.fixture
def target() -> Iterator[Target]:
    """Answers `/503` with that status, `/away` by leading to `/`, and two paths late."""
    target = Target()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            target.connections += 1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target.times.append(time.monotonic())
            target.requests.append((self.command, self.path, dict(self.headers.items()), body))
            time.sleep({"/slow": 0.3, "/slower": 2}.get(self.path, 0))
            status = {"/503": 503, "/away": 302}.get(self.path, 200)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/")
            self.send_header("Content-Length", "5")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"hello")

        do_GET = do_POST = do_HEAD = answer  # noqa: N815 - their names there

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with web.served(Handler) as port:
        target.url = f"http://127.0.0.1:{port}"
        yield target


def load(*words: str) -> Results:
    """What comes of hey's options and URL."""
    plan = arguments.parse(words)

    async def run() -> Results:
        return await generator.run(plan, asyncio.Event(), SystemClock())

    return asyncio.run(run())


def test_the_number_of_requests_is_shared_by_the_workers(target: Target) -> None:
    """As with hey, each makes the same number: what is left over is not made."""
    results = load("-n", "25", "-c", "4", target.url + "/")
    assert len(target.requests) == 24
    assert results.statuses == {200: 24}
    assert (len(results.latencies), results.size) == (24, 24 * 5)
    assert target.connections == 4


def test_the_rate_is_that_of_each_worker(target: Target) -> None:
    """Two workers with five a second each: up to 10 in a second, the first after one period."""
    began = time.monotonic()
    results = load("-z", "1s", "-q", "5", "-c", "2", target.url + "/")
    assert 2 <= len(target.requests) <= 10  # some may be late on a busy machine, none too early
    assert results.statuses == {200: len(target.requests)}
    for number, moment in enumerate(target.times):
        assert moment - began >= 0.2 * (number // 2 + 1) - 0.01


def test_answers_that_take_long_are_not_made_up_for(target: Target) -> None:
    """Ticks that were missed are left out: at most four requests of 0.3 s in a second."""
    load("-z", "1s", "-q", "20", "-c", "1", target.url + "/slow")
    assert 1 <= len(target.requests) <= 4


def test_method_headers_host_and_body_are_sent_as_given(target: Target) -> None:
    """Beside what hey sends unless told otherwise; the URL letter by letter."""
    url = target.url + "/a%2Fb?x=%20y&z"
    load(*["-n", "1", "-c", "1", "-m", "POST", "-d", "body", "-T", "text/plain"],
        *["-host", "app.example.com"],
         "-H", "Cookie: type=insider", "-A", "a/b", url)  # fmt: skip
    ((method, path, headers, body),) = target.requests
    assert (method, path, body) == ("POST", "/a%2Fb?x=%20y&z", b"body")
    assert headers == {
        "Host": "app.example.com",
        "Content-Type": "text/plain",
        "User-Agent": "hey/0.0.1",
        "Accept-Encoding": "gzip",
        "Cookie": "type=insider",
        "Accept": "a/b",
        "Content-Length": "4",
    }


def test_statuses_are_told_apart_and_redirects_followed(target: Target) -> None:
    """Unless turned off."""
    assert load("-n", "3", "-c", "1", target.url + "/503").statuses == {503: 3}
    assert load("-n", "2", "-c", "1", target.url + "/away").statuses == {200: 2}
    assert load("-n", "2", "-c", "1", "-disable-redirects", target.url + "/away").statuses == {
        302: 2
    }
    assert load("-n", "2", "-c", "1", "-m", "HEAD", target.url).statuses == {200: 2}


def test_connections_are_kept_unless_turned_off(target: Target) -> None:
    """One for each worker, or one for each request."""
    load("-n", "10", "-c", "2", target.url)
    assert target.connections == 2
    load("-n", "10", "-c", "2", "-disable-keepalive", "-disable-compression", target.url)
    assert target.connections == 12
    assert "Accept-Encoding" not in target.requests[-1][2]


def test_requests_without_an_answer_are_errors(target: Target) -> None:
    """Too late, or nobody there: counted by text, and no latency of theirs."""
    results = load("-n", "2", "-c", "2", "-t", "0.1", target.url + "/slower")
    assert results.errors == {"no answer within 0.1s": 2}
    assert not results.latencies
    results = load("-n", "2", "-c", "1", "http://127.0.0.1:1/")
    ((text, count),) = results.errors.items()
    assert (count, "ClientConnectorError" in text) == (2, True)


def test_a_run_is_ended_early_by_its_signal(target: Target) -> None:
    """What is under way is waited for."""
    plan = arguments.parse(["-z", "1m", "-c", "2", "-q", "10", target.url + "/slower"])

    async def run() -> Results:
        stop = asyncio.Event()
        running = asyncio.create_task(generator.run(plan, stop, SystemClock()))
        await asyncio.to_thread(until, lambda: len(target.requests) == 2)
        stop.set()
        return await running

    assert asyncio.run(run()).statuses == {200: 2}


def test_a_webhook_for_hey_makes_load_where_hey_is_not_installed(
    tester: LoadTester, target: Target
) -> None:
    """The articles' command as it stands, for a shorter time; waited for, it gives its report."""
    command = f"hey -z 1s -q 5 -c 2 {target.url}/"
    status, text = tester.task("bash", command, returnCmdOutput="true")
    assert status == 200
    assert 2 <= len(target.requests) <= 10
    assert f"[200]\t{len(target.requests)} responses" in text
    assert re.search(r"Requests/sec:\t\d{1,2}\.\d{4}\n", text)


def test_a_body_may_come_from_a_file(tester: LoadTester, target: Target, tmp_path: Path) -> None:
    """Read by the process that makes the load."""
    (tmp_path / "body").write_text("from a file")
    command = f"hey -n 1 -c 1 -m POST -D {tmp_path}/body {target.url}/"
    assert tester.task("bash", command) == (200, "")
    ((method, _, _, body),) = target.requests
    assert (method, body) == ("POST", b"from a file")
