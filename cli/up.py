"""`coalmine up`: the whole process set against a cluster, in the foreground."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cli import startup
from cli.processes import Command
from cli.supervisor import Supervisor
from clients.clock import SystemClock
from clients.redis.embedded import EmbeddedValkey
from config.settings.settings import Settings
from tasks.queues import Queue

log = logging.getLogger(__name__)

REDIS_VARIABLE: Final = "COALMINE_REDIS_URL"
ANY_FREE_PORT: Final = {"COALMINE_LISTEN_PORT": "0"}
"""For the probes: the processes of one machine cannot share a port."""


@dataclass(frozen=True, slots=True)
class ProcessSet:
    """How many processes of each kind; `flower_port` None leaves Flower out."""

    beats: int = 2
    analysis: int = 2
    hooks: int = 1
    routing: int = 1
    report: int = 1
    flower_port: int | None = None

    def commands(self) -> tuple[Command, ...]:
        """One command per process, named by role and number."""
        counts: dict[tuple[str, ...], int] = {("beat",): self.beats}
        counts |= {("worker", queue.value): getattr(self, queue.value) for queue in Queue}
        named = [
            (f"{words[-1]}-{number}", words)
            for words, count in counts.items()
            for number in range(1, count + 1)
        ]
        if self.flower_port is not None:
            named.append(("flower", ("flower", "--flower-port", str(self.flower_port))))
        return tuple(Command(name, "cli", (*words, "--name", name)) for name, words in named)


def run(settings: Settings, environ: Mapping[str, str], wanted: ProcessSet) -> int:
    """The exit code, once the set was told to end and has ended.

    `environ` is what the children get: settings included, except for an embedded server's URL.
    """
    startup.configure_logs(settings, "up")
    clock = SystemClock()
    supervisor = Supervisor(wanted.commands(), clock)
    supervisor.listen()
    startup.connect_kubernetes(settings, "up", clock)
    with _redis(settings) as variables:
        return supervisor.run({**environ, **variables, **ANY_FREE_PORT})


@contextlib.contextmanager
def _redis(settings: Settings) -> Iterator[dict[str, str]]:
    """The variable that names the server, running for the length of the block, if none is set."""
    if settings.redis.url is not None:
        yield {}
        return
    with EmbeddedValkey() as server:
        log.info("embedded valkey started", extra={"url": server.url})
        yield {REDIS_VARIABLE: server.url}
