"""`coalmine up` against the sandbox's API server: starting, losing processes, ending."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from benchmarks import usage
from clients.redis import keys
from clients.redis import server as redis_server
from tests import patience
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
START_IMPORTS: Final = 7.0
"""Processor time until a small set works, in imports of the libraries that a worker cannot do
without: seconds differ by a factor of two on one machine, with what else it does. It takes five."""
LIBRARIES: Final = "celery.worker, kubernetes.client, pydantic, redis"
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

    def wait_until(self, reached: Callable[[], bool], timeout_seconds: float = 90) -> None:
        """Returns once `reached`; fails with the log when it takes too long."""
        began = time.monotonic()
        while not reached():
            waited = time.monotonic() - began
            assert waited < timeout_seconds, self.log.read_text("utf-8")
            assert self.process.poll() is None, self.log.read_text("utf-8")
            time.sleep(0.02)


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


def imports() -> float:
    """Seconds of processor time for the `LIBRARIES` alone, just now."""
    code = f"import resource, {LIBRARIES}; print(sum(resource.getrusage(0)[:2]))"
    return float(subprocess.check_output([sys.executable, "-c", code]))


def end(up: Up, number: signal.Signals) -> None:
    """Ends all of it by a signal, with exit code 0.

    The embedded server too: the leak check sees every process.
    """
    up.process.send_signal(number)
    code = up.process.wait(timeout=60)

    assert code == 0, up.log.read_text("utf-8")
    assert up.lines()[-1]["msg"] == "all processes ended"


def test_a_small_set_is_two_processes_that_cost_little_and_end_on_ctrl_c(
    tmp_path: Path, sandbox: Mapping[str, str]
) -> None:
    """Start-up and memory of all: supervisor, beat, worker and server."""
    before = imports()
    with at_work(tmp_path, sandbox, SMALL[1:]) as up:
        pids = [up.process.pid, *processes.descendants(up.process.pid)]
        seconds = sum(map(usage.cpu_seconds, pids))
        mib = sum(map(usage.peak_mib, pids))

        children = [line["child"] for line in up.lines() if line["msg"] == "process started"]
        assert children == list(SMALL)
        assert len(pids) == len(SMALL) + 2
        assert seconds < START_IMPORTS * max(before, imports())
        assert mib < MEMORY_MIB
        end(up, signal.SIGINT)


def test_of_a_process_for_each_role_the_killed_one_is_back_and_a_signal_ends_all(
    tmp_path: Path, sandbox: Mapping[str, str]
) -> None:
    """Only the killed one is started again, and it gets to work again."""
    with at_work(tmp_path, sandbox, READY, "--beats=2") as up:
        assert [name for name in PROCESSES if len(up.started(name)) != 1] == []
        (pid,) = up.started("routing-1")
        os.kill(pid, signal.SIGKILL)

        up.wait_until(lambda: len(up.started("routing-1")) == 2)
        up.wait_until(lambda: up.ready("routing-1") == 2)
        assert [name for name in PROCESSES if len(up.started(name)) != 1] == ["routing-1"]
        end(up, signal.SIGTERM)


def test_work_goes_on_when_the_embedded_server_was_killed(
    tmp_path: Path, sandbox: Mapping[str, str]
) -> None:
    """It is started again where it was, and the others go on; none of them ends."""
    with at_work(tmp_path, sandbox, SMALL[1:]) as up:
        children = processes.descendants(up.process.pid)
        [server] = [pid for pid in children if "valkey-server" in processes.command_line(pid)]
        os.kill(server, signal.SIGKILL)

        again = "embedded valkey ended, started again"
        up.wait_until(lambda: any(line["msg"] == again for line in up.lines()))
        up.wait_until(lambda: is_filled(up.lines()[0]["url"]))
        ports = [line["port"] for line in up.lines() if line["msg"] == "health served"]
        assert len(ports) == len(SMALL)
        up.wait_until(lambda: all(probed(port, "/readyz") == 200 for port in ports))
        told = [line["msg"] for line in up.lines() if line["msg"].startswith("embedded valkey")]
        assert told == ["embedded valkey started", again]
        assert [len(up.started(name)) for name in SMALL] == [1, 1]
        end(up, signal.SIGTERM)


def is_filled(url: str) -> bool:
    """Whether a leader has stored everything in the server, and confirmed it."""
    with contextlib.closing(redis_server.connect(url)) as client:
        return str(client.get(keys.EPOCH.pattern)).startswith("confirmed")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere children notice within a second")
def test_a_killed_supervisor_takes_everything_along(
    tmp_path: Path, sandbox: Mapping[str, str]
) -> None:
    """No worker goes on without its supervisor, nor does the embedded server."""
    with at_work(tmp_path, sandbox, SMALL[1:]) as up:
        pids = processes.descendants(up.process.pid)
        assert len(pids) == len(SMALL) + 1
        up.process.kill()
        up.process.wait()

        patience.until(lambda: not any(processes.command_line(pid) for pid in pids))


@pytest.mark.parametrize("command", [["up"], ["beat", "--redis-url=redis://127.0.0.1:1"]])
def test_no_way_to_a_cluster_is_said_at_once(command: list[str], tmp_path: Path) -> None:
    """Exit code 2 and a line that names the file, instead of workers that restart for ever."""
    missing = tmp_path / "no-such-kubeconfig"
    ended = subprocess.run(
        [*PYTHON, "cli", *command, f"--kubeconfig={missing}"],
        cwd=presence.REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
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
            timeout=60,
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
            env={
                **os.environ,
                "COALMINE_REDIS_URL": server.url,
                "COALMINE_KUBECONFIG": "",
                "COALMINE_LISTEN_PORT": "0",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        worker = Up(process, log)
        worker.wait_until(lambda: worker.ready("hooks") == 1)
        served = next(line["port"] for line in worker.lines() if line["msg"] == "health served")
        time.sleep(2)
        patience.until(lambda: loop_seconds_ago(served) < 1.9)  # though it has nothing to do
        process.terminate()

        assert process.wait(timeout=60) == 0
        assert "shutdown" in worker.lines()[-1]["msg"]  # Celery's own words: JSON like the rest


def loop_seconds_ago(port: int) -> float:
    """What a worker says of its loop."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return float(json.load(answer)["loopSecondsAgo"])


def test_a_worker_whose_redis_is_away_answers_probes_and_ends_when_told(tmp_path: Path) -> None:
    """D-100: alive, so that no kubelet restarts it, and not ready; SIGTERM ends it all the same.

    Also as the first process of a container, whose signals have no effect unless they are handled.
    """
    [port] = processes.free_ports(1)
    with (tmp_path / "hooks.log").open("wb") as output:
        process = subprocess.Popen(
            [*PYTHON, "cli", "worker", "hooks", f"--port={port}"],
            cwd=presence.REPOSITORY,
            env={**os.environ, "COALMINE_REDIS_URL": "redis://127.0.0.1:1"},
            stdin=subprocess.DEVNULL,
            stderr=output,
        )
    patience.until(lambda: probed(port, "/healthz") == 200)
    assert probed(port, "/readyz") == 503
    process.terminate()
    assert process.wait(timeout=60) == 128 + signal.SIGTERM


def probed(port: int, path: str) -> int:
    """The status of a probe's answer; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    except OSError:
        return 0


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
                timeout=60,
                check=False,
            )
            assert ended.returncode == 1
            (line,) = ended.stderr.splitlines()
            assert f"port {port} is in use" in line


FLOWER = presence.REPOSITORY / "deploy" / "kustomize" / "components" / "flower" / "flower.yaml"


def test_flower_runs_as_its_manifest_says(tmp_path: Path) -> None:
    """With a Redis and a password, and nothing of a cluster; its probe needs no password."""
    presence.require("valkey")
    pod = next(
        each["spec"]["template"]["spec"]
        for each in yaml.safe_load_all(FLOWER.read_text("utf-8"))
        if each["kind"] == "Deployment"
    )
    assert not pod["automountServiceAccountToken"]
    (container,) = pod["containers"]
    (redis,) = (each["name"] for each in container["env"] if "optional" not in str(each))
    [port] = processes.free_ports(1)
    here = ["--address=127.0.0.1", f"--flower-port={port}"]
    log = tmp_path / "flower.log"
    with valkey.running(tmp_path) as server, log.open("wb") as output:
        process = subprocess.Popen(
            [*PYTHON, "cli", *container["args"], *here],
            cwd=presence.REPOSITORY,
            env={redis: server.url, "FLOWER_BASIC_AUTH": "operator:s3cret", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stderr=output,
        )
        flower = Up(process, log)
        try:
            probe = container["readinessProbe"]["httpGet"]["path"]
            flower.wait_until(lambda: probed(port, probe) == 200)
            line = flower.lines()[0]
            closed = probed(port, "/tasks")
        finally:
            process.kill()
            process.wait()

    assert (line["msg"], line["url"]) == ("flower served", f"http://127.0.0.1:{port}")
    assert closed == 401
