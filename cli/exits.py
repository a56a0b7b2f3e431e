"""Exit codes, and the exceptions that end a command with one."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
"""The command did its work, and the outcome is not what it should be; or it broke."""
UNUSABLE: Final = 2
"""Settings, server or cluster cannot be used as they are: starting again would not help."""
INTERRUPTED: Final = 130
"""Ended by Ctrl-C, as shells count it."""


class Unusable(Exception):
    """What was given cannot work; the message says what to change."""


class PortTaken(Exception):
    """A port to listen on that another process has; `option` is what chooses another one."""

    def __init__(self, port: int, option: str) -> None:
        super().__init__(f"port {port} is in use by another process; choose another with {option}")
