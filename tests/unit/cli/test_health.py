"""What probes are told, asked over HTTP as a kubelet does.

Left out: what a beat's health consists of (`tests/unit/scheduler`).
"""

import http.client
import json
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest

from cli import exits, health
from cli.health import Condition
from clients.clock import ManualClock
from clients.redis.store import Store


def ask(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("live", "ready", "healthz", "readyz"),
    [(True, True, 200, 200), (True, False, 200, 503), (False, False, 503, 503)],
)
def test_each_probe_tells_its_own_truth(live: bool, ready: bool, healthz: int, readyz: int) -> None:
    """D-100: being alive and being ready are different answers, and neither is always yes."""
    with health.served(0, lambda: Condition(live, ready, {"why": "test"})) as port:
        assert ask(port, "/healthz") == (healthz, {"why": "test"})
        assert ask(port, "/readyz") == (readyz, {"why": "test"})
        assert ask(port, "/other")[0] == 404


def test_a_worker_is_ready_only_while_it_reaches_redis() -> None:
    """D-100: a worker without its queue is alive, and not ready."""
    server, taking = fakeredis.FakeServer(), [True]
    look = health.of_worker(
        Store(fakeredis.FakeRedis(server=server, decode_responses=True)), lambda: taking[0]
    )
    assert look().ready
    taking[0] = False
    assert (look().live, look().ready) == (True, False)
    server.connected = False
    found = look()
    assert (found.live, found.ready) == (True, False)
    assert "redis" in found.details


def test_a_taken_port_ends_the_process_with_the_way_out() -> None:
    """A probe that asks the other process would take its health for ours."""
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(exits.PortTaken, match=rf"port {port} is in use.*--port"),
            health.served(port, lambda: Condition(True, True)),
        ):
            pass


def test_many_probes_cost_one_look_a_second() -> None:
    """Endpoints are open to the network: a flood of requests must not become one on Redis."""
    looks: list[float] = []
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))

    def look() -> Condition:
        looks.append(clock.monotonic())
        return Condition(True, ready=len(looks) > 1)

    probe = health.Remembered(look, clock)
    assert [probe().ready for _ in range(1000)] == [False] * 1000
    clock.advance(timedelta(seconds=1))
    assert probe().ready
    assert looks == [0, 1]
