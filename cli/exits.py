"""Exit codes, and the exceptions that end a command with one."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Final

OK: Final = 0
FAILED: Final = 1
"""The command did its work, and the outcome is not what it should be; or it broke."""
UNUSABLE: Final = 2
"""Settings, server or cluster cannot be used as they are: starting again would not help."""
TIMED_OUT: Final = 124
"""What was waited for has not come in time; as of `timeout` of the GNU tools."""
INTERRUPTED: Final = 130
"""Ended by Ctrl-C, as shells count it."""


class Unusable(Exception):
    """What was given cannot work; the message says what to change."""


class PortTaken(Exception):
    """A port to listen on that another process has; the message says how to choose another one."""


@contextlib.contextmanager
def taking(port: int, option: str) -> Iterator[None]:
    """Raises PortTaken when the block finds `port`, which `option` has chosen, in use."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"port {port} is in use by another process; choose another with {option}"
            raise PortTaken(text) from None
        raise


@contextlib.contextmanager
def listening(port: int) -> Iterator[str]:
    """The interface on which a process serves at `port` of its settings: all of them.

    Port 0 takes a free one, of the loopback interface alone: nobody elsewhere could know it.
    Raises PortTaken when the block finds the port in use.
    """
    with taking(port, "--port or COALMINE_LISTEN_PORT"):
        yield "" if port else "127.0.0.1"


def check_free(address: str, port: int, option: str) -> None:
    """Raises PortTaken when `port`, which `option` has chosen, is in use on `address`."""
    with taking(port, option):
        socket.create_server((address, port)).close()
