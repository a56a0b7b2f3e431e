"""Calls in threads that nobody has to wait for, not even a process that ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Answer = TypeVar("_Answer")


def begun(ask: Callable[[], _Answer]) -> Future[_Answer]:
    """What `ask` will give or raise; it has begun in a thread of its own."""
    future: Future[_Answer] = Future()
    threading.Thread(target=_answer, args=(future, ask), name="aside", daemon=True).start()
    return future


def _answer(future: Future[_Answer], ask: Callable[[], _Answer]) -> None:
    try:
        future.set_result(ask())
    except BaseException as failure:  # noqa: BLE001 - whoever waits gets it
        future.set_exception(failure)
