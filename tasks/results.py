"""Where the answers of hooks wait for their conclusion: Celery's Redis backend, without listening.

Celery subscribes every publisher to the result of every task it sends, to be ready for a `.get()`.
Nobody here ever waits for a result: answers are joined by the queue itself. Not listening saves a
subscription per hook, and a connection per worker that breaks when Redis restarts.
"""

from __future__ import annotations

from typing import Any

from celery.backends.redis import RedisBackend, SentinelBackend

SCHEME = "tasks.results:QuietBackend+"
"""Goes before a Redis URL to choose this backend."""

SENTINEL_SCHEME = "tasks.results:QuietSentinelBackend+"
"""The same for URLs of Sentinels."""


class Quiet:
    """What is left out of a backend."""

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Does not subscribe to the result of a task just sent."""

    def add_pending_result(self, result: Any, *_: Any, **__: Any) -> Any:
        """Does not subscribe to the results of a chord just sent, nor remember who waits."""
        return result

    def remove_pending_result(self, result: Any) -> Any:
        """Nothing to forget."""
        return result


class QuietBackend(Quiet, RedisBackend):
    """Stores and joins results; does not follow them."""


class QuietSentinelBackend(Quiet, SentinelBackend):
    """The same through Sentinels."""
