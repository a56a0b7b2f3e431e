"""Kombu's transports for Redis: one client per channel, instead of one per command.

And a server that is made a replica, as in each failover that is planned, is one that is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, redis

from clients.redis import primaries


class OneClient:
    """A channel of kombu's that makes its client once, which takes longer than a command does.

    Threads may share a client: each command takes a connection of the pool.
    """

    pool: Any
    Client: Any
    _kept: Any = None

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """`client`, or the channel's own one."""
        # kombu drops the pool when the channel is closed or the process forks
        if client is None and (self._kept is None or self._kept.connection_pool is not self.pool):
            self._kept = self.Client(connection_pool=self.pool)
        yield client or self._kept


class Channel(OneClient, redis.Channel):
    """To one server."""

    connection_class = primaries.Plain
    connection_class_ssl = primaries.Secure


class SentinelChannel(OneClient, redis.SentinelChannel):
    """To the server that Sentinel calls the master."""

    connection_class = primaries.Managed
    connection_class_ssl = primaries.ManagedSecure


class Transport(redis.Transport):
    """For URLs of one server."""

    Channel = Channel


class SentinelTransport(redis.SentinelTransport):
    """For URLs of Sentinels."""

    Channel = SentinelChannel


_SCHEMES: Final = {
    "redis": f"{__name__}:{Transport.__name__}",
    "rediss": f"{__name__}:{Transport.__name__}",
    "sentinel": f"{__name__}:{SentinelTransport.__name__}",
}


def install() -> None:
    """Has kombu use these transports for our brokers' URLs, also when it fails over to another."""
    TRANSPORT_ALIASES.update(_SCHEMES)
