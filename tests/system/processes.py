"""Coalmine's processes, started by the commands that users start, each as its own ServiceAccount.

Nobody starts a member again when it dies: a test that kills one sees what the others do.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.up import ProcessSet
from clients.redis import server as redis_server
from tests.services import presence, processes
from tests.services import valkey as valkey_service
from tests.services.cluster import ControlPlane
from tests.services.processes import Process
from tests.services.valkey import Valkey
from tests.stores import DirectStore

RBAC: Final = presence.REPOSITORY / "deploy" / "rbac" / "rbac.yaml"
HOME: Final = "coalmine-system"
"""The namespace of the ServiceAccounts in `RBAC`."""

ROLES: Final[Mapping[str, str]] = {
    each.name: each.name.rpartition("-")[0] for each in ProcessSet().commands()
}
"""The members and their roles; two beats, since one of them only stands by."""

READY: Final = ("beat: Starting", " ready.")
"""What a beat and a worker say when they have started."""


@dataclass(frozen=True)
class Processes:
    """The running processes by name, with the Redis that they share."""

    members: Mapping[str, Process]
    valkey: Valkey
    store: DirectStore
    accounts: Mapping[str, str] = field(repr=False)
    """The token of each role's ServiceAccount."""
    pages: Mapping[str, str] = field(default_factory=dict)
    """http://127.0.0.1:PORT of each member, where that is known."""

    def user(self, role: str) -> str:
        """What the API server calls the processes of `role`."""
        return f"system:serviceaccount:{HOME}:coalmine-{role}"

    def log(self) -> str:
        """The last lines of every member's log, for a failure's message."""
        return "\n".join(f"--- {name}\n{one.tail()}" for name, one in self.members.items())


Start = Callable[
    [ControlPlane, Path, Mapping[str, str]], contextlib.AbstractContextManager[Processes]
]
"""Has all processes at work for the length of a block: at what, with files where, and settings."""


def apply_rbac(plane: ControlPlane) -> dict[str, str]:
    """The token of each role, after the roles that we ship were applied as they are."""
    plane.apply_file(RBAC)
    roles = sorted(set(ROLES.values()))
    return {role: plane.service_account_token(HOME, f"coalmine-{role}") for role in roles}


@contextlib.contextmanager
def at_work(
    plane: ControlPlane,
    folder: Path,
    settings: Mapping[str, str],
    *,
    server: str | None = None,
    entry: str = "cli",
) -> Iterator[Processes]:
    """All processes for the length of the block, with a Redis of their own; files in `folder`.

    `settings` are COALMINE_ variables in addition to how to reach Redis and the API server;
    `server` is the URL of the API server when it is not to be asked directly. They are
    started by the module `entry`.
    """
    accounts = apply_rbac(plane)
    with contextlib.ExitStack() as stack:
        valkey = stack.enter_context(valkey_service.running(folder))
        members = {}
        for name, role in ROLES.items():
            config = plane.kubeconfig(folder / f"{name}.kubeconfig", accounts[role], server=server)
            environ = {
                "COALMINE_REDIS_URL": valkey.url,
                "COALMINE_KUBECONFIG": str(config),
                "COALMINE_LISTEN_PORT": "0",
                **settings,
            }
            members[name] = _member(name, role, folder, environ, entry)
        for member in members.values():
            stack.callback(member.stop)
            member.start()
        stack.callback(_ask_to_end, members.values())
        _wait_ready(members.values())
        store = DirectStore(redis_server.connect(valkey.url))
        yield Processes(members, valkey, store, accounts)


def _ask_to_end(members: Iterable[Process]) -> None:
    """Tells all of them before the first is waited for."""
    for member in members:
        member.ask_to_end()


def _wait_ready(members: Iterable[Process], seconds: float = 90) -> None:
    """Returns once each has said that it is ready; all are started before any is waited for."""
    deadline = time.monotonic() + seconds
    for member in members:
        while not any(word in member.log.read_text("utf-8") for word in READY):
            if member.ended or time.monotonic() > deadline:
                raise processes.ServiceError(f"{member.name} did not start:\n{member.tail()}")
            time.sleep(0.05)


def _member(name: str, role: str, folder: Path, environ: Mapping[str, str], entry: str) -> Process:
    words = ["beat"] if role == "beat" else ["worker", role]
    command = [sys.executable, "-m", entry, *words, "--name", name]
    env = {"PYTHONPATH": str(presence.REPOSITORY), "PATH": "/usr/bin:/bin", **environ}
    return processes.Process(name, command, folder / f"{name}.log", env=env)
