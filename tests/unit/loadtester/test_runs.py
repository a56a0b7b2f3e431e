"""The end of jobs with the load tester; all else of them is in tests/contract/loadtester."""

import asyncio
from http import HTTPStatus

import pytest

from loadtester.jobs import End, Job, Mode, Outcome, Refused
from loadtester.metrics import Metrics
from loadtester.runs import Runs


async def forever() -> Outcome:
    """A job without an end."""
    await asyncio.Event().wait()
    return Outcome(End.SUCCEEDED)


def test_whoever_waits_longer_than_the_load_tester_is_told() -> None:
    """Not hung up on: 503, which webhooks with `retries` ask again of the next pod."""
    job = Job("bash", Mode.BLOCKING, "shop.prod", "x", "x", forever)

    async def ended() -> Refused:
        runs = Runs(1, 1, Metrics())
        waiting = asyncio.create_task(runs.ask(job))
        await asyncio.sleep(0)
        await runs.drain(0.01)
        with pytest.raises(Refused) as refused:
            await waiting
        return refused.value

    told = asyncio.run(ended())
    assert told.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert told.text == "not ended before the load tester was"


def test_whoever_goes_away_ends_no_job() -> None:
    """And is told nothing: there is nobody."""
    may_end = asyncio.Event()

    async def work() -> Outcome:
        await may_end.wait()
        return Outcome(End.SUCCEEDED)

    async def ended() -> Outcome:
        runs = Runs(1, 1, Metrics())
        waiting = asyncio.create_task(
            runs.ask(Job("bash", Mode.BLOCKING, "shop.prod", "x", "x", work))
        )
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        (job,) = runs._asked
        may_end.set()
        return await job

    assert asyncio.run(ended()).end is End.SUCCEEDED
