"""A Redis in memory whose scripts can ask for its replication id, and which can fail over.

Also the leader's part in a few words, for tests of those that it leads.
"""

import itertools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import fakeredis
from fakeredis._commands import command
from fakeredis._socket import FakeSocket
from redis import Redis

from clients.redis.store import Store

_IDS: Final = itertools.count(1)


class MemoryServer(fakeredis.FakeServer):
    """A server with the one field of INFO that the scripts read."""

    def __init__(self, version: tuple[int, ...] = (7, 2)) -> None:
        super().__init__(version=version)
        self.replication_id = ""
        self.begin_history()

    def begin_history(self) -> None:
        """As a restart does, and a failover."""
        self.replication_id = f"{next(_IDS):040x}"


@command(fixed=(), repeat=(bytes,))
def info(self: Any, *_: bytes) -> bytes:
    """INFO replication."""
    known = getattr(self._server, "replication_id", "0" * 40)
    return f"# Replication\r\nrole:master\r\nmaster_replid:{known}\r\n".encode()


FakeSocket.info = info  # type: ignore[attr-defined] # fakeredis has every command but this one


class Compiled:
    """A Lua runtime that compiles each script once, as servers do: half of a short one's time."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._functions: dict[bytes | str, Callable[[], Any]] = {}

    def execute(self, script: bytes | str) -> Any:
        """What the script returns."""
        function = self._functions.get(script)
        if function is None:
            function = self._functions[script] = self._runtime.compile(script)
        return function()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)


_runtime_of: Final = FakeSocket._get_server_runtime


def _get_server_runtime(self: FakeSocket, server: Any) -> Compiled:
    """The server's runtime, which fakeredis makes with the first script and keeps."""
    runtime = _runtime_of(self, server)
    compiled: Compiled | None = getattr(server, "compiled", None)
    if compiled is None:
        compiled = server.compiled = Compiled(runtime)
    return compiled


FakeSocket._get_server_runtime = _get_server_runtime  # type: ignore[method-assign,assignment]


def connect(server: MemoryServer | None = None) -> "Redis[str]":
    """A client of `server`, of an empty one by default."""
    return fakeredis.FakeRedis(server=server or MemoryServer(), decode_responses=True)


def copied(redis: "Redis[str]") -> Mapping[str, bytes]:
    """All that the server of `redis` holds, as a replica that gets nothing more from now on."""
    return {key: cast("bytes", redis.dump(key)) for key in redis.scan_iter()}


def fail_over(redis: "Redis[str]", copy: Mapping[str, bytes]) -> None:
    """A replica that holds `copy` takes over, under the connections that there are."""
    server: MemoryServer = redis.connection_pool.connection_kwargs["server"]
    server.begin_history()
    redis.flushall()
    for key, value in copy.items():
        redis.restore(key, 0, value)


def lead(store: Store, holder: str = "test") -> int:
    """The term of a leader that does not lose its lease."""
    term = store.acquire(holder, timedelta(days=999))
    assert term is not None, "another one leads"
    return term


def confirm(store: Store) -> None:
    """Has whatever is stored confirmed, by a leader that is gone afterwards."""
    term = lead(store)
    assert store.confirm_epoch(term, store.open_epoch(term))
    store.release("test")
