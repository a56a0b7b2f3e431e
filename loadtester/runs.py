"""Which jobs run: those in the background once each, those that somebody waits for at most so many.

All is done in one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from http import HTTPStatus
from typing import Final

from loadtester.jobs import End, Job, Outcome, Refused
from loadtester.metrics import Metrics

log = logging.getLogger(__name__)

MOST_WAITING: Final = 1_000
"""Jobs in the background that wait for their turn: with the largest commands, 200 MB."""

MOST_OF_ONE: Final = 100
"""Those of one canary."""

_LOGGED: Final = 16 * 1024
"""Characters of a job's output, the last, that one log line has."""


class Runs:
    """The jobs of one process, `background` and `blocking` of them at a time."""

    def __init__(self, background: int, blocking: int, metrics: Metrics) -> None:
        self._background = background
        self._blocking = blocking
        self._metrics = metrics
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._by_canary: Counter[str] = Counter()
        """How many of those in the background run."""
        self._waiting: dict[str, Job] = {}
        self._asked: set[asyncio.Task[Outcome]] = set()
        self._is_closed = False

    def submit(self, job: Job) -> None:
        """Has `job` run in the background, unless it runs already. Raises Refused."""
        self._refuse_if_closed()
        if job.identity in self._running:
            self._metrics.dropped.inc()
        elif len(self._running) < self._background:
            self._start(job)
        else:
            self._wait(job)
            log.warning("task waits", extra={**_said(job), "running": len(self._running)})

    async def ask(self, job: Job) -> Outcome:
        """What comes of `job`, which goes on when whoever waits here does not. Raises Refused."""
        self._refuse_if_closed()
        if len(self._asked) >= self._blocking:
            text = f"{self._blocking} tasks are running that somebody waits for; ask again later"
            raise Refused(text, HTTPStatus.SERVICE_UNAVAILABLE)
        task = asyncio.create_task(self._run(job))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            text = "not ended before the load tester was"
            raise Refused(text, HTTPStatus.SERVICE_UNAVAILABLE) from None

    async def drain(self, seconds: float) -> None:
        """Takes no more jobs, waits for those that somebody waits for, and ends all that are left.

        Load in the background has no end that is worth waiting for.
        """
        self._is_closed = True
        self._waiting.clear()
        if self._asked:
            await asyncio.wait(self._asked, timeout=seconds)
        left = [*self._asked, *self._running.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _wait(self, job: Job) -> None:
        others = self._waiting.keys() - {job.identity}
        own = sum(self._waiting[each].canary == job.canary for each in others)
        for count, most, whose in (
            (len(others), MOST_WAITING, ""),
            (own, MOST_OF_ONE, f" of {job.canary}"),
        ):
            if count >= most:
                text = f"{most} tasks{whose} are waiting"
                raise Refused(text, HTTPStatus.SERVICE_UNAVAILABLE)
        self._waiting[job.identity] = job

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._run(job))
        self._running[job.identity] = task
        self._by_canary[job.canary] += 1
        task.add_done_callback(lambda _: self._ended(job))

    def _ended(self, job: Job) -> None:
        """Begins the next one: of the canary with the fewest that run."""
        del self._running[job.identity]
        self._by_canary = +(self._by_canary - Counter([job.canary]))
        if self._waiting:
            waiting = self._waiting.values()
            following = min(waiting, key=lambda each: self._by_canary[each.canary])
            self._start(self._waiting.pop(following.identity))

    async def _run(self, job: Job) -> Outcome:
        log.info("task started", extra=_said(job))
        running = self._metrics.running.labels(job.mode)
        running.inc()
        try:
            outcome = await job.work()
        except asyncio.CancelledError:
            log.warning("task ended with the load tester", extra=_said(job))
            raise
        except Exception as failure:  # a defect of ours harms one task
            log.exception("task broke", extra=_said(job))
            outcome = Outcome(End.FAILED, error=repr(failure))
        finally:
            running.dec()
        self._metrics.tasks.labels(job.kind, outcome.end).inc()
        self._tell(job, outcome)
        return outcome

    def _tell(self, job: Job, outcome: Outcome) -> None:
        is_good = outcome.end is End.SUCCEEDED
        extra = {**_said(job), "end": outcome.end}
        if outcome.error:
            extra["error"] = outcome.error
        if outcome.output and (job.logs_output or not is_good):
            extra["output"] = outcome.output[-_LOGGED:]
        log.log(logging.INFO if is_good else logging.ERROR, "task ended", extra=extra)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise Refused("shutting down", HTTPStatus.SERVICE_UNAVAILABLE)


def _said(job: Job) -> dict[str, str]:
    """What log lines say of a job: nothing that it was given."""
    return {"canary": job.canary, "type": job.kind, "programs": job.label}
