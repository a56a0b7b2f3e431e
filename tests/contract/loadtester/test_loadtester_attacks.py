"""Those who mean no good, or know no better: on the wire, of the gates' Redis, and from within.

Floods of output, processes that do not end and many tasks are test_loadtester_tasks.py's.
"""

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
import requests

from clients.clock import SystemClock
from clients.gates import Gate, GateId, MemoryGates
from clients.redis import keys, server
from clients.redis.gates import RedisGates
from clients.redis.scripts import Door
from config.settings.loadtester import LoadTesterSettings
from loadtester.connections import Connections
from tests.contract.loadtester.test_loadtester_process import COMMAND, served
from tests.contract.loadtester.test_loadtester_tasks import until
from tests.services import processes
from tests.services.loadtesters import SHOP, LoadTester, Start, running
from tests.services.valkey import Valkey

SETTINGS: Final = LoadTesterSettings()
BODY: Final = b'{"name":"smuggled","namespace":"prod"}'
LONG_ANSWER: Final = {
    "type": "bash",
    "cmd": "head -c 250000 /dev/zero",
    "returnCmdOutput": "true",
}
SIZE: Final = str(len(BODY)).encode()


def connected(tester: LoadTester, sent: bytes) -> socket.socket:
    """A connection that has sent something."""
    address = urlsplit(tester.url)
    connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=30)
    connection.sendall(sent)
    return connection


def answered(tester: LoadTester, sent: bytes) -> bytes:
    """All that comes until the load tester hangs up."""
    with connected(tester, sent) as connection, connection.makefile("rb") as answer:
        return answer.read()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: " + SIZE,
        b"Content-Length: +" + SIZE,
        b"Content-Length : " + SIZE,
        b"Content-Length: " + SIZE + b"\r\nX: a\r\n b",
        b"Content-Length: " + SIZE + b"\r\nX-Forwarded-User: ann\x00bob",
        b"Content-Length: " + SIZE + b"\r\nX" + b"-" * 10_000 + b": a",
    ],
)
def test_a_request_that_may_be_read_in_two_ways_is_none(
    tester: LoadTester, caplog: pytest.LogCaptureFixture, head: bytes
) -> None:
    """400 and the connection ends; what it held, a token perhaps, is in no log line."""
    caplog.set_level("DEBUG")
    request = b"POST /gate/open HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\n"
    answer = answered(tester, request + head + b"\r\n\r\n" + BODY * 2)
    assert b" 400 Bad Request" in answer.partition(b"\r\n")[0]
    assert b"Accepted" not in answer
    assert tester.ask("/gate/check", BODY.decode()) == (403, "Forbidden")
    assert "s3cret" not in caplog.text
    assert "Traceback" not in caplog.text


def test_who_asks_nothing_keeps_nobody_from_asking() -> None:
    """R-74: each held a connection, until there was none left for others; the oldest ones go."""
    parts = (b"", b"POST / HTTP/1.1\r\nX: ", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    with running(SETTINGS, connections=Connections(4)) as tester, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(tester, part)) for part in parts * 4]
        assert tester.ask("/healthz") == (200, "OK")
        until(lambda: all(map(is_over, idle[:9])), "the oldest ones are hung up on")
        assert [is_over(each) for each in idle[9:]] == [False] * 3


def test_who_hangs_up_before_all_is_said_is_no_defect(caplog: pytest.LogCaptureFixture) -> None:
    """R-109: a client that gave up was an error with a traceback in the log."""
    begun = b"POST /gate/check HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
    with running(SETTINGS) as tester:
        with connected(tester, begun):
            until(lambda: bool(tester.service.connections._answered), "it is asked")
        until(lambda: not tester.service.connections._answered, "it is not answered")
        assert tester.ask("/healthz") == (200, "OK")
    assert "Error handling request" not in caplog.text


def is_over(connection: socket.socket) -> bool:
    """Whether the load tester has hung up."""
    connection.settimeout(0.05)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_who_does_not_read_the_answer_keeps_nobody_from_his() -> None:
    """It waits for its reader, as long as there is room."""
    payload = json.dumps({**SHOP, "metadata": {**LONG_ANSWER}}).encode()
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload
    with running(SETTINGS, connections=Connections(2)) as tester, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(tester, request)) for _ in range(2)]
        assert [each.recv(4) for each in slow] == [b"HTTP"] * 2
        assert tester.ask("/healthz") == (200, "OK")
        until(lambda: is_over(slow[0]), "the older one is hung up on")
        assert not is_over(slow[1])


def test_who_is_answered_keeps_the_connection() -> None:
    """However long that takes. Where all are, a new one is hung up on."""
    with (
        running(SETTINGS, connections=Connections(1, asked_within=0.5)) as tester,
        ThreadPoolExecutor(1) as threads,
    ):
        waiting = threads.submit(tester.task, "bash", "sleep 3")
        text = tester.service.metrics.text
        until(lambda: b'running{mode="blocking"} 1.0' in text(), "it runs")
        with pytest.raises(requests.ConnectionError):
            tester.ask("/healthz")
        assert waiting.result() == (200, "")
        assert tester.ask("/healthz") == (200, "OK")


def test_a_request_that_trickles_in_is_not_waited_for() -> None:
    """From the first byte to the last of its header there are ten seconds; here less."""
    with running(SETTINGS, connections=Connections(asked_within=0.2)) as tester:
        began = time.monotonic()
        with connected(tester, b"POST / HTTP/1.1\r\nX-A: ") as connection:
            with contextlib.suppress(OSError):
                while time.monotonic() - began < 30:
                    connection.sendall(b"a")
                    time.sleep(0.02)
            assert time.monotonic() - began < 15


@pytest.mark.parametrize("size", [1_000_000])
def test_a_body_that_is_too_large_is_not_kept(tester: LoadTester, size: int) -> None:
    """It is read to its end, or hung up on, and was no payload."""
    assert tester.ask("/gate/open", "x" * size) == (400, "")
    assert tester.ask("/gate/open", '{"name": "' + "x" * size + '"}') == (400, "")


@pytest.mark.parametrize("name", ["a/b", "a\nb", "ü\u202e", "..", 'a"]', "{}", "prod.shop"])
def test_a_gate_is_that_of_its_name_however_odd(tester: LoadTester, name: str) -> None:
    """And is listed under it."""
    body = {"name": name, "namespace": "prod"}
    assert tester.ask("/gate/check", body) == (403, "Forbidden")
    assert tester.ask("/gate/open", body) == (202, "")
    assert tester.ask("/gate/check", body) == (200, "Approved")
    listed = requests.get(f"{tester.url}/gate", timeout=30).json()["gates"]
    assert (name, "open") in {(gate["name"], gate["state"]) for gate in listed}


class StuckGates(MemoryGates):
    """Gates whose Redis takes connections and does not answer."""

    def __init__(self) -> None:
        super().__init__(SystemClock().now)
        self.freed: Final = threading.Event()

    def is_open(self, gate: GateId) -> bool:
        """At last."""
        self.freed.wait(20)
        return super().is_open(gate)

    def put(self, gate: Gate) -> None:
        """At last."""
        self.freed.wait(20)
        super().put(gate)


def test_gates_that_do_not_answer_keep_nothing_else_waiting() -> None:
    """R-75: those who asked stood in line behind each other's time-outs; here all are told."""
    gates = StuckGates()
    with (
        running(SETTINGS, gates, patience=timedelta(seconds=0.3)) as tester,
        ThreadPoolExecutor(48) as threads,
    ):
        paths = ["/gate/check", "/gate/open", "/rollback/check"] * 16
        asked = [threads.submit(tester.ask, path, SHOP) for path in paths]
        time.sleep(0.1)
        began = time.monotonic()
        assert tester.task("bash", "true") == (200, "")
        assert tester.ask("/healthz") == (200, "OK")
        assert time.monotonic() - began < 15  # gates answer after twenty
        answers = {each.result() for each in asked}
        gates.freed.set()
        assert answers == {(503, "gates: no answer within 300ms")}
        assert tester.ask("/rollback/check", SHOP) == (403, "Forbidden")


def test_a_redis_that_is_full_or_emptied_closes_what_it_cannot_keep(
    start: Start, valkey: Valkey
) -> None:
    """What is open stays open while it is full, and is closed when it is gone."""
    with contextlib.closing(server.connect(valkey.url)) as client:
        tester = start(gates=RedisGates(Door(client)))
        assert tester.ask("/gate/open", SHOP) == (202, "")
        client.config_set("maxmemory", 1)
        try:
            status, text = tester.ask("/rollback/open", SHOP)
            assert (status, text[:7]) == (503, "gates: ")
            assert tester.ask("/gate/check", SHOP) == (200, "Approved")
        finally:
            client.config_set("maxmemory", 0)
        client.delete(keys.GATES.pattern)
        assert tester.ask("/gate/check", SHOP) == (403, "Forbidden")
        assert tester.ask("/gate/open", SHOP) == (202, "")
        assert tester.ask("/gate/check", SHOP) == (200, "Approved")


def test_two_who_open_and_close_at_once_leave_a_gate_that_is_either(
    start: Start, valkey: Valkey
) -> None:
    """As the last of them has it, and says who that was."""
    with contextlib.closing(server.connect(valkey.url)) as client, ThreadPoolExecutor(8) as threads:
        testers = [start(gates=RedisGates(Door(client))) for _ in range(2)]
        bodies = {
            path: {**SHOP, "metadata": {"user": user}}
            for path, user in (("/gate/open", "ann"), ("/gate/close", "bob"))
        }
        turns = [*bodies] * 20
        answers = threads.map(
            lambda turn: testers[turn[0] % 3 % 2].ask(turn[1], bodies[turn[1]]), enumerate(turns)
        )
        assert {*answers} == {(202, "")}
        (gate,) = requests.get(f"{testers[0].url}/gate", timeout=30).json()["gates"]
        is_open = testers[1].ask("/gate/check", SHOP) == (200, "Approved")
        assert (gate["state"], gate["who"]) == (("open", "ann") if is_open else ("closed", "bob"))


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """Process id and URL of a load tester with a secret, and without rights over others' memory."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and setpriv is None:
        pytest.skip("setpriv (util-linux) is needed where tests run as root")
    without = [setpriv, "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    variables = {"COALMINE_REDIS_URL": "redis://:pa55word@127.0.0.1:1/0"}
    with served(tmp_path, variables=variables, command=[*map(str, without), *COMMAND]) as (
        process,
        url,
    ):
        yield process.pid, url


def test_tasks_read_no_secret_of_the_load_tester(unprivileged: tuple[int, str]) -> None:
    """R-76: `cat /proc/1/environ` was the URL of Redis with its password."""
    pid, url = unprivileged
    for each in (pid, *processes.descendants(pid)):
        for file in ("environ", "maps"):
            body = {
                **SHOP,
                "metadata": {
                    "type": "bash",
                    "cmd": f"cat /proc/{each}/{file}",
                    "returnCmdOutput": "true",
                },
            }
            answer = requests.post(url, json=body, timeout=30)
            assert "pa55word" not in answer.text
            if each == pid:
                assert answer.status_code == 500
                assert "Permission denied" in answer.text
