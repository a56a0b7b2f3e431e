"""Completion of commands, options and names, by shells and by kubectl.

`argcomplete` knows the shells; completed are the grammar itself, and the names of `candidates`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from argcomplete import finders, shell_integration

NO_FILES: Final = ":4"
"""What ends kubectl's completions: files are none."""


def script(shell: str) -> str:
    """What a shell reads once, to ask us from then on."""
    return shell_integration.shellcode(["coalmine", "kubectl-coalmine"], shell=shell)


def answer(parser: argparse.ArgumentParser) -> None:
    """Answers the shell that asks by the environment, and ends the process."""
    finders.CompletionFinder()(parser, always_complete_options=False)


def for_kubectl(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> str:
    """What kubectl reads: a line per candidate for the last of `arguments`, and a directive."""
    *given, begun = arguments or [""]
    finder: Any = finders.CompletionFinder(parser, always_complete_options=False)
    found = finder._get_completions(["coalmine", *given], begun, "", None)  # noqa: SLF001 - as shells
    return "\n".join([*(each.strip() for each in found), NO_FILES])
