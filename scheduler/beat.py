"""Celery's side of the beat: the agenda in the place of a schedule.

`celery beat -S scheduler.beat:AgendaScheduler` calls `tick` for ever and sleeps as it is told.
"""

from __future__ import annotations

from typing import Any

from celery import beat

from scheduler import wiring
from scheduler.loop import Loop


class AgendaScheduler(beat.Scheduler):
    """A scheduler without entries of its own: what is due is in Redis, for all beats together."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loop: Loop | None = None

    def setup_schedule(self) -> None:
        """Nothing: not even the clean-up of results, which Redis does itself."""

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """Seconds until the next call; has ticks queued for the canaries that are due."""
        # Made with the first tick: Celery also makes a scheduler just to show its name.
        self._loop = self._loop or wiring.current()
        return self._loop.step()

    def should_sync(self) -> bool:
        """False: there is no schedule to save."""
        return False

    def close(self) -> None:
        """Lets another beat take over."""
        if self._loop is not None:
            self._loop.close()

    @property
    def info(self) -> str:
        """What Celery shows at start."""
        return "    . agenda -> Redis"
