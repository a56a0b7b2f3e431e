"""Child processes of the tests: started on free ports, logged to a file, gone at the end.

A process can also be taken away for a while: `down` and `paused` are what chaos tests are made of.
"""

import contextlib
import ctypes
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # prctl(2)

BELOW_EPHEMERAL: Final = (20_000, 32_768)
"""Ports that are given to nobody who does not ask for them, by the defaults of Linux and macOS."""

LIVE: set[int] = set()
"""Process ids of the services that are up on purpose; conftest's leak check leaves them out."""


class ServiceError(RuntimeError):
    """A service was found but did not come up; the message ends with the tail of its log."""


class Process:
    """One child process, which may be stopped and started again; `log` is the file of its output.

    `ready` tells whether it serves; `start` returns when it first does.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        ready: Callable[[], bool] = lambda: True,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = tuple(str(part) for part in command)
        self.log = log
        self._ready = ready
        self._env = env
        self._popen: subprocess.Popen[bytes] | None = None
        self._asked = False

    @property
    def pid(self) -> int:
        """Its process id; raises ServiceError while it is not started."""
        if self._popen is None:
            raise ServiceError(f"{self.name} is not started")
        return self._popen.pid

    @property
    def ended(self) -> bool:
        """Whether it is not running, for whatever reason."""
        return self._popen is None or self._popen.poll() is not None

    def start(self, timeout_seconds: float = 60) -> None:
        """Starts it and returns once it is ready.

        Raises ServiceError when it ends at once or `timeout_seconds` are up; it is stopped then.
        """
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,  # Ctrl-C reaches pytest alone, which stops its services
                preexec_fn=_dies_with_us(),  # noqa: PLW1509 (one system call, loaded before)
            )
        self._asked = False
        LIVE.add(self._popen.pid)
        try:
            self._wait_ready(self._popen, timeout_seconds)
        except BaseException:
            self.stop()
            raise

    def ask_to_end(self) -> None:
        """Sends SIGTERM, once, and does not wait; harmless when it is gone."""
        if self._popen is not None and not self._asked:
            self._asked = True
            self._popen.terminate()

    def stop(self, grace_seconds: float = 10) -> None:
        """Ends it with SIGTERM, with SIGKILL after `grace_seconds`; harmless when it is gone."""
        self.ask_to_end()
        popen = self._popen
        if popen is None:
            return
        try:
            popen.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
        self._forget(popen)

    def kill(self) -> None:
        """Ends it with SIGKILL: no goodbye to anybody."""
        popen = self._popen
        if popen is not None:
            popen.kill()
            popen.wait()
            self._forget(popen)

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Killed for the length of the block, then started as it was: same port, same files."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Frozen for the length of the block: connections open, and nothing is answered."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def tail(self, lines: int = 15) -> str:
        """The last `lines` lines of its output."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def _forget(self, popen: "subprocess.Popen[bytes]") -> None:
        LIVE.discard(popen.pid)
        if self._popen is popen:  # another thread may have started the next one meanwhile
            self._popen = None

    def _wait_ready(self, popen: "subprocess.Popen[bytes]", timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not self._ready():
            if popen.poll() is not None:
                raise ServiceError(f"{self.name} ended at start:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{self.name} not ready in {timeout_seconds:g} s:\n{self.tail()}"
                )
            time.sleep(0.05)


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    folder: Path,
    *,
    ready: Callable[[], bool] = lambda: True,
    env: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """A ready process for the length of the block; its output is `folder`/`name`.log."""
    process = Process(name, command, folder / f"{name}.log", ready=ready, env=env)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def free_ports(count: int) -> list[int]:
    """`count` different TCP ports of 127.0.0.1 that nobody takes before whoever asked for them.

    None is given out twice, here or by another worker of the session, nor by the kernel to a
    server or a connection to which any is good enough.
    """
    return list(itertools.islice(filter(_is_free, _PORTS), count))


def _own_ports() -> Iterator[int]:
    """Those of this worker, in an order that is another one in each session."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = list(range(*BELOW_EPHEMERAL))[worker::workers]
    random.SystemRandom().shuffle(ports)  # `random` itself begins each test anew
    return itertools.cycle(ports)


_PORTS: Final = _own_ports()


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def children() -> set[int]:
    """Process ids of this process's children that still run; empty where /proc is missing.

    Left out: zombies, which hold nothing, and multiprocessing's resource tracker, which lives as
    long as the interpreter.
    """
    pids = (
        int(pid)
        for listing in Path("/proc/self/task").glob("*/children")
        for pid in _read(listing).split()
    )
    return {pid for pid in pids if _runs(pid) and "resource_tracker" not in command_line(pid)}


def descendants(pid: int) -> list[int]:
    """Process ids of the children of `pid` and of theirs; empty where /proc is missing."""
    listings = Path(f"/proc/{pid}/task").glob("*/children")
    own = [int(child) for listing in listings for child in _read(listing).split()]
    return own + [below for child in own for below in descendants(child)]


def command_line(pid: int) -> str:
    """The command of a process, empty when it is gone."""
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip()


def _dies_with_us() -> Callable[[], None] | None:
    """What a child does first so that it ends even when pytest is killed; None if not on Linux.

    The kernel takes the thread that forked for the parent, so this is for the main thread only.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _runs(pid: int) -> bool:
    # "PID (NAME) STATE ...": the name may hold blanks and brackets, so it is cut off at its end.
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(state) and state[0] not in "ZX"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
