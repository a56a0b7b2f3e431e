"""`coalmine up`: the whole process set against a cluster, in the foreground.

The process stays for as long as its children, hence it becomes one that imports as little as
possible, not even the settings: 18 MiB instead of 29, or of 71 with the imports of its children.
They find out by themselves whether Redis and the cluster can be used.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from cli import complaints, exits, processes
from cli.processes import Command
from cli.supervisor import Supervisor
from clients import errors, lifeline, logs
from clients.clock import SystemClock
from clients.redis.embedded import EmbeddedValkey
from config import roles
from config.settings import environment

if TYPE_CHECKING:
    from config.settings.settings import Settings

log = logging.getLogger(__name__)

REDIS_VARIABLE: Final = "COALMINE_REDIS_URL"
ANY_FREE_PORT: Final = {"COALMINE_LISTEN_PORT": "0"}
"""For the probes: the processes of one machine cannot share a port."""


FLOWER_ADDRESS: Final = "127.0.0.1"
"""Whoever reaches Flower can stop workers: it is not shown to the network unless asked for."""
FLOWER_PORT: Final = 5555


@dataclass(frozen=True, slots=True)
class ProcessSet:
    """How many processes of each kind; `flower_port` None leaves Flower out."""

    beats: int = 2
    of_role: Mapping[str, int] = field(
        default_factory=lambda: {queue: role.processes for queue, role in roles.ROLES.items()}
    )
    """Workers of one role each."""
    workers: int = 0
    """Workers that serve all queues."""
    flower_port: int | None = None

    def absent(self) -> tuple[str, ...]:
        """The kinds of which there is no process, Flower aside."""
        counts = {"beats": self.beats, **({} if self.workers else self.of_role)}
        return tuple(kind for kind, count in counts.items() if not count)

    def commands(self) -> tuple[Command, ...]:
        """One command per process, named by role and number."""
        counts: dict[tuple[str, ...], int] = {(roles.BEAT,): self.beats}
        counts |= {("worker", role): count for role, count in self.of_role.items()}
        counts |= {("worker", ",".join(roles.Queue)): self.workers}
        named = [
            (f"{'worker' if ',' in words[-1] else words[-1]}-{number}", words)
            for words, count in counts.items()
            for number in range(1, count + 1)
        ]
        if self.flower_port is not None:
            named.append(("flower", ("flower", "--flower-port", str(self.flower_port))))
        return tuple(Command(name, "cli", (*words, "--name", name)) for name, words in named)


SMALL: Final = ProcessSet(beats=1, of_role=dict.fromkeys(roles.Queue, 0), workers=1)
"""As few processes as can do all the work: a third of the memory of one process per role."""


def run(
    settings: Settings, environ: Mapping[str, str], wanted: ProcessSet, parent: int | None
) -> NoReturn:
    """Becomes the supervisor of the set, with `environ`, settings included, as its environment.

    It ends with the process `parent`.

    Raises Unusable when nobody would do a part of the work, or there is no kubeconfig where it is
    said to be; PortTaken for Flower's port.
    """
    if settings.redis.url is None and (absent := wanted.absent()):
        text = f"there are to be no {' and no '.join(absent)} processes, and nobody else works on"
        remedy = "give --redis-url (COALMINE_REDIS_URL), or 1 or more of each"
        raise exits.Unusable(f"{text} the Valkey that up starts: {remedy}")
    shard = settings.scheduler.shard
    if settings.redis.url is None and shard.count > 1:
        text = f"--shard {shard}: nobody else works on the Valkey that up starts"
        raise exits.Unusable(f"{text}: give --redis-url (COALMINE_REDIS_URL), or leave it out")
    kubeconfig = settings.kubernetes.kubeconfig
    if kubeconfig and not any(map(_is_there, kubeconfig.split(os.pathsep))):
        raise exits.Unusable(f"kubernetes: kubeconfig {kubeconfig}: there is no such file")
    if wanted.flower_port is not None:  # its process would be started again and again
        exits.check_free(FLOWER_ADDRESS, wanted.flower_port, "--flower-port")
    order = Order(
        wanted=wanted,
        parent=parent,
        level=settings.server.python_log_level,
        cluster=settings.canaries.cluster_name,
        embedded=settings.redis.url is None,
    )
    command = [sys.executable, "-P", "-m", "cli.up", json.dumps(asdict(order))]
    os.execve(sys.executable, command, processes.with_our_modules(environ))  # noqa: S606 - ours


def _is_there(kubeconfig: str) -> bool:
    return Path(kubeconfig).expanduser().is_file()


@dataclass(frozen=True, slots=True)
class Order:
    """What the supervisor must know of the settings; it cannot read them, see above."""

    wanted: ProcessSet
    parent: int | None
    """The process to end with."""
    level: str
    cluster: str | None
    embedded: bool
    """Whether it starts a Valkey."""

    @classmethod
    def parse(cls, text: str) -> Order:
        """The order that was written as JSON."""
        fields = json.loads(text)
        return cls(**{**fields, "wanted": ProcessSet(**fields["wanted"])})


def supervise(order: Order, environ: Mapping[str, str]) -> int:
    """The exit code, once the set was told to end and has ended."""
    logs.configure(order.level, role="up", cluster=order.cluster)
    if order.parent:  # becoming this process has ended the thread that watched
        lifeline.end_with(order.parent)
    supervisor = Supervisor(order.wanted.commands(), SystemClock())
    supervisor.listen()
    if not order.embedded:
        return supervisor.run({**environ, **ANY_FREE_PORT})
    with EmbeddedValkey() as server:
        log.info("embedded valkey started", extra={"url": server.url})
        variables = {REDIS_VARIABLE: server.url, **ANY_FREE_PORT}
        return supervisor.run({**environ, **variables}, lambda: _tend(server))


def _tend(server: EmbeddedValkey) -> None:
    if server.revive():
        log.warning("embedded valkey ended, started again", extra={"url": server.url})


if __name__ == "__main__":
    try:
        sys.exit(supervise(Order.parse(sys.argv[1]), environment.current()))
    except errors.Permanent as error:
        complaints.write(str(error))
        sys.exit(exits.UNUSABLE)
