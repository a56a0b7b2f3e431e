"""The cluster of a measurement where there is no kube-apiserver: the sandbox's, in a process.

Counts are the same; processor time is not that of a real API server.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import calls
from benchmarks.calls import Call
from benchmarks.cluster import Cluster
from benchmarks.control_plane import ALL
from clients.clock import SystemClock
from config import roles
from sandbox.apiserver import ApiServer
from sandbox.cluster import coalmine_crds
from sandbox.controllers import DeploymentController


@contextlib.contextmanager
def running(folder: Path, ready_after: float) -> Iterator[Cluster]:
    """The cluster for the length of the block; Deployments are ready after so many seconds."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    config = folder / "sandbox.kubeconfig"
    process = spawning.Process(target=_serve, args=(theirs, config, ready_after), daemon=True)
    process.start()
    try:
        ours.recv()  # it serves
        yield Cluster(
            name="sandbox",
            admin=config,
            kubeconfigs=dict.fromkeys((*roles.ALL, ALL), config),
            calls=Remote(ours),
            pids={"sandbox": (process.pid or 0,)},
        )
    finally:
        ours.close()
        process.join(5)
        process.kill()


class Remote:
    """The counts of the sandbox in the other process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def counts(self) -> Counter[Call]:
        """See `calls.Calls`."""
        self._connection.send("counts")
        counted: Counter[Call] = self._connection.recv()
        return counted


def _serve(connection: Connection, config: Path, ready_after: float) -> None:
    """Serves until the other end of `connection` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = ApiServer()
    server.apply_manifests(coalmine_crds())
    now = SystemClock().now
    controller = DeploymentController(server.store, now, timedelta(seconds=ready_after))
    with server:
        server.write_kubeconfig(config)
        controller.start()
        connection.send("serving")
        with contextlib.suppress(EOFError):
            while connection.recv():
                connection.send(_counts(server))
        controller.stop()


def _counts(server: ApiServer) -> Counter[Call]:
    found: Counter[Call] = Counter()
    for kind, count in server.counts().items():
        plural = kind.resource.partition(".")[0]
        named = f"{plural}/{kind.subresource}" if kind.subresource else plural
        found[Call(calls.of_agent(kind.user_agent), kind.verb, named)] += count
    return found
