"""A Redis in memory whose scripts can ask for its replication id, and which can fail over.

Also the leader's part in a few words, for tests of those that it leads.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

import fakeredis
from fakeredis import _msgs as msgs
from fakeredis._commands import command
from fakeredis._helpers import SimpleError
from fakeredis._socket import FakeSocket
from fakeredis.commands_mixins import scripting_mixin
from lupa.lua51 import LuaError
from redis import Redis
from redis.client import Pipeline

from clients.redis.store import Store
from tests.fakes import memory_commands

_IDS: Final = itertools.count(1)
_TURNS: Final = threading.Lock()
"""Of all servers: their scripts share a runtime."""


class MemoryServer(fakeredis.FakeServer):
    """A server with the one field of INFO that the scripts read."""

    def __init__(self, version: tuple[int, ...] = (7, 2)) -> None:
        super().__init__(version=version)
        self.lock = _TURNS
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


class Scripting:
    """Lua, in which the scripts of all servers run, one after the other.

    The runtime is fakeredis' own; each script is compiled once, as servers do, and its commands
    take the short way where there is one.
    """

    def __init__(self, socket: FakeSocket) -> None:
        server: Any = fakeredis.FakeServer()
        self._lua: Final = _runtime_of(socket, server)
        self._current: Final = server._lua_current_socket
        self._long_way: Final = server._lua_redis_call_wrapper
        self._set_globals: Final = server._lua_set_keys_argv
        self._globals: Final = server._lua_expected_globals
        self._functions: Final[dict[bytes, Callable[[], Any]]] = {}
        self._table: Final = type(self._lua.table())
        self._ok: Final = self._lua.table_from({b"ok": b"OK"})
        self._lua.eval("function(call) redis.call = call end")(self._call)

    def run(self, socket: FakeSocket, script: bytes, count: int, rest: Sequence[bytes]) -> Any:
        """What a script returns. Raises SimpleError or LuaError."""
        function = self._functions.get(script)
        if function is None:
            function = self._functions[script] = self._lua.compile(script)
        self._current[0], socket._script_resp = socket, 2
        self._set_globals(self._lua.table_from(rest[:count]), self._lua.table_from(rest[count:]))
        try:
            reply = function()
        finally:
            socket._script_resp = None
        scripting_mixin._check_for_lua_globals(self._lua, self._globals)
        return self._text(reply)

    def _call(self, name: bytes, *arguments: Any) -> Any:
        """The function redis.call."""
        socket = self._current[0]
        if name == b"INFO":
            return socket.info()
        run = memory_commands.COMMANDS.get(name)
        if run is None or not all(type(each) is bytes for each in arguments):
            return self._long_way(name, *arguments)
        try:
            reply = run(socket._db, *arguments)
        except memory_commands.NotHere:
            return self._long_way(name, *arguments)
        if type(reply) is list:
            return self._lua.table_from([False if each is None else each for each in reply])
        return False if reply is None else self._ok if name == b"SET" else reply

    def _text(self, value: Any) -> Any:
        """A value of Lua as the client gets it."""
        kind = type(value)
        if kind is bytes:
            return value.decode()
        if kind is self._table:
            return [self._text(value[index]) for index in range(1, len(value) + 1)]
        if kind is bool:
            return 1 if value else None
        return int(value) if kind is float else value


_runtime_of: Final = FakeSocket._get_server_runtime
_made: Final[list[Scripting]] = []
"""The one there is, once it is needed."""


class Scripts(Pipeline):  # type: ignore[type-arg]  # it has none when it runs
    """A pipeline that has scripts carried out without writing them down for a parser."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """As Redis' own."""
        server: MemoryServer = self.connection_pool.connection_kwargs["server"]
        names = {arguments[0] for arguments, _ in self.command_stack}
        if raise_on_error or names != {"EVALSHA"} or not server.connected:
            return super().execute(raise_on_error)
        self.connection = self.connection or self.connection_pool.get_connection()
        socket = self.connection.get_socket()
        try:
            return [_carried_out(socket, *given) for (_, *given), _ in self.command_stack]
        finally:
            self.reset()


def _carried_out(socket: FakeSocket, digest: str, count: int, *rest: bytes | str | int) -> Any:
    """What comes of a script, its error included."""
    server = socket._server
    given = [each if type(each) is bytes else str(each).encode() for each in rest]
    with server.lock:
        server.dbs[0].time = time.time()
        script = server.script_cache.get(digest.encode())
        if script is None:
            return socket._decode_result(SimpleError(msgs.NO_MATCHING_SCRIPT_MSG))
        if not _made:
            _made.append(Scripting(socket))
        try:
            return _made[0].run(socket, script, count, given)
        except (SimpleError, LuaError) as error:
            return socket._decode_result(_as_told(error, digest, server))


def _as_told(error: Exception, digest: str, server: fakeredis.FakeServer) -> SimpleError:
    """The error of a script in the server's words: those before 7 hide what a command said."""
    if isinstance(error, SimpleError) and server.version >= (7,):
        return error
    cause = error.value if isinstance(error, SimpleError) else error
    return SimpleError(msgs.SCRIPT_ERROR_MSG.format(digest, cause))


class MemoryRedis(fakeredis.FakeRedis):
    """A client of a server in memory."""

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "Pipeline[str]":
        """Redis' own, or one for our scripts."""
        kind = Pipeline if transaction else Scripts
        return kind(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def connect(server: MemoryServer | None = None) -> "Redis[str]":
    """A client of `server`, of an empty one by default."""
    return MemoryRedis(server=server or MemoryServer(), decode_responses=True)


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
