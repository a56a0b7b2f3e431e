"""The embedded Valkey: started and stopped, and never left behind.

Aspects: working directory, ports; the death of whoever started it, by any signal, on Linux
and by the watchdog of other systems.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import errors
from clients.redis import embedded
from clients.redis import server as redis_server
from clients.redis.embedded import EmbeddedValkey
from tests import patience
from tests.patience import until
from tests.services import processes

REPOSITORY = Path(__file__).resolve().parents[3]

STARTER = """
import sys, time
from clients.redis.embedded import EmbeddedValkey
server = EmbeddedValkey().start()
print(server.pid, flush=True)
time.sleep(60)
"""


def test_it_starts_and_stops_and_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers when `start` returns; starting and stopping again are harmless."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with EmbeddedValkey() as server:
        assert server.start() is server
        with contextlib.closing(redis_server.connect(server.url)) as client:
            assert client.config_get("save") == {"save": ""}
            client.set("key", "value")
            assert client.get("key") == "value"
        assert list(tmp_path.iterdir()) == []
        pid = server.pid
        server.stop()
    assert not _runs(pid)
    with pytest.raises(RuntimeError, match="not been started"):
        _ = server.url


def test_it_listens_on_the_loopback_alone() -> None:
    """Nobody else on the network can talk to it."""
    with EmbeddedValkey() as server, contextlib.closing(redis_server.connect(server.url)) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert server.url.startswith("redis://127.0.0.1:")


def test_a_given_port_and_folder_are_used_and_a_taken_port_is_an_error(tmp_path: Path) -> None:
    """The error says which port, and what the server said."""
    (port,) = processes.free_ports(1)
    with EmbeddedValkey(port, tmp_path) as server:
        assert server.url == f"redis://127.0.0.1:{port}/0"
        with contextlib.closing(redis_server.connect(server.url)) as client:
            assert client.config_get("dir") == {"dir": str(tmp_path)}
        with pytest.raises(errors.Permanent, match=f"port {port}: .*in use"):
            EmbeddedValkey(port).start()
    assert tmp_path.exists()


def test_one_that_is_killed_is_revived_at_its_port_and_empty() -> None:
    """One that runs, or was stopped, is left alone."""
    with EmbeddedValkey() as server:
        pid, url = server.pid, server.url
        assert not server.revive()
        assert server.pid == pid
        with contextlib.closing(redis_server.connect(url)) as client:
            client.set("key", "value")
        os.kill(pid, signal.SIGKILL)
        until(server.revive)
        assert (server.url, server.pid == pid) == (url, False)
        with contextlib.closing(redis_server.connect(url)) as client:
            assert client.get("key") is None
        server.stop()
        assert not server.revive()


def test_it_outlives_the_thread_that_started_it() -> None:
    """The kernel takes a thread for the parent; ours stays."""
    server = EmbeddedValkey()
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    try:
        time.sleep(0.2)
        assert _runs(server.pid)
    finally:
        server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_dies_with_the_process_that_started_it(how: signal.Signals) -> None:
    """Whatever ends that process, even SIGKILL, which nothing can catch."""
    with _starter() as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert _runs(pid)
        starter.send_signal(how)
        starter.wait(patience.SECONDS)
    until(lambda: not _runs(pid))


@pytest.mark.parametrize("parent_dies", [True, False])
def test_the_watchdog_of_other_systems_kills_the_server_of_a_dead_parent(
    parent_dies: bool,
) -> None:
    """And ends by itself when the server ends first."""
    with _sleeper() as parent, _sleeper() as server:
        watchdog = embedded.watchdog(parent.pid, server.pid)
        first = parent if parent_dies else server
        first.kill()
        first.wait()
        assert watchdog.wait(patience.SECONDS) == 0
        if parent_dies:
            assert server.wait(patience.SECONDS) == -signal.SIGKILL
        else:
            assert parent.poll() is None


@contextlib.contextmanager
def _starter() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        yield process
        process.kill()


@contextlib.contextmanager
def _sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _runs(pid: int) -> bool:
    """Whether the process is there and no zombie; reaps it if it became ours to reap."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
