"""The demo's processes: sandbox cluster, Valkey, and `coalmine up` against both."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli import processes
from cli.processes import Child, Command
from clients.clock import Clock
from clients.redis import embedded
from clients.redis.embedded import EmbeddedValkey
from config.settings.settings import FLAGS

GRACE_SECONDS: Final = 10.0
MIN_INTERVAL: Final = "2s"
"""Below Flagger's floor of ten seconds: nobody wants to watch a demo for minutes."""

_SERVED: Final = '"health served"'
"""In the line of the log that names the port of a process."""


class Broken(Exception):
    """A process of the demo ended or never came up; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is, while it runs."""

    kubeconfig: Path
    redis_url: str
    flower_url: str
    log: Path
    """What the process set logs."""
    children: tuple[Child, ...]

    def check(self) -> None:
        """Raises Broken when a process has ended that should run."""
        for child in self.children:
            if (code := child.ended()) is not None:
                raise Broken(f"{child.command.name} ended with code {code}\n{self.log_tail()}")

    def server_url(self) -> str:
        """Where one of its processes tells what it knows, for the console; empty until one does."""
        told = (line for line in self.log.read_text("utf-8").splitlines() if _SERVED in line)
        port = next((json.loads(line)["port"] for line in told), None)
        return f"http://127.0.0.1:{port}" if port else ""

    def log_tail(self) -> str:
        """The last lines of what the process set logged."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-12:])


@contextlib.contextmanager
def set_up(environ: Mapping[str, str], flower_port: int, clock: Clock) -> Iterator[Stage]:
    """The stage, up for the length of the block; no process is left when it ends.

    Raises Broken when the sandbox does not come up.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coalmine-demo-")))
        log = folder / "coalmine.log"
        output = stack.enter_context(log.open("ab"))
        valkey = stack.enter_context(EmbeddedValkey())
        sandbox = Command("sandbox", "sandbox", ("--kubeconfig", str(folder / "kubeconfig")))
        cluster = processes.start(sandbox, environ, stdout=subprocess.PIPE, stderr=output)
        stack.callback(end, cluster, clock)
        where = _announced(cluster)
        port = flower_port or embedded.free_port()
        up = Command("up", "cli", ("up", "--flower", "--flower-port", str(port)))
        variables = _settings(environ, where, valkey.url)
        working = processes.start(up, variables, stderr=output, stdout=output)
        stack.callback(end, working, clock)
        yield Stage(
            kubeconfig=Path(where["kubeconfig"]),
            redis_url=valkey.url,
            flower_url=f"http://127.0.0.1:{port}",
            log=log,
            children=(cluster, working),
        )


def end(child: Child, clock: Clock) -> None:
    """Ends a child: asks, and kills after the grace or on another Ctrl-C."""
    deadline = clock.monotonic() + GRACE_SECONDS
    child.signal(signal.SIGTERM)
    try:
        while child.ended() is None and clock.monotonic() < deadline:
            clock.sleep(0.02)
    finally:
        child.signal(signal.SIGKILL)
        child.process.wait()
        if child.process.stdout is not None:
            child.process.stdout.close()


def _announced(cluster: Child) -> dict[str, str]:
    """What the sandbox says about itself once it serves; waits for that."""
    line = cluster.process.stdout.readline() if cluster.process.stdout else b""
    if not line:
        raise Broken(f"the sandbox did not come up (code {cluster.process.wait()})")
    where: dict[str, str] = json.loads(line)
    return where


def _settings(
    environ: Mapping[str, str], where: Mapping[str, str], redis_url: str
) -> dict[str, str]:
    """The demo's own: what is exported for a real installation is not meant for it."""
    exported = {flag.env for flag in FLAGS}
    return {
        **{name: value for name, value in environ.items() if name not in exported},
        "COALMINE_KUBECONFIG": where["kubeconfig"],
        "COALMINE_METRICS_SERVER": where["metricsServer"],
        "COALMINE_MESH_PROVIDER": "istio",
        "COALMINE_MIN_INTERVAL": MIN_INTERVAL,
        "COALMINE_REDIS_URL": redis_url,
        "COALMINE_LOG_LEVEL": "info",
    }
