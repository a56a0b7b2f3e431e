"""Types pages into a shell, and compares what that prints with what they say it prints."""

import doctest
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fences import ROOT, Fence

_END: Final = "--- end of step"


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of a page, and what it says that they print; None where it says nothing."""

    commands: str
    output: str | None = None


def steps(fences: Sequence[Fence]) -> Iterator[Step]:
    """The steps in their order: what is printed is the block of text after the commands."""
    following: list[Fence | None] = [*fences[1:], None]
    for fence, then in zip(fences, following, strict=True):
        if fence.language == "sh":
            yield Step(fence.text, then.text if then and then.language == "text" else None)


def type_out(
    wanted: Sequence[Step],
    folder: Path,
    *,
    seconds: float,
    at: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Types the steps into one shell, in `folder` or `at` another, and ends all that they started.

    Fails the test at the first command that fails, or whose output is another; `...` stands for
    anything.
    """
    made, errors = _typed(wanted, folder, at or folder, environ or {}, seconds)
    assert len(made) == len(wanted), f"stopped at:\n{wanted[len(made)].commands}\n{errors}"
    how = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for step, got in zip(wanted, made, strict=True):
        if step.output is not None:
            same = doctest.OutputChecker().check_output(step.output, got, how)
            assert same, f"{step.commands}\nshould show:\n{step.output}\nand showed:\n{got}"


def _typed(
    wanted: Sequence[Step], folder: Path, at: Path, environ: Mapping[str, str], seconds: float
) -> tuple[list[str], str]:
    """What each step prints, up to the first command that fails; and all that is said of errors."""
    script = folder / "page.sh"
    script.write_text("".join(f"{step.commands}\necho '{_END}'\n" for step in wanted), "utf-8")
    with (folder / "stdout").open("w") as printed, (folder / "stderr").open("w") as errors:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", script],
            cwd=at,
            env={
                **os.environ,
                "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "80",
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=errors,
            start_new_session=True,
        )
        with suppress(subprocess.TimeoutExpired):
            shell.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    output, said = ((folder / name).read_text("utf-8") for name in ("stdout", "stderr"))
    return output.split(f"{_END}\n")[:-1], said
