"""Celery drives the beat: names, life cycle and nothing in between.

Tested with Celery's own Service, in this thread. Left out: what a step does (test_loop.py).
"""

import threading
from datetime import timedelta
from typing import Any

import celery
import pytest
from celery import beat as celery_beat

from scheduler import wiring
from scheduler.beat import AgendaScheduler
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Beat, Setting

NAME = "scheduler.beat:AgendaScheduler"


@pytest.fixture
def app() -> celery.Celery:
    """An application without a broker."""
    return celery.Celery("test", broker="memory://", set_as_current=False)


def test_celery_runs_the_beat_by_name_until_it_is_stopped(
    app: celery.Celery, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`celery beat -S scheduler.beat:AgendaScheduler` ticks, sleeps, and closes in the end."""
    setting.create(worlds.a_canary())
    beat = Beat(setting, "first")
    monkeypatch.setattr(wiring, "_installed", beat.loop)
    named: Any = NAME
    service = celery_beat.Service(app, scheduler_cls=named)
    step, steps = beat.loop.step, iter(range(4))

    def stepping() -> float:
        if next(steps) == 3:
            service.stop()
        wait = step()
        beat.sides[-1].pump()
        setting.clock.sleep(wait)
        return 0.001

    monkeypatch.setattr(beat.loop, "step", stepping)
    thread = threading.Thread(target=service.start)
    thread.start()
    thread.join(20)

    assert not thread.is_alive()
    assert setting.sent.ticks == [SHOP]
    assert beat.sides[-1].stopped
    assert setting.store.acquire("second", timedelta(seconds=5)) is not None


def test_a_scheduler_that_is_only_shown_needs_no_beat(
    app: celery.Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery makes one more for its banner."""
    monkeypatch.setattr(wiring, "_installed", None)
    scheduler = AgendaScheduler(app, lazy=True)

    assert "agenda" in scheduler.info
    scheduler.close()


def test_a_process_without_a_beat_says_so(
    app: celery.Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain `celery beat` would do nothing for ever otherwise."""
    monkeypatch.setattr(wiring, "_installed", None)

    with pytest.raises(RuntimeError, match="no beat is installed"):
        AgendaScheduler(app).tick()
