"""Work in forks of this process: each writes its answer to a file, and ends with its children."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

LIMIT_SECONDS: Final = 900
"""Work that takes longer hangs."""

Job = TypeVar("Job")


def answers(
    jobs: list[Job], work: Callable[[Job], str], folder: Path, at_once: int
) -> Iterator[tuple[Job, str | None]]:
    """What `work` says to each job, as it comes; None where it ended or hung without a word."""
    running: dict[int, tuple[Job, float]] = {}
    left = list(reversed(jobs))
    while left or running:
        while left and len(running) < at_once:
            job = left.pop()
            running[_started(job, work, folder)] = job, time.monotonic() + LIMIT_SECONDS
        pid = _first_ended({pid: deadline for pid, (_, deadline) in running.items()})
        answer = folder / f"{pid}.answer"
        yield running.pop(pid)[0], answer.read_text("utf-8") if answer.exists() else None


def _started(job: Job, work: Callable[[Job], str], folder: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        log = os.open(folder / f"{os.getpid()}.log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        (folder / f"{os.getpid()}.answer").write_text(work(job), "utf-8")
    except BaseException:  # noqa: BLE001 - whatever happens, the child ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)


def _first_ended(deadlines: dict[int, float]) -> int:
    """The first of these processes to end, by itself or because its time is up."""
    while True:
        for pid, deadline in deadlines.items():
            if time.monotonic() > deadline:
                _kill(pid)
            if os.waitpid(pid, os.WNOHANG)[0]:
                _kill(pid)
                return pid
        time.sleep(0.01)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
