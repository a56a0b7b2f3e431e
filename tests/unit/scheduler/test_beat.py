"""Celery drives the beat: names, life cycle and nothing in between.

Tested with Celery's own program, in this thread. Left out: what a step does (test_loop.py).
"""

import signal
from collections.abc import Iterator
from datetime import timedelta

import celery
import pytest

from scheduler import beat
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Beat, Setting


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """What signals did before is what they do afterwards."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def app() -> celery.Celery:
    """An application without a broker."""
    return celery.Celery("test", broker="memory://", set_as_current=False)


def test_celery_runs_the_beat_until_it_is_stopped(
    app: celery.Celery, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ticks, sleeps, and closes in the end."""
    setting.create(worlds.a_canary())
    ours = Beat(setting, "first")
    step, steps = ours.loop.step, iter(range(4))

    def stepping() -> float:
        if next(steps) == 3:
            signal.raise_signal(signal.SIGTERM)
        wait = step()
        ours.sides[-1].pump()
        setting.clock.sleep(wait)
        return 0.001

    monkeypatch.setattr(ours.loop, "step", stepping)
    beat.run(app, ours.loop, "WARNING")

    assert setting.sent.ticks == [SHOP]
    assert ours.sides[-1].stopped
    assert setting.store.acquire("second", timedelta(seconds=5)) is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_beat_between_two_steps(
    number: signal.Signals, app: celery.Celery, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it comes: not in the middle of a step, and not lost where exceptions are."""
    happened: list[str] = []

    class Swallowing:
        def __del__(self) -> None:
            signal.raise_signal(number)  # what this raises is lost

    def stepping() -> float:
        happened.append("begun")
        assert len(happened) < 3, happened
        found = Swallowing()
        del found
        happened.append("ended")
        return 0.001

    ours = Beat(setting, "first")
    monkeypatch.setattr(ours.loop, "step", stepping)
    monkeypatch.setattr(ours.loop, "close", lambda: happened.append("closed"))
    beat.run(app, ours.loop, "WARNING")

    assert happened == ["begun", "ended", "closed"]
