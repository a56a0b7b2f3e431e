"""One suite for the store over an in-memory Redis, Valkey and Redis."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from redis import Redis, exceptions

from clients import clock as clocks
from clients.redis import server
from clients.redis.embedded import EmbeddedValkey
from tests.fakes import memory_redis
from tests.services import presence, processes
from tests.stores import DirectStore

START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

Connect = Callable[[], "Redis[str]"]


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A Valkey for the session."""
    with EmbeddedValkey() as server:
        processes.LIVE.add(server.pid)
        yield server.url
        processes.LIVE.discard(server.pid)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis for the session."""
    binary = presence.executable("redis-server")
    if binary is None:
        presence.missing("redis-server", "`apt-get install redis-server` brings it")
    folder = tmp_path_factory.mktemp("redis")
    port = processes.free_ports(1)[0]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    url = f"redis://127.0.0.1:{port}/0"
    command: list[str | Path] = [binary, *options]
    with processes.running("redis", command, folder, ready=lambda: _answers(url)):
        yield url


def _answers(url: str) -> bool:
    with (
        contextlib.suppress(exceptions.RedisError),
        contextlib.closing(server.connect(url)) as client,
    ):
        return bool(client.ping())
    return False


@pytest.fixture(scope="session", params=["fakeredis", "valkey", "redis"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Gives a client of an empty server each time it is called; all are closed at the end."""
    with contextlib.ExitStack() as stack:
        if request.param == "fakeredis":
            yield lambda: stack.enter_context(
                memory_redis.connect(memory_redis.MemoryServer((6, 2)))
            )
            return
        url: str = request.getfixturevalue(f"{request.param}_url")
        client = stack.enter_context(contextlib.closing(server.connect(url)))

        def emptied() -> "Redis[str]":
            client.flushall()
            return client

        yield emptied


@pytest.fixture
def client(connect: Connect) -> "Redis[str]":
    """A client of an empty server."""
    return connect()


@pytest.fixture
def clock() -> clocks.ManualClock:
    """The time of `store`."""
    return clocks.ManualClock(START)


@pytest.fixture
def store(client: "Redis[str]", clock: clocks.ManualClock) -> DirectStore:
    """An empty store whose time is `clock`; a leader has confirmed that there is nothing."""
    store = DirectStore(client, clock.now)
    memory_redis.confirm(store)
    return store


@pytest.fixture
def live_store(client: "Redis[str]") -> DirectStore:
    """An empty store on the server's own time, confirmed."""
    store = DirectStore(client)
    memory_redis.confirm(store)
    return store
