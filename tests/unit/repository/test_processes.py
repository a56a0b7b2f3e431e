"""The leak check sees what it has to see.

Left out: starting real services, which tests/system/test_services.py does.
"""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.services import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the leak check reads /proc")


def test_a_running_service_is_a_child_and_a_stopped_one_is_not(tmp_path: Path) -> None:
    """`stop` leaves nothing, not even a zombie."""
    with processes.running("sleep", ["sleep", "60"], tmp_path) as process:
        pid = process.pid
        assert pid in processes.children()
        assert processes.command_line(pid) == "sleep 60"
    assert pid not in processes.children()
    assert not Path(f"/proc/{pid}").exists()


def test_a_grandchild_whose_parent_is_gone_is_seen() -> None:
    """A daemon that forked away is adopted, so it cannot hide from the leak check."""
    script = "sleep 60 >/dev/null 2>&1 & echo $!"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=60)
    pid = int(done.stdout)
    try:
        assert pid in processes.children()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_service_that_does_not_start_tells_its_last_words(tmp_path: Path) -> None:
    """The error carries the log, since the log's folder is gone when one reads the report."""
    command = ["sh", "-c", "echo no such port; exit 3"]
    process = processes.Process("fails", command, tmp_path / "log", ready=lambda: False)
    with pytest.raises(processes.ServiceError, match="no such port"):
        process.start()


def test_a_service_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    """A start that took too long raises and leaves no process behind."""
    process = processes.Process("idle", ["sleep", "60"], tmp_path / "log", ready=lambda: False)
    before = time.monotonic()
    with pytest.raises(processes.ServiceError, match=r"not ready in 0\.2 s"):
        process.start(timeout_seconds=0.2)
    assert time.monotonic() - before < 5
    with pytest.raises(processes.ServiceError, match="not started"):
        _ = process.pid


def test_a_port_that_was_given_out_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked binds it later: until then it is given to nobody, by us or the kernel."""
    given = processes.free_ports(50) + processes.free_ports(50)
    assert len(set(given)) == 100
    with socket.create_server(("127.0.0.1", 0)) as anywhere:
        assert max(given) < anywhere.getsockname()[1]
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    below, above = processes.BELOW_EPHEMERAL
    of_workers = []
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        of_workers.append(set(itertools.islice(processes._own_ports(), above - below)))
    assert of_workers[0].isdisjoint(of_workers[1])


def test_a_port_that_is_in_use_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a service that went before its test, or by whatever else runs on the machine."""
    first, second = processes.free_ports(2)
    monkeypatch.setattr(processes, "_PORTS", iter([first, second]))
    with socket.create_server(("127.0.0.1", first)):
        assert processes.free_ports(1) == [second]
