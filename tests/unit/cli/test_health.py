"""What probes are told, asked over HTTP as a kubelet does.

Left out: what a beat's health consists of (`tests/unit/scheduler`).
"""

import http.client
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest

from cli import endpoint, health
from cli.health import Condition
from clients.clock import ManualClock
from clients.redis.store import Store


def ask(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
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
    routes = health.routes(lambda: Condition(live, ready, {"why": "test"}))
    with endpoint.served(0, routes) as port:
        assert ask(port, "/healthz") == (healthz, {"why": "test"})
        assert ask(port, "/readyz") == (readyz, {"why": "test"})
        assert ask(port, "/other")[0] == 404


def test_a_process_that_waits_to_begin_is_alive_and_not_ready() -> None:
    """D-100: a kubelet does not restart it for a Redis that is away, nor call it ready."""
    look = health.Beginning(lambda: Condition(live=True, ready=True))
    assert (look().live, look().ready) == (True, False)
    look.end()
    assert look() == Condition(live=True, ready=True)


def test_a_worker_is_ready_only_while_it_reaches_redis() -> None:
    """D-100: a worker without its queue is alive, and not ready."""
    server, taking = fakeredis.FakeServer(), [True]
    store = Store(fakeredis.FakeRedis(server=server, decode_responses=True))
    look = health.OfWorker(store, lambda: taking[0], lambda: 0.5)
    assert look().ready
    taking[0] = False
    assert (look().live, look().ready) == (True, False)
    server.connected = False
    found = look()
    assert (found.live, found.ready) == (True, False)
    assert "redis" in found.details


def test_a_worker_whose_loop_stands_still_is_dead_unless_redis_was_just_away() -> None:
    """D-100: a restart mends the one, and nothing of the other."""
    server, clock = fakeredis.FakeServer(), ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    store = Store(fakeredis.FakeRedis(server=server, decode_responses=True))
    look = health.OfWorker(store, lambda: True, clock.monotonic, clock)  # it has never turned
    clock.advance(timedelta(seconds=59))
    assert look().live
    server.connected = False
    clock.advance(timedelta(minutes=10))
    assert look().live
    server.connected = True
    clock.advance(timedelta(seconds=59))
    assert look().live
    clock.advance(timedelta(seconds=1))
    found = look()
    assert (found.live, found.ready) == (False, False)
    assert found.details["loopSecondsAgo"] == 719
