"""Calls that run side by side and are waited for only so long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import TypeVar

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")
_Work = SimpleQueue[tuple[_Argument, "Future[_Result]"]]


def side_by_side(
    call: Callable[[_Argument], _Result],
    arguments: Iterable[_Argument],
    *,
    threads: int,
    within: timedelta,
) -> dict[_Argument, _Result]:
    """What `call` gave for each distinct argument; those not done `within` the time are missing.

    At most `threads` run at once; what has not begun when the time is up never does. The threads
    are daemons: a call that never ends keeps neither the caller nor the process. Raises what
    `call` raised.
    """
    futures: dict[_Argument, Future[_Result]] = {
        argument: Future() for argument in dict.fromkeys(arguments)
    }
    work: _Work[_Argument, _Result] = SimpleQueue()
    for pair in futures.items():
        work.put(pair)
    for _ in range(min(threads, len(futures))):
        threading.Thread(target=_work_off, args=(call, work), name="metrics", daemon=True).start()
    wait(futures.values(), timeout=within.total_seconds())
    done = {argument: future for argument, future in futures.items() if not future.cancel()}
    return {argument: future.result() for argument, future in done.items() if future.done()}


def _work_off(call: Callable[[_Argument], _Result], work: _Work[_Argument, _Result]) -> None:
    while True:
        try:
            argument, future = work.get_nowait()
        except Empty:
            return
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call(argument))
            except Exception as error:  # noqa: BLE001 (handed to the caller, who raises it)
                future.set_exception(error)
