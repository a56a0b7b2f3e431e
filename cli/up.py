"""`coalmine up`: the whole process set against a cluster, in the foreground.

This process stays for as long as its children, hence it imports as little as possible: a fifth of
what they do. They find out by themselves whether Redis and the cluster can be used.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cli import exits
from cli.processes import Command
from cli.supervisor import Supervisor
from clients import logs
from clients.clock import SystemClock
from clients.redis.embedded import EmbeddedValkey
from config.settings.settings import Settings

log = logging.getLogger(__name__)

REDIS_VARIABLE: Final = "COALMINE_REDIS_URL"
ANY_FREE_PORT: Final = {"COALMINE_LISTEN_PORT": "0"}
"""For the probes: the processes of one machine cannot share a port."""


ROLES: Final = ("analysis", "hooks", "routing", "report")
"""The values of `tasks.queues.Queue`, whose import costs a process three times the memory."""

FLOWER_ADDRESS: Final = "127.0.0.1"
"""Whoever reaches Flower can stop workers: it is not shown to the network unless asked for."""
FLOWER_PORT: Final = 5555


@dataclass(frozen=True, slots=True)
class ProcessSet:
    """How many processes of each kind; `flower_port` None leaves Flower out."""

    beats: int = 2
    analysis: int = 2
    hooks: int = 1
    routing: int = 1
    report: int = 1
    workers: int = 0
    """Workers that serve all queues."""
    flower_port: int | None = None

    def absent(self) -> tuple[str, ...]:
        """The kinds of which there is no process, Flower aside."""
        kinds = ("beats", *(() if self.workers else ROLES))
        return tuple(kind for kind in kinds if not getattr(self, kind))

    def commands(self) -> tuple[Command, ...]:
        """One command per process, named by role and number."""
        counts: dict[tuple[str, ...], int] = {("beat",): self.beats}
        counts |= {("worker", role): getattr(self, role) for role in ROLES}
        counts |= {("worker", ",".join(ROLES)): self.workers}
        named = [
            (f"{'worker' if ',' in words[-1] else words[-1]}-{number}", words)
            for words, count in counts.items()
            for number in range(1, count + 1)
        ]
        if self.flower_port is not None:
            named.append(("flower", ("flower", "--flower-port", str(self.flower_port))))
        return tuple(Command(name, "cli", (*words, "--name", name)) for name, words in named)


SMALL: Final = ProcessSet(beats=1, analysis=0, hooks=0, routing=0, report=0, workers=1)
"""As few processes as can do all the work: a third of the memory of one process per role."""


def run(settings: Settings, environ: Mapping[str, str], wanted: ProcessSet) -> int:
    """The exit code, once the set was told to end and has ended.

    `environ` is what the children get: settings included, except for an embedded server's URL.
    Raises Unusable when nobody would do a part of the work, PortTaken for Flower's port.
    """
    if settings.redis.url is None and (absent := wanted.absent()):
        text = f"there are to be no {' and no '.join(absent)} processes, and nobody else works on"
        remedy = "give --redis-url (COALMINE_REDIS_URL), or 1 or more of each"
        raise exits.Unusable(f"{text} the Valkey that up starts: {remedy}")
    if wanted.flower_port is not None:  # its process would be started again and again
        exits.check_free(FLOWER_ADDRESS, wanted.flower_port, "--flower-port")
    server, cluster = settings.server, settings.canaries.cluster_name
    logs.configure(server.python_log_level, role="up", cluster=cluster)
    supervisor = Supervisor(wanted.commands(), SystemClock())
    supervisor.listen()
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
