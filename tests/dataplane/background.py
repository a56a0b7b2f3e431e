"""An event loop in a thread: what answers and sends requests while a test watches a rollout."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """A running loop; its methods are for other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def wait(self, work: Coroutine[Any, Any, T], seconds: float = 20) -> T:
        """What `work` gives, done in the loop; raises what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    @contextlib.contextmanager
    def during(self, work: Coroutine[Any, Any, None]) -> Iterator[None]:
        """`work` goes on for the length of the block; if it has failed, so does the block's end."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            yield
        finally:
            is_at_work = future.cancel()
        if not is_at_work:
            future.result()


@contextlib.contextmanager
def running() -> Iterator[Background]:
    """A loop for the length of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="background")
    thread.start()
    try:
        yield Background(loop)
    finally:
        asyncio.run_coroutine_threadsafe(_all_ended(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _all_ended() -> None:
    """Cancels what still goes on, and waits for it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
