"""The processes that `coalmine up` would start, as children whose use can be measured."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.cluster import Cluster
from cli import processes as children
from cli.processes import Child, Command
from cli.up import ProcessSet

_READY: Final = ("beat: Starting", " ready.")
_START_SECONDS: Final = 60
_END_SECONDS: Final = 15


class NotStarted(Exception):
    """A process ended or did not come up; the message ends with its last words."""


@dataclass(frozen=True, slots=True)
class Processes:
    """The running processes by name."""

    members: Mapping[str, Child]
    folder: Path

    def pids(self) -> dict[str, tuple[int, ...]]:
        """Process ids by role."""
        found: dict[str, tuple[int, ...]] = defaultdict(tuple)
        for name, child in self.members.items():
            found[_role(name)] += (child.pid,)
        return dict(found)

    def profiles(self) -> list[Path]:
        """The files that profiled members leave when they end."""
        return sorted(self.folder.glob("*.profile"))


@contextlib.contextmanager
def at_work(
    cluster: Cluster,
    folder: Path,
    wanted: ProcessSet,
    settings: Mapping[str, str],
    profiled: str | None = None,
) -> Iterator[Processes]:
    """The processes for the length of the block; their logs are in `folder`.

    `settings` are COALMINE_ variables; the members of the role `profiled` run under the profiler.
    """
    members: dict[str, Child] = {}
    try:
        for command in wanted.commands():
            role = _role(command.name)
            environ = {
                "PATH": os.environ.get("PATH", os.defpath),
                "COALMINE_KUBECONFIG": str(cluster.kubeconfigs[role]),
                "COALMINE_LISTEN_PORT": "0",
                **settings,
            }
            with _log(folder, command.name).open("ab") as log:
                run = _profiled(command, folder) if role == profiled else command
                members[command.name] = children.start(run, environ, stdout=log, stderr=log)
        for name, child in members.items():
            _wait_ready(child, _log(folder, name))
        yield Processes(members, folder)
    finally:
        _end(members.values())


def _profiled(command: Command, folder: Path) -> Command:
    out = str(folder / f"{command.name}.profile")
    arguments = (out, command.module, *command.arguments)
    return replace(command, module="benchmarks.profiler", arguments=arguments)


def _wait_ready(child: Child, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not any(word in log.read_text("utf-8", "replace") for word in _READY):
        if child.ended() is not None or time.monotonic() > deadline:
            words = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
            raise NotStarted(f"{child.command.name} did not start:\n{words}")
        time.sleep(0.05)


def _end(everybody: Collection[Child]) -> None:
    for child in everybody:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    for child in everybody:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.signal(signal.SIGKILL)
            child.process.wait()


def _role(name: str) -> str:
    return name.rpartition("-")[0]


def _log(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"
