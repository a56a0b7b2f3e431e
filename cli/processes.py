"""Our own commands as child processes: how they are called, started, and ended for certain.

A child leads a process group of its own, so Ctrl-C reaches only who started it; it ends itself
when that one is gone (`clients.lifeline`). Settings reach it by environment, never by argument,
since everybody may read arguments.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

PARENT_OPTION: Final = "--parent-pid"
"""Hidden option of every command: the process to end with."""

_ARENAS: Final = "MALLOC_ARENA_MAX"
"""glibc gives threads eight arenas for each core, none of which it gives back; two do for threads
that take turns anyway."""

_ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Command:
    """One of our commands: `python -m MODULE ARGUMENTS`, known to people as `name`."""

    name: str
    module: str
    arguments: tuple[str, ...]

    def argv(self) -> list[str]:
        """The command line; the working directory is kept out of where modules come from."""
        parent = [PARENT_OPTION, str(os.getpid())]
        return [sys.executable, "-P", "-m", self.module, *self.arguments, *parent]


@dataclass(slots=True)
class Child:
    """A running child."""

    command: Command
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self.process.pid

    def ended(self) -> int | None:
        """Its exit code (negative: the signal that killed it), None while it runs."""
        return self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to its whole group; harmless when that is gone."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


def start(
    command: Command,
    environ: Mapping[str, str],
    *,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Child:
    """The child, started. Call it from a thread that lives as long as this process."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        command.argv(),
        env=with_our_modules(environ),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
    )
    return Child(command, process)


def with_our_modules(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` in which a child finds these very packages, installed or not."""
    paths = [str(_ROOT), *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    found = os.pathsep.join(dict.fromkeys(paths))
    return {_ARENAS: "2", **environ, "PYTHONPATH": found}
