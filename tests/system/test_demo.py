"""`coalmine demo` as a person starts it: its end, its exit code, and that nothing stays behind.

The leak check of conftest.py fails each of these tests that leaves a process.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.services import presence, processes

COMMAND: Final = [sys.executable, "-m", "cli", "demo", "--plain"]
INTERRUPTED: Final = 130


@contextmanager
def a_demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A demo that writes to `folder`/demo.txt, killed at the end if it still runs."""
    with (folder / "demo.txt").open("wb") as output:
        demo = subprocess.Popen(
            [*COMMAND, *options],
            cwd=presence.REPOSITORY,
            env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield demo
    finally:
        demo.kill()
        demo.wait()


def output(folder: Path) -> str:
    """What the demo has written so far."""
    return (folder / "demo.txt").read_text("utf-8")


def wait_for(text: str, folder: Path, timeout_seconds: float = 180) -> None:
    """Returns when the demo has written `text`."""
    deadline = time.monotonic() + timeout_seconds
    while text not in output(folder):
        assert time.monotonic() < deadline, output(folder)
        time.sleep(0.05)


def wait_for_phase(phase: str, folder: Path, timeout_seconds: float = 60) -> None:
    """Returns when the canary of the shop is in `phase`, as kubectl shows it."""
    (kubeconfig,) = folder.glob("coalmine-demo-*/kubeconfig")
    command = f"kubectl --kubeconfig {kubeconfig} -n shop wait canary/podinfo"
    condition = f"--for=jsonpath={{.status.phase}}={phase} --timeout={timeout_seconds:g}s"
    words = shlex.split(f"{command} {condition}")
    subprocess.run(words, check=True, timeout=timeout_seconds + 60, capture_output=True)


def test_a_good_release_is_promoted_and_two_bad_ones_are_rolled_back(tmp_path: Path) -> None:
    """The whole system on one machine ends as the summary says, in minutes if that is busy."""
    presence.require("valkey")
    with a_demo(tmp_path) as demo:
        code = demo.wait(timeout=180)

    text = output(tmp_path)
    assert code == 0, text
    assert "3 of 3 ended as they should" in text
    for event in (
        "Promotion completed! Scaling down podinfo.shop",
        "Rolling back checkout.payments failed checks threshold reached 3",
        "Rolling back search.catalog failed checks threshold reached 2",
    ):
        assert event in text
    assert not list(tmp_path.glob("coalmine-*"))


def test_keep_stays_up_for_flower_and_kubectl_until_ctrl_c(tmp_path: Path) -> None:
    """What it prints works, another release is carried out, and Ctrl-C is the right way to end."""
    presence.require("valkey")
    with a_demo(tmp_path, "--keep") as demo:
        wait_for("kubectl --kubeconfig", tmp_path)
        flower = re.search(r"http://127\.0\.0\.1:\d+", output(tmp_path))
        assert flower is not None
        with urllib.request.urlopen(f"{flower[0]}/workers?json=1", timeout=60) as answer:
            rows = json.load(answer)["data"]
        workers = {each["hostname"].partition("@")[0] for each in rows}
        release = re.search(r"kubectl .* set image .*", output(tmp_path).replace("\\\n", ""))
        assert release is not None
        if shutil.which("kubectl"):
            subprocess.run(shlex.split(release[0]), check=True, timeout=60, capture_output=True)
            wait_for_phase("Progressing", tmp_path)
        os.killpg(demo.pid, signal.SIGINT)
        code = demo.wait(timeout=60)

    assert code == 0, output(tmp_path)
    assert all(each["status"] for each in rows), "a worker is shown as offline"
    assert sum(each.get("task-succeeded", 0) for each in rows) > 0, rows
    assert workers == {"worker-1"}


@pytest.mark.parametrize("moment", ["", "waiting for their primaries", "Advance podinfo.shop"])
def test_ctrl_c_leaves_nothing_behind_at_any_moment(moment: str, tmp_path: Path) -> None:
    """Before anything is up, while things come up, and in mid-rollout."""
    presence.require("valkey")
    with a_demo(tmp_path) as demo:
        wait_for(moment, tmp_path)
        if not moment:
            time.sleep(0.4)
        os.killpg(demo.pid, signal.SIGINT)
        code = demo.wait(timeout=60)

    assert code in {INTERRUPTED, -signal.SIGINT}, output(tmp_path)
    assert "Traceback" not in output(tmp_path) or not moment


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere children notice within a second")
def test_a_killed_demo_takes_everything_along(tmp_path: Path) -> None:
    """SIGKILL runs no clean-up, and yet nothing survives."""
    presence.require("valkey")
    with a_demo(tmp_path) as demo:
        wait_for("Initialization done!", tmp_path)
        assert processes.children()
        demo.kill()
        demo.wait()
