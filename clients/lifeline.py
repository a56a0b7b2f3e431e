"""Ends this process when the one that started it is gone, however that one went.

What a child calls first. On Linux the kernel does it (PR_SET_PDEATHSIG); elsewhere a thread looks
twice a second who the parent is. The kernel takes the *thread* that forked for the parent, so
whoever starts such a child forks it from a thread that stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from typing import Final

from clients.clock import SystemClock

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_LOOKS_EVERY_SECONDS: Final = 0.5


def end_with(parent: int) -> None:
    """Binds this process to `parent`, the pid of the process that started it.

    Raises SystemExit when `parent` is gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    else:
        name = "lifeline"
        threading.Thread(target=_watch, args=(parent,), name=name, daemon=True).start()
    if os.getppid() != parent:
        raise SystemExit("the process that started this one is gone")


def _watch(parent: int) -> None:
    clock = SystemClock()
    while os.getppid() == parent:
        clock.sleep(_LOOKS_EVERY_SECONDS)
    os._exit(1)
