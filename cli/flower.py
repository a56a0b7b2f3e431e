"""`coalmine flower`: the web view of workers and tasks, on Flower's own command.

Workers tell of their jobs only while somebody listens: Flower asks them to, every few seconds.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Final

from cli import exits, startup
from clients.clock import SystemClock
from config.settings.settings import Settings
from tasks.app import make_app

DEFAULT_ADDRESS: Final = "127.0.0.1"
"""Whoever reaches Flower can stop workers: it is not shown to the network unless asked for."""
DEFAULT_PORT: Final = 5555


def _check_free(address: str, port: int) -> None:
    """Raises PortTaken; Flower itself would end with a traceback."""
    try:
        socket.create_server((address, port)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise exits.PortTaken(port, "--flower-port") from None
        raise


def run(settings: Settings, name: str, address: str, port: int) -> int:
    """The exit code, once Flower was told to end."""
    startup.configure_logs(settings, name)
    _check_free(address, port)
    startup.wait_for_redis(settings, SystemClock())
    app = make_app(settings)
    # Comes back when Flower has ended, although its stub says that it never does.
    start: Callable[[list[str]], object] = app.start
    start(["--quiet", "flower", f"--address={address}", f"--port={port}", "--logging=none"])
    return exits.OK
