"""The Lua scripts of `clients/redis/lua/`, each as a function; and plain access to the same server.

A `Door` is what all parts of the store share: the client, the time, and the way scripts are run.
Scripts go by their hash (EVALSHA, one round trip); a server that lost them gets them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import redis.exceptions

from clients import errors
from clients.clock import SystemClock
from clients.redis.keys import Row
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

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
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


class Door:
    """One Redis server with our scripts.

    `client` decodes its responses. `now` replaces the server's time as the time of due dates and
    leases, for simulations; all processes of an installation must agree on it.
    """

    def __init__(self, client: Redis[str], now: Callable[[], datetime] | None = None) -> None:
        self.client: Final = client
        self._now = now
        self._scripts = {name: client.register_script(source(name)) for name in NAMES}

    def now(self) -> datetime:
        """The time all scripts go by, to the millisecond: the server's unless simulated."""
        if self._now is not None:
            return at(milliseconds(self._now()))
        with translated("reading the time"):
            seconds, micros = self.client.time()
        return at(int(seconds) * 1000 + int(micros) // 1000)

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

    def _run(
        self, name: str, ref: CanaryRef | None, rows: Sequence[Row], *arguments: Argument
    ) -> Any:
        """The reply of script `name` to keys of `rows`; its first argument, the time, is added."""
        now = None if self._now is None else milliseconds(self._now())
        names = [row.of(ref) for row in rows]
        values = [_argument(each) for each in (now, *arguments)]
        with translated(name.replace("_", " ")):
            return self._scripts[name](names, values)

    def _run_for_leader(
        self, name: str, ref: CanaryRef | None, rows: Sequence[Row], *arguments: Argument
    ) -> Any:
        """As `_run`; raises Conflict when the term among `arguments` is over."""
        reply = self._run(name, ref, rows, *arguments)
        if reply is None:
            raise errors.Conflict(f"Redis: {name.replace('_', ' ')}: this term of the beat is over")
        return reply


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """A block whose Redis errors come out as the kinds of `clients.errors`."""
    with errors.translated(f"Redis: {doing}"):
        try:
            yield
        except redis.exceptions.ResponseError as error:
            code = _PASSING.search(str(error))
            if code is None:
                raise
            raise errors.Transient(f"Redis: {doing}: the server answers {code[1]}") from error


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970 of an aware time. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"time {moment.isoformat()} has no time zone")
    return (moment - _EPOCH) // _MILLISECOND


def at(since_1970: str | float) -> datetime:
    """The time so many milliseconds after 1970."""
    return _EPOCH + int(since_1970) * _MILLISECOND


def _argument(value: Argument) -> str | int:
    match value:
        case None | False:
            return ""
        case datetime():
            # A due time may come late by less than a millisecond but never early: whoever is woken
            # before its time can only ask for the same time again.
            return milliseconds(value + _NEARLY_A_MILLISECOND)
        case timedelta():
            return _span(value)
        case True:
            return "1"
        case CanaryRef():
            return str(value)
        case _:
            return value


def _span(ttl: timedelta) -> int:
    whole = ttl // _MILLISECOND
    if whole < 1:
        raise ValueError(f"time to live {ttl} is not at least a millisecond")
    return whole
