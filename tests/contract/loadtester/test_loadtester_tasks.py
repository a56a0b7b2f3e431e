"""Tasks as real processes: once each in the background, bounded, and ended for certain.

What the answers say is test_loadtester_api.py's.
"""

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from config.settings.loadtester import LoadTesterSettings
from loadtester.jobs import End, Outcome, Refused
from loadtester.processes import Limits, Processes
from tests import patience
from tests.services.loadtesters import LoadTester, Start, running

PATIENCE: Final = patience.SECONDS


def until(holds: Callable[[], bool], what: str) -> None:
    """Returns once it holds; fails after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def pids(mark: str) -> set[int]:
    """The processes with `mark` among their arguments."""
    found = set[int]()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark.encode() in words and state != "Z":
            found.add(int(entry.name))
    return found


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """A program that notes each of its runs in the file `runs`, and ends when there is `end`."""
    program = tmp_path / "record"
    program.write_text(
        f'#!/bin/sh\necho "$1" >> {tmp_path}/runs\n'
        f"until [ -e {tmp_path}/end ]; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    return program


def end_all(recorder: Path) -> None:
    """Lets all runs end."""
    (recorder.parent / "end").touch()


def recorded(recorder: Path) -> list[str]:
    """The runs so far, in order of their names."""
    runs = recorder.parent / "runs"
    return sorted(runs.read_text().split()) if runs.exists() else []


def beside(recorder: Path) -> dict[str, str]:
    """The environment in which it is found."""
    return {"PATH": f"{recorder.parent}:{os.environ['PATH']}"}


def test_a_task_in_the_background_runs_once_at_a_time(start: Start, recorder: Path) -> None:
    """Two tasks, each asked for three times while they run: two runs; and again later: four."""
    tester = start(environ=beside(recorder), allowed=("record",))

    def ask_for_both() -> None:
        for name in ("a", "b") * 3:
            assert tester.task("cmd", f"record {name}") == (202, "")

    ask_for_both()
    until(lambda: recorded(recorder) == ["a", "b"], "both run")
    ask_for_both()
    assert "tasks_dropped_total 10.0" in metrics(tester)
    end_all(recorder)
    until(lambda: 'running{mode="background"} 0.0' in metrics(tester), "both end")
    assert recorded(recorder) == ["a", "b"]
    assert tester.task("cmd", "record a") == tester.task("cmd", "record b") == (202, "")
    until(lambda: recorded(recorder) == ["a", "a", "b", "b"], "both run again")


def metrics(tester: LoadTester) -> str:
    """The text of its metrics."""
    return tester.ask("/metrics", method="GET")[1]


def test_the_same_command_of_another_canary_is_another_task(start: Start, recorder: Path) -> None:
    """Canaries that are tested alike are each tested."""
    tester = start(environ=beside(recorder), allowed=("record",))
    for name in ("shop", "cart"):
        body = {"name": name, "namespace": "prod", "metadata": {"cmd": "record x"}}
        assert tester.ask("/", body) == (202, "")
    until(lambda: recorded(recorder) == ["x", "x"], "both run")
    end_all(recorder)


def test_many_submissions_at_once_run_each_task_once(start: Start, recorder: Path) -> None:
    """200 webhooks of 20 tasks, of which 5 may run at a time: the others wait for their turn."""
    tester = start(environ=beside(recorder), allowed=("record",), background=5)
    with ThreadPoolExecutor(16) as threads:
        commands = [f"record t{number % 20}" for number in range(200)]
        answers = [*threads.map(lambda each: tester.task("", each), commands)]
    assert answers == [(202, "")] * 200
    until(lambda: len(recorded(recorder)) == 5, "five run")
    assert 'running{mode="background"} 5.0' in metrics(tester)
    end_all(recorder)
    until(lambda: 'end="succeeded",type="cmd"} 20.0' in metrics(tester), "all have run")
    assert recorded(recorder) == sorted(f"t{number}" for number in range(20))


def test_a_canary_with_many_tasks_keeps_no_other_one_from_its_load(
    start: Start, recorder: Path
) -> None:
    """R-71: tasks began as they came, however many were one canary's."""
    tester = start(environ=beside(recorder), allowed=("record",), background=2)
    flood = [tester.task("cmd", f"record t{number}") for number in range(110)]
    assert flood[:102] == [(202, "")] * 102
    assert flood[102:] == [(503, "100 tasks of shop.prod are waiting")] * 8
    assert tester.task("cmd", "record t50") == (202, ""), "it waits already"
    other = {"name": "cart", "namespace": "prod", "metadata": {"cmd": "record other"}}
    assert tester.ask("/", other) == (202, "")
    until(lambda: len(recorded(recorder)) == 2, "two run")
    end_all(recorder)
    until(lambda: "other" in recorded(recorder), "the other one's load runs")
    assert "other" in (recorder.parent / "runs").read_text().split()[:5], "and goes first"


def test_what_waits_begins_as_soon_as_something_ends(start: Start) -> None:
    """Each waits once, however often it is asked for."""
    tester = start(allowed=("sleep",), background=1)
    for command in ("sleep 0.2", "sleep 0.1", "sleep 0.1"):
        assert tester.task("cmd", command) == (202, "")
    until(lambda: 'end="succeeded",type="cmd"} 2.0' in metrics(tester), "two have run")
    assert 'running{mode="background"} 0.0' in metrics(tester)


def test_more_that_somebody_waits_for_are_told_to_come_back(start: Start, recorder: Path) -> None:
    """503, which webhooks with `retries` ask again; load and gates go on."""
    tester = start(environ=beside(recorder), allowed=("record", "true"), blocking=2)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(tester.task, "bash", f"record {name}") for name in "ab"]
        until(lambda: 'running{mode="blocking"} 2.0' in metrics(tester), "two run")
        status, text = tester.task("bash", "true")
        assert (status, text[:19]) == (503, "2 tasks are running")
        assert tester.task("cmd", "true") == (202, "")
        assert tester.ask("/gate/approve") == (200, "OK")
        end_all(recorder)
        assert [each.result() for each in waiting] == [(200, "")] * 2
    assert tester.task("bash", "true") == (200, "")


def test_a_task_that_never_ends_is_ended_with_all_it_started(start: Start) -> None:
    """And whoever waits is told."""
    tester = start(timeout=timedelta(seconds=0.5), with_shell=True)
    command = "sleep 87.01 & sleep 87.02 | sleep 87.03"
    assert tester.task("bash", command) == (
        500,
        f"command {command} failed: : not ended within 500ms",
    )
    assert not pids("87.01") | pids("87.02") | pids("87.03")


def test_a_pipe_whose_reader_does_not_read_is_ended(start: Start) -> None:
    """The writer waits for it; both end with the time of their task."""
    tester = start(timeout=timedelta(seconds=0.3), allowed=("yes", "sleep"))
    command = "yes 87.13 | sleep 87.14"
    text = f"command {command} failed: : not ended within 300ms"
    assert tester.task("bash", command) == (500, text)
    assert not pids("87.13") | pids("87.14")


def test_a_task_that_heeds_no_signal_is_killed() -> None:
    """SIGTERM may be ignored, SIGKILL not."""
    limits = Limits(timedelta(seconds=0.3), grace=0.2)
    script = "trap '' TERM; while true; do sleep 0.05; done"
    processes = Processes({"PATH": "/usr/bin:/bin"}, limits)
    outcome = asyncio.run(processes.run((("sh", "-c", script, "87.04"),)))
    assert outcome == Outcome(End.TIMED_OUT, "", "not ended within 300ms")
    assert not pids("87.04")


def test_what_a_task_leaves_behind_ends_with_it(start: Start) -> None:
    """The answer does not wait for a process in the background, either."""
    tester = start(with_shell=True)
    began = time.monotonic()
    answer = tester.task("bash", "sleep 87.05 & echo done", returnCmdOutput="true")
    assert answer == (200, "done\n")
    assert time.monotonic() - began < PATIENCE
    until(lambda: not pids("87.05"), "it is gone")


def test_what_leaves_its_group_and_its_parent_ends_with_the_task(start: Start) -> None:
    """A daemon that a check starts is the check's, whether that ends well or is ended."""
    tester = start(timeout=timedelta(seconds=3), with_shell=True)
    daemon = "(setsid sh -c 'trap \"\" TERM; sleep 87.09; sleep 87.10' 87.11 &)"
    for command, status in ((daemon, 200), (f"{daemon}; sleep 87.12", 500)):
        began = time.monotonic()
        assert tester.task("bash", command)[0] == status
        assert time.monotonic() - began < PATIENCE
        assert not pids("87.09") | pids("87.10") | pids("87.11") | pids("87.12")


def test_a_task_goes_on_when_whoever_asked_has_given_up(start: Start, recorder: Path) -> None:
    """As with Flagger: the time limit of the webhook is not the task's."""
    tester = start(environ=beside(recorder), allowed=("record",))
    with impatient(tester, "record x"):
        until(lambda: recorded(recorder) == ["x"], "it runs")
    end_all(recorder)
    until(lambda: 'end="succeeded",type="bash"} 1.0' in metrics(tester), "it ends well")
    assert recorded(recorder) == ["x"]


def impatient(tester: LoadTester, command: str) -> socket.socket:
    """A connection on which the command is asked for; it ends with the block."""
    body = {"name": "shop", "namespace": "prod", "metadata": {"type": "bash", "cmd": command}}
    text = json.dumps(body).encode()
    address = urlsplit(tester.url)
    connection = socket.create_connection((str(address.hostname), address.port or 0))
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text))
    connection.sendall(text)
    return connection


def test_a_flood_of_output_is_ended_and_its_end_is_kept() -> None:
    """In bounded memory; in the answer is what came last, and how much is left out."""
    limits = Limits(timedelta(seconds=20), output=8 * 1024 * 1024, kept=1000)
    outcome = asyncio.run(Processes({"PATH": "/usr/bin:/bin"}, limits).run((("yes", "87.06"),)))
    assert outcome.end is End.FLOODED
    assert outcome.error == "more than 8388608 bytes of output"
    note, _, kept = outcome.output.partition("\n")
    assert re.fullmatch(r"\[\d+ bytes before this are left out\]", note)
    assert len(kept) == 1000
    assert "87.06\n" * 100 in kept
    assert not pids("87.06")


def test_a_file_without_end_is_ended(tmp_path: Path) -> None:
    """It would fill the volume that all tasks share: for more than that holds, a pod is evicted."""
    limits = Limits(timedelta(seconds=20), output=1024 * 1024)
    file = tmp_path / "out"
    words = ("dd", "if=/dev/zero", f"of={file}", "bs=512", "count=1000000", "status=none")
    outcome = asyncio.run(Processes({"PATH": "/usr/bin:/bin"}, limits).run((words,)))
    assert outcome.error == "signal: file size limit exceeded"
    assert file.stat().st_size < 100 * 1024 * 1024


def test_a_long_output_within_the_limit_is_cut_at_its_beginning() -> None:
    """What matters of a failure is at the end."""
    limits = Limits(timedelta(seconds=20), kept=10)
    pipeline = (("seq", "1", "1000"), ("tail", "-n", "900"))
    outcome = asyncio.run(Processes({"PATH": "/usr/bin:/bin"}, limits).run(pipeline))
    assert outcome.output == "[3591 bytes before this are left out]\n\n999\n1000\n"


def test_the_reader_of_a_pipe_may_end_first(start: Start) -> None:
    """`yes | head -1` ends, as in a shell; its status is that of the last command."""
    tester = start(allowed=("yes", "head"))
    assert tester.task("bash", "yes | head -1", returnCmdOutput="true") == (200, "y\n")


def test_a_shell_is_used_only_where_it_is_turned_on(start: Start) -> None:
    """Then everything is as with Flagger."""
    command = "if true; then echo $((1 + 1)) && echo err >&2; fi"
    tester = start(with_shell=True)
    assert tester.task("bash", command, returnCmdOutput="true") == (200, "2\nerr\n")
    assert tester.task("bash", "exit 3") == (500, "command exit 3 failed: : exit status 3")
    assert start().task("bash", command)[0] == 400


def test_commands_know_nothing_of_the_load_testers_secrets(start: Start) -> None:
    """They get the usual variables, and what the operator names."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/home/app",
        "COALMINE_REDIS_URL": "redis://:pass@x",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "EXTRA": "yes",
    }
    tester = start(environ=environ, allowed=("env",), variables=("EXTRA", "ABSENT"))
    _, text = tester.task("bash", "env", returnCmdOutput="true")
    got = dict(line.split("=", 1) for line in text.splitlines())
    assert {name: got[name] for name in ("PATH", "HOME", "EXTRA")} == {
        name: environ[name] for name in ("PATH", "HOME", "EXTRA")
    }
    assert set(got) == {"PATH", "HOME", "EXTRA", "PYTHONPATH", "COALMINE_LOADTESTER_TASK"}


def test_what_a_command_is_given_is_in_no_log_line(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Of those that run and those that are refused: it may hold a token."""
    caplog.set_level("DEBUG")
    tester = start(allowed=("test", "hey"), token_file="/no/such")
    tester.task("bash", "test s3cret = s3cret")
    tester.task("bash", "test s3cret = other")
    tester.task("cmd", "test s3cret = s3cret")
    tester.task("cmd", "curl -H 'Authorization: Bearer s3cret' http://x")
    tester.task("cmd", "test s3cret && test s3cret")
    tester.task("cmd", "hey -a s3cret http://x")
    tester.task("cmd", "hey -as3cret http://x")
    tester.task("cmd", "hey -H s3cret http://x")
    tester.task("cmd", "hey http://user:s3cret@x:s3cret/")
    tester.ask("/gate/open", {}, Authorization="Bearer s3cret")
    until(lambda: 'end="succeeded",type="cmd"} 1.0' in metrics(tester), "it ends")
    lines = [str(vars(record)) for record in caplog.records if "loadtester" in record.name]
    assert len(lines) >= 13
    assert [line for line in lines if "s3cret" in line] == []


def test_a_program_that_cannot_be_started_is_told(start: Start, tmp_path: Path) -> None:
    """For instance one of another architecture; the other end of the pipe is ended."""
    (tmp_path / "broken").write_bytes(b"\x7fELF nothing")
    (tmp_path / "broken").chmod(0o755)
    tester = start(
        environ={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, allowed=("broken", "sleep", "true")
    )
    status, text = tester.task("bash", "sleep 87.07 | broken")
    assert status == 500
    assert text.startswith("command sleep 87.07 | broken failed: : ")
    assert "Exec format error" in text
    assert not pids("87.07")
    assert tester.task("bash", "true") == (200, "")


def test_all_processes_end_with_the_load_tester(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits for an answer gets it; load in the background is ended; new work is refused."""
    settings = LoadTesterSettings(allowed=("sleep",))
    with ThreadPoolExecutor(1) as threads:
        with running(settings) as tester:
            assert tester.task("cmd", "sleep 87.08") == (202, "")
            waiting = threads.submit(tester.task, "bash", "sleep 0.5")
            until(lambda: 'running{mode="blocking"} 1.0' in metrics(tester), "it runs")
        assert waiting.result() == (200, "")
    assert not pids("87.08")
    assert "task ended with the load tester" in [record.message for record in caplog.records]
    with pytest.raises(Refused, match="shutting down"):
        tester.service.runs.submit(None)  # type: ignore[arg-type]
