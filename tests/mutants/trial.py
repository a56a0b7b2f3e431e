"""One defect in a copy of the checkout, and the tests run over it until one notices.

Each trial is a fork of a process that has the libraries loaded but none of our modules, which
saves most of pytest's start.
"""

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import pytest

from tests.mutants.python_mutants import Mutant

LIMIT_SECONDS: Final = 600
"""A trial that takes longer hangs, which counts as noticed."""

LIBRARIES: Final = ("celery", "fakeredis", "kubernetes", "lupa", "pydantic", "redis")
OURS: Final = frozenset(
    {"analysis", "cli", "clients", "config", "notify", "routing", "sandbox", "scheduler", "tasks"}
    | {"tests", "workloads"}
)
OPTIONS: Final = ("-x", "-q", "-n0", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=no")


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"


def load_libraries() -> None:
    """Imports what every trial needs and no trial changes."""
    for name in LIBRARIES:
        importlib.import_module(name)


def copy_of(checkout: Path, place: Path) -> Path:
    """A copy of all tracked files of the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=checkout, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (checkout / name).is_file():
            shutil.copy2(checkout / name, target)
    return place


def log_of(copy: Path) -> Path:
    """Where the output of the last tests run in a copy is."""
    return copy.with_suffix(".log")


def attempt(copy: Path, mutant: Mutant, tests: Sequence[str]) -> Fate:
    """Whether any of `tests` fails once `mutant` is in the copy, which is left as it was."""
    file = copy / mutant.path
    source = file.read_text("utf-8")
    file.write_text(mutant.applied(source), "utf-8")
    try:
        return Fate.SURVIVED if passes(copy, tests) else Fate.KILLED
    finally:
        file.write_text(source, "utf-8")


def passes(copy: Path, tests: Sequence[str]) -> bool:
    """Whether all `tests` pass in the copy, within the limit."""
    present = [each for each in tests if (copy / each).exists()]
    child = os.fork()
    if child == 0:
        _run_tests(copy, present)
    return _ended(child) == 0


def _run_tests(copy: Path, tests: Sequence[str]) -> None:
    """Runs pytest in this process, a child, and ends it with pytest's exit code."""
    code = 2
    try:
        os.setsid()
        log = os.open(log_of(copy), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(copy)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(copy))
        os.environ["PYTHONPATH"] = str(copy)
        for name in [each for each in sys.modules if each.partition(".")[0] in OURS]:
            del sys.modules[name]
        code = int(pytest.main([*OPTIONS, *tests]))
    except BaseException:  # noqa: BLE001 - whatever happens, the child ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _ended(child: int) -> int:
    """The exit status of the child; it is killed with all it started when its time is up."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.02)
    with _ignoring_the_dead():
        os.killpg(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


@contextlib.contextmanager
def _ignoring_the_dead() -> Iterator[None]:
    with contextlib.suppress(ProcessLookupError):
        yield
