"""`coalmine loadtester` as a process: its start, its end, and replicas.

Its options are in tests/unit/cli/test_loadtester.py.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import requests

from tests.contract.loadtester.test_loadtester_tasks import pids, until
from tests.services import presence, processes
from tests.services.processes import Process
from tests.services.valkey import Valkey

COMMAND: Final = (sys.executable, "-P", "-m", "cli", "loadtester")
SHOP: Final = {"name": "shop", "namespace": "prod"}


def environ(**more: str) -> dict[str, str]:
    """That of a process, without settings of ours from outside."""
    usual = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**usual, "PYTHONPATH": str(presence.REPOSITORY), **more}


@contextlib.contextmanager
def served(
    folder: Path,
    *options: str,
    variables: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
) -> Iterator[tuple[Process, str]]:
    """A process and its URL, for the length of the block."""
    (port,) = processes.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = Process(
        f"loadtester-{port}",
        [*command, f"-port={port}", *options],
        folder / f"{port}.log",
        ready=lambda: _answers(url),
        env=environ(**(variables or {})),
    )
    process.start()
    try:
        yield process, url
    finally:
        process.stop()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).text == "OK"
    except requests.RequestException:
        return False


def test_gates_are_shared_by_processes_and_outlast_them(tmp_path: Path, valkey: Valkey) -> None:
    """In Redis; the password is in no log."""
    url = valkey.url.replace("redis://", "redis://default:pa55word@")
    with contextlib.closing(valkey.client()) as client:
        client.config_set("requirepass", "pa55word")
        try:
            variables = {"COALMINE_REDIS_URL": url}
            with served(tmp_path, variables=variables) as (_, here):
                assert requests.post(f"{here}/gate/open", json=SHOP, timeout=30).status_code == 202
            with served(tmp_path, variables=variables) as (_, there):
                answer = requests.post(f"{there}/gate/check", json=SHOP, timeout=30)
                assert answer.text == "Approved"
            logs = "".join(file.read_text() for file in tmp_path.glob("*.log"))
            assert "gate set" in logs
            assert "pa55word" not in logs
        finally:
            client.execute_command("AUTH", "default", "pa55word")
            client.config_set("requirepass", "")


def test_a_redis_that_is_away_closes_gates_and_nothing_else(tmp_path: Path) -> None:
    """Load and checks go on; a gate that cannot be asked is not open."""
    (port,) = processes.free_ports(1)
    with served(tmp_path, f"-redis-url=redis://127.0.0.1:{port}/0") as (process, url):
        for path in ("/gate/check", "/gate/open", "/rollback/check"):
            answer = requests.post(url + path, json=SHOP, timeout=30)
            assert (answer.status_code, answer.text[:14]) == (503, "gates: Redis: ")
        body = {**SHOP, "metadata": {"type": "bash", "cmd": "true"}}
        assert requests.post(url, json=body, timeout=30).status_code == 200
        assert "redis is away: gates are closed until it is back" in process.log.read_text()


def test_it_says_where_gates_are_kept_and_ends_with_all_it_started(tmp_path: Path) -> None:
    """SIGTERM ends load in the background; the exit code is 0."""
    with served(tmp_path, "-allow", "sleep", "-log-level=debug", "-timeout=1h") as (process, url):
        body = {**SHOP, "metadata": {"cmd": "sleep 86.01"}}
        assert requests.post(url, json=body, timeout=30).status_code == 202
        until(lambda: bool(pids("86.01")), "it runs")
        began = time.monotonic()
        process.stop(grace_seconds=45)
        assert time.monotonic() - began < 45  # of the minute that those get who wait for an answer
        assert not pids("86.01")
        log = process.log.read_text()
        assert "gates are kept in memory: for this process alone, until it ends" in log
        assert '"shutting down"' in log
        assert "Traceback" not in log


def test_nothing_outlives_a_load_tester_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL: programs, what they have started, and what has left its group and its parent."""
    script = "(setsid sleep 86.02 &); sleep 86.03 & trap '' TERM; sleep 86.04 | sleep 86.05"
    marks = ("86.02", "86.03", "86.04", "86.05", "86.06")
    with served(tmp_path, "-shell") as (process, url):
        for command in (script, "exec sleep 86.06"):
            body = {**SHOP, "metadata": {"cmd": command}}
            assert requests.post(url, json=body, timeout=30).status_code == 202
        until(lambda: all(map(pids, marks)), "they run")
        process.kill()
        until(lambda: not any(map(pids, marks)), "they are gone")
