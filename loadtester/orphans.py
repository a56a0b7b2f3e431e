"""Processes that nobody waits for any more: known by a mark in their environment, and killed.

A process can leave its group and lose its parent; its environment it keeps, and gives to what it
starts. Run as a program this kills all that bear a mark once its standard input ends: so it learns
that a load tester is gone which had no time to end anything. Linux only; elsewhere it finds none.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

VARIABLE: Final = "COALMINE_LOADTESTER_TASK"
"""The variable of the environment that holds the mark."""

_ROUNDS: Final = 100
"""Looks that are taken at most: what starts processes faster than we kill them has no end."""


def kill(mark: str) -> None:
    """Kills all processes of this user whose mark begins with `mark`, and what they start."""
    for _ in range(_ROUNDS):
        bearers = [*_bearers(f"\0{VARIABLE}={mark}".encode())]
        if not bearers:
            return
        for pid in bearers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _bearers(entry: bytes) -> Iterator[int]:
    """The processes with `entry` in their environment; the dead have none any more."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone, or somebody else's
            if entry in b"\0" + (folder / "environ").read_bytes():
                yield int(folder.name)


@contextlib.contextmanager
def guarded(mark: str) -> Iterator[None]:
    """For the length of the block, and after it, what bears `mark` does not outlive this process.

    Not even if it is killed with SIGKILL: another process waits for its end.
    """
    guard = subprocess.Popen(  # noqa: S603 - this very file
        (sys.executable, "-I", "-S", __file__, mark),
        stdin=subprocess.PIPE,
        env={},  # ours may hold secrets, and tasks could read it there
        start_new_session=True,  # what is sent to our group does not reach it
    )
    try:
        yield
    finally:
        guard.communicate()


if __name__ == "__main__":
    sys.stdin.buffer.read()
    kill(sys.argv[1])
