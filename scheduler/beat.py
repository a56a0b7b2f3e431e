"""Celery's side of the beat: the agenda in the place of a schedule."""

from __future__ import annotations

import functools
import signal
from typing import Any

import celery
from celery import beat
from celery.apps import beat as program

from scheduler.loop import Loop


def run(app: celery.Celery, loop: Loop, level: str) -> None:
    """Beats until SIGTERM or SIGINT, in the main thread; `level` is that of Celery's logs."""
    scheduler: Any = functools.partial(AgendaScheduler, loop)
    Beat(app=app, scheduler=scheduler, loglevel=level, quiet=True).run()


class AgendaScheduler(beat.Scheduler):
    """A scheduler without entries of its own: what is due is in Redis, for all beats together."""

    def __init__(self, loop: Loop, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loop = loop

    def setup_schedule(self) -> None:
        """Nothing: not even the clean-up of results, which Redis does itself."""

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """No seconds until the next call; has ticks queued for the canaries that are due.

        Celery would sleep: the loop waits by itself, and is woken by what is seen of the cluster.
        """
        self._loop.wait(self._loop.step())
        return 0.0

    def should_sync(self) -> bool:
        """False: there is no schedule to save."""
        return False

    def close(self) -> None:
        """Lets another beat take over."""
        self._loop.close()


class Beat(program.Beat):
    """Celery's program, ended between two steps.

    Celery's own handler closes the scheduler wherever the signal finds it, in the middle of a step
    too, and then raises SystemExit, which is lost where exceptions are.
    """

    def install_sync_handler(self, service: beat.Service) -> None:
        """Has signals end the service after the step under way."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
