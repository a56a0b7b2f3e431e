"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable
from typing import Final

SECONDS: Final = 30.0
"""Far more than anything takes that tests wait for; a machine may be busy."""


def until(reached: Callable[[], object], seconds: float = SECONDS) -> None:
    """Returns once `reached`; fails the test when it is not in time."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {seconds:g} s"
        time.sleep(0.01)
