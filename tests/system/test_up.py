"""`coalmine up` against the sandbox's API server: starting, losing processes, ending."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks import usage
from tests.services import presence, processes, valkey

PYTHON: Final = [sys.executable, "-m"]
PROCESSES: Final = (
    "beat-1",
    "beat-2",
    "analysis-1",
    "analysis-2",
    "hooks-1",
    "routing-1",
    "report-1",
)
READY: Final = ("analysis-1", "analysis-2", "hooks-1", "routing-1", "report-1")
SMALL: Final = ("beat-1", "worker-1")
START_SECONDS: Final = 3.0
"""Of processor time, until a small set works: 2 where nothing else runs."""
MEMORY_MIB: Final = 220
"""Of a small set, its supervisor and its server included."""


@dataclass
class Up:
    """A running `coalmine up`."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged; every line must be JSON."""
        whole = self.log.read_text("utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def started(self, name: str) -> list[int]:
        """The pids that the process `name` has had."""
        return [
            line["pid"]
            for line in self.lines()
            if line["msg"] == "process started" and line["child"] == name
        ]

    def ready(self, name: str) -> int:
        """How often the worker `name` became ready."""
        return sum(
            line["role"] == name and line["msg"].endswith(" ready.") for line in self.lines()
        )

    def wait_until(self, reached: Callable[[], bool], timeout_seconds: float = 60) -> float:
        """Seconds until `reached`; fails with the log when it takes too long."""
        began = time.monotonic()
        while not reached():
            waited = time.monotonic() - began
            assert waited < timeout_seconds, self.log.read_text("utf-8")
            assert self.process.poll() is None, self.log.read_text("utf-8")
            time.sleep(0.02)
        return time.monotonic() - began


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Where a sandbox cluster is: kubeconfig, apiServer, metricsServer."""
    with subprocess.Popen(
        [*PYTHON, "sandbox", "--kubeconfig", str(tmp_path / "kubeconfig")],
        cwd=presence.REPOSITORY,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture
def up(tmp_path: Path, sandbox: Mapping[str, str]) -> Iterator[Up]:
    """A process for each role, all of them at work."""
    with at_work(tmp_path, sandbox, READY, "--beats=2") as running:
        yield running


@contextlib.contextmanager
def at_work(
    tmp_path: Path, sandbox: Mapping[str, str], ready: Sequence[str], *options: str
) -> Iterator[Up]:
    """`coalmine up` with `options`, once the workers `ready` are and a beat leads."""
    presence.require("valkey")
    log = tmp_path / "up.log"
    arguments = [
        *options,
        "-kubeconfig",
        sandbox["kubeconfig"],
        f"-metrics-server={sandbox['metricsServer']}",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*PYTHON, "cli", "up", *arguments],
            cwd=presence.REPOSITORY,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stderr=output,
        )
    running = Up(process, log)
    try:
        running.wait_until(lambda: all(running.ready(name) for name in ready))
        running.wait_until(lambda: any(line["msg"] == "leading" for line in running.lines()))
        yield running
    finally:
        process.kill()
        process.wait()


def test_a_small_set_is_two_processes_that_cost_little(
    tmp_path: Path, sandbox: Mapping[str, str]
) -> None:
    """Start-up and memory of all: supervisor, beat, worker and server."""
    with at_work(tmp_path, sandbox, SMALL[1:]) as up:
        pids = [up.process.pid, *processes.descendants(up.process.pid)]
        seconds = sum(map(usage.cpu_seconds, pids))
        mib = sum(map(usage.peak_mib, pids))

        children = [line["child"] for line in up.lines() if line["msg"] == "process started"]
        assert children == list(SMALL)
        assert len(pids) == len(SMALL) + 2
        assert seconds < START_SECONDS
        assert mib < MEMORY_MIB
        up.process.terminate()
        assert up.process.wait(timeout=15) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it_within_ten_seconds(number: signal.Signals, up: Up) -> None:
    """Exit code 0, the embedded server included (the leak check sees every process)."""
    assert [name for name in PROCESSES if len(up.started(name)) != 1] == []
    began = time.monotonic()
    up.process.send_signal(number)
    code = up.process.wait(timeout=15)

    assert code == 0, up.log.read_text("utf-8")
    assert time.monotonic() - began < 10
    assert up.lines()[-1]["msg"] == "all processes ended"


def test_a_killed_worker_is_back_within_two_seconds(up: Up) -> None:
    """Only the killed one is started again, and it gets to work again."""
    (pid,) = up.started("routing-1")
    os.kill(pid, signal.SIGKILL)

    assert up.wait_until(lambda: len(up.started("routing-1")) == 2, timeout_seconds=5) < 2
    up.wait_until(lambda: up.ready("routing-1") == 2)
    assert [name for name in PROCESSES if len(up.started(name)) != 1] == ["routing-1"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere children notice within a second")
def test_a_killed_supervisor_takes_everything_along(up: Up) -> None:
    """No worker goes on without its supervisor, nor does the embedded server."""
    pids = [pid for name in PROCESSES for pid in up.started(name)]
    up.process.kill()
    up.process.wait()

    deadline = time.monotonic() + 2
    while any(processes.command_line(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("command", [["up"], ["beat", "--redis-url=redis://127.0.0.1:1"]])
def test_no_way_to_a_cluster_is_said_at_once(command: list[str], tmp_path: Path) -> None:
    """Exit code 2 and a line that names the file, instead of workers that restart for ever."""
    missing = tmp_path / "no-such-kubeconfig"
    ended = subprocess.run(
        [*PYTHON, "cli", *command, f"--kubeconfig={missing}"],
        cwd=presence.REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 2
    assert str(missing) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_redis_that_may_drop_keys_is_refused(tmp_path: Path, sandbox: Mapping[str, str]) -> None:
    """Start-up ends with code 2 and says which setting to change."""
    presence.require("valkey")
    with valkey.running(tmp_path) as server:
        with contextlib.closing(server.client()) as client:
            client.config_set("maxmemory", "100mb")
            client.config_set("maxmemory-policy", "allkeys-lru")
        ended = subprocess.run(
            [*PYTHON, "cli", "worker", "report", f"--kubeconfig={sandbox['kubeconfig']}"],
            cwd=presence.REPOSITORY,
            env={**os.environ, "COALMINE_REDIS_URL": server.url},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert ended.returncode == 2
    assert "noeviction" in ended.stderr


def test_a_hook_worker_needs_no_way_to_a_cluster(tmp_path: Path) -> None:
    """Its ServiceAccount has no token: it starts all the same, and ends on SIGTERM."""
    presence.require("valkey")
    log = tmp_path / "hooks.log"
    with valkey.running(tmp_path) as server, log.open("wb") as output:
        process = subprocess.Popen(
            [*PYTHON, "cli", "worker", "hooks"],
            cwd=presence.REPOSITORY,
            env={**os.environ, "COALMINE_REDIS_URL": server.url, "COALMINE_KUBECONFIG": ""},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        worker = Up(process, log)
        worker.wait_until(lambda: worker.ready("hooks") == 1)
        process.terminate()

        assert process.wait(timeout=10) == 0
        assert "shutdown" in worker.lines()[-1]["msg"]  # Celery's own words: JSON like the rest


def test_a_port_in_use_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    """Whoever started a second process on one machine sees what to change, and no traceback."""
    presence.require("valkey")
    with valkey.running(tmp_path) as server, socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        for command in (["worker", "hooks", f"--port={port}"], ["flower", "--flower-port"]):
            words = [*command, str(port)] if command[0] == "flower" else command
            ended = subprocess.run(
                [*PYTHON, "cli", *words],
                cwd=presence.REPOSITORY,
                env={**os.environ, "COALMINE_REDIS_URL": server.url},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert ended.returncode == 1
            (line,) = ended.stderr.splitlines()
            assert f"port {port} is in use" in line


def test_flower_says_where_it_is(tmp_path: Path) -> None:
    """The line comes when its port is free and Redis is there."""
    presence.require("valkey")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "flower.log"
    with valkey.running(tmp_path) as server, log.open("wb") as output:
        process = subprocess.Popen(
            [*PYTHON, "cli", "flower", f"--flower-port={port}"],
            cwd=presence.REPOSITORY,
            env={**os.environ, "COALMINE_REDIS_URL": server.url},
            stdin=subprocess.DEVNULL,
            stderr=output,
        )
        flower = Up(process, log)
        try:
            flower.wait_until(lambda: bool(flower.lines()))
            line = flower.lines()[0]
        finally:
            process.kill()
            process.wait()

    assert (line["msg"], line["url"]) == ("flower served", f"http://127.0.0.1:{port}")
