"""The Lua scripts of `clients/redis/lua/`, each as a function; and plain access to the same server.

A `Door` is what all parts of the store share: the client, the time, and the way scripts are run.
Scripts go by their hash (EVALSHA, one round trip); a server that lost them gets them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha1
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import redis.exceptions
from redis.exceptions import NoScriptError

from clients import errors
from clients.clock import SystemClock
from clients.redis import failures
from clients.redis.keys import Row
from config import moments
from config.refs import CanaryRef

if TYPE_CHECKING:
    from redis import Redis

Argument = str | int | datetime | timedelta | CanaryRef | None
"""What a script takes. Times and spans arrive as milliseconds; None and False as "", True as 1."""

_FOLDER: Final = resources.files("clients.redis") / "lua"
_PRELUDE: Final = "prelude.lua"
NAMES: Final = tuple(
    sorted(file.name.removesuffix(".lua") for file in _FOLDER.iterdir() if file.name != _PRELUDE)
)

_Reply = TypeVar("_Reply")

_NEARLY_A_MILLISECOND: Final = timedelta(microseconds=999)

#: Error codes of a server that will be well again. redis-py has classes for some of them, but
#: Redis 6.2 hides the code of a command that fails inside a script in the middle of the text.
_PASSING: Final = re.compile(
    r"\b(OOM|READONLY|LOADING|BUSY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|MISCONF)\b"
)


@cache
def source(name: str) -> str:
    """The text of one script as sent to the server: the prelude, then the file."""
    return "\n".join((_FOLDER / file).read_text("utf-8") for file in (_PRELUDE, f"{name}.lua"))


def _digest(name: str) -> str:
    """What the server calls the script."""
    return sha1(source(name).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Invocation(Generic[_Reply]):
    """One run of a script that is still to be made: its keys and arguments, and its reply's form.

    `arguments` are without the time, which the door adds.
    """

    name: str
    ref: CanaryRef | None
    rows: Sequence[Row]
    arguments: Sequence[Argument]
    decode: Callable[[Any], _Reply]

    @property
    def said(self) -> str:
        """Its name in a message."""
        return self.name.replace("_", " ")


class Door:
    """One Redis server with our scripts.

    `client` decodes its responses. `now` replaces the server's time as the time of due dates and
    leases, for simulations; all processes of an installation must agree on it.
    """

    def __init__(self, client: Redis[str], now: Callable[[], datetime] | None = None) -> None:
        self.client: Final = client
        self._now = now
        self._digests = {name: _digest(name) for name in NAMES}

    def now(self) -> datetime:
        """The time all scripts go by, to the millisecond: the server's unless simulated."""
        if self._now is not None:
            return moments.at(moments.milliseconds(self._now()))
        with translated("reading the time"):
            seconds, micros = self.client.time()
        return moments.at(int(seconds) * 1000 + int(micros) // 1000)

    def ping(self) -> timedelta:
        """How long the server took to answer. Raises Transient when it does not."""
        clock = SystemClock()
        started = clock.monotonic()
        with translated("ping"):
            self.client.ping()
        return timedelta(seconds=clock.monotonic() - started)

    def close(self) -> None:
        """Ends the connections; the next call opens new ones."""
        self.client.close()

    def run(self, asked: Invocation[_Reply]) -> _Reply:
        """What one script gives. Raises what it came to."""
        (answer,) = self.run_all([asked])
        if isinstance(answer, Exception):
            raise answer
        reply: _Reply = answer
        return reply

    def run_all(self, asked: Sequence[Invocation[Any]]) -> list[Any]:
        """What each script gives, or the exception that it alone came to; one round trip.

        Each is atomic for itself; a reply that cannot be decoded is no other's failure. Raises what
        concerns the server: then nobody knows which were carried out.
        """
        with translated(asked[0].said if len(asked) == 1 else "a batch"):
            replies = self._sent(asked)
            lost = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            for name in {asked[at].name for at in lost}:
                self.client.script_load(source(name))  # type: ignore[no-untyped-call]
            for at, reply in zip(lost, self._sent([asked[at] for at in lost]), strict=True):
                replies[at] = reply
        return [_outcome(one, reply) for one, reply in zip(asked, replies, strict=True)]

    def _sent(self, asked: Sequence[Invocation[Any]]) -> list[Any]:
        """The replies, exceptions among them."""
        now = None if self._now is None else moments.milliseconds(self._now())
        pipeline = self.client.pipeline(transaction=False)
        for one in asked:
            names = [row.of(one.ref) for row in one.rows]
            values = [_argument(each) for each in (now, *one.arguments)]
            pipeline.evalsha(self._digests[one.name], len(names), *names, *values)
        return pipeline.execute(raise_on_error=False) if asked else []


def for_leader(
    name: str,
    ref: CanaryRef | None,
    rows: Sequence[Row],
    arguments: Sequence[Argument],
    decode: Callable[[Any], _Reply],
) -> Invocation[_Reply]:
    """An invocation that comes to a Conflict when the leader's term among `arguments` is over."""

    def decoded(reply: Any) -> _Reply:
        if reply is None:
            raise errors.Conflict(f"Redis: {name.replace('_', ' ')}: this term of the beat is over")
        return decode(reply)

    return Invocation(name, ref, rows, arguments, decoded)


def _outcome(asked: Invocation[_Reply], reply: Any) -> _Reply | Exception:
    try:
        return _decoded(asked, reply)
    except Exception as failure:  # noqa: BLE001 - it is told to whoever asked
        return failure


def _decoded(asked: Invocation[_Reply], reply: Any) -> _Reply:
    with translated(asked.said):
        if isinstance(reply, Exception):
            raise reply
        return asked.decode(reply)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """A block whose Redis errors come out as the kinds of `clients.errors`."""
    with failures.translated(f"Redis: {doing}"):
        try:
            yield
        except redis.exceptions.ResponseError as error:
            code = _PASSING.search(str(error))
            if code is None:
                raise
            raise errors.Transient(f"Redis: {doing}: the server answers {code[1]}") from error


def _argument(value: Argument) -> str | int | bytes:
    match value:
        case None | False:
            return ""
        case datetime():
            # A due time may come late by less than a millisecond but never early: whoever is woken
            # before its time can only ask for the same time again.
            return moments.milliseconds(value + _NEARLY_A_MILLISECOND)
        case timedelta():
            return _span(value)
        case True:
            return "1"
        case CanaryRef():
            return str(value)
        case str():
            # JSON of a metrics server or a webhook may hold half a surrogate pair, which no
            # encoding knows: a question mark then, or the decision could not be stored at all.
            return value.encode("utf-8", "replace")
        case _:
            return int(value)  # of an enum the client would send the name


def _span(ttl: timedelta) -> int:
    whole = ttl // timedelta(milliseconds=1)
    if whole < 1:
        raise ValueError(f"time to live {ttl} is not at least a millisecond")
    return whole
