"""Connections that are made within their time limit, names included.

To look a name up knows no limit but that of the system: while name servers do not answer it takes
half a minute in a pod. And each address of a name would have the whole limit.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import ClassVar, Final

from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)

from clients import aside, errors
from clients.clock import SystemClock
from config.networks import NONE_DENIED, SAID, Denied

_CLOCK: Final = SystemClock()
"""The time that sockets know."""


class DeniedNetwork(errors.Permanent):
    """Nobody connects there."""


class Prompt(HTTPConnection):
    """A connection that is there within `timeout`, its handshake included, or not at all.

    The addresses of a name share the time that is left. Whoever has found out too late makes no
    connection: a request would be sent when nobody waits for its answer any more.

    Nor is one made to an address that is `denied`, which is looked up once: what a name leads to is
    what is connected to. Raises DeniedNetwork when all are.
    """

    denied: ClassVar[Denied] = NONE_DENIED

    def _new_conn(self) -> socket.socket:
        host, limit = self._dns_host, self.timeout
        if not isinstance(limit, int | float):
            return super()._new_conn()
        deadline = _CLOCK.monotonic() + limit
        try:
            addresses = self._addresses(limit)
            for tried, address in enumerate(addresses, start=1):
                self._dns_host, left = address, deadline - _CLOCK.monotonic()
                self.timeout = left / (len(addresses) - tried + 1)
                try:
                    if left > 0:
                        return self._with_limit(super()._new_conn(), deadline)
                except (ConnectTimeoutError, NewConnectionError):
                    if tried == len(addresses):
                        raise
            raise self._too_late()
        finally:
            self._dns_host, self.timeout = host, limit

    def _with_limit(self, sock: socket.socket, deadline: float) -> socket.socket:
        """`sock`, on which what follows is over by then, too."""
        sock.settimeout(max(deadline - _CLOCK.monotonic(), 0.001))
        return sock

    def _addresses(self, seconds: float) -> list[str]:
        """The addresses of the host. Raises what urllib3 raises where it looks them up."""
        try:
            looked_up = aside.begun(partial(_look_up, self._dns_host.strip("[]"), self.port))
            addresses = looked_up.result(seconds)
        except TimeoutError:
            raise self._too_late() from None
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(self.host) from None
        allowed = [each for each in addresses if not self.denied.denies(each)]
        if not allowed:
            raise DeniedNetwork(SAID)
        return allowed

    def _too_late(self) -> ConnectTimeoutError:
        return ConnectTimeoutError(self, f"Connection to {self.host} timed out.")


def _look_up(host: str, port: int) -> list[str]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in rows))
