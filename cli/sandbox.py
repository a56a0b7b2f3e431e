"""`coalmine sandbox`: a cluster to play with, in the foreground; becomes `python -m sandbox`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from cli import processes


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Does not return: this process becomes the sandbox."""
    command = [sys.executable, "-P", "-m", "sandbox", *arguments]
    os.execve(sys.executable, command, processes.with_our_modules(environ))  # noqa: S606
