"""Connections that end when their server is made a replica, as in each failover that is planned.

What listens at the address is another server soon, or Sentinel names one; whoever keeps the
connection is refused every write for as long as it lasts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from redis.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ReadOnlyError, ResponseError
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

_REFUSAL: Final = re.compile(r"^UNBLOCKED\b|\bREADONLY\b")
"""Of who waits for a message when it happens; of writes, also those of scripts of Redis 6.2."""


class ToPrimary:
    """A connection to a server that takes writes."""

    disconnect: Any

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The answer. Raises `redis`' ConnectionError for the refusals of a replica."""
        try:
            answer = super().read_response(*arguments, **options)  # type: ignore[misc]
        except ResponseError as error:
            if isinstance(error, ReadOnlyError) or _REFUSAL.search(str(error)):
                self.disconnect()
                raise Lost("the server was made a replica") from error
            raise
        return answer


class Plain(ToPrimary, Connection):
    """A connection over TCP."""


class Secure(ToPrimary, SSLConnection):
    """A connection over TLS."""


class Managed(ToPrimary, SentinelManagedConnection):
    """A connection to the server that Sentinel names."""


class ManagedSecure(ToPrimary, SentinelManagedSSLConnection):
    """A connection to that server over TLS."""


KINDS: Final[Mapping[type, type]] = {Connection: Plain, SSLConnection: Secure}
"""Which takes the place of which; a socket of this machine leads to one server alone."""
