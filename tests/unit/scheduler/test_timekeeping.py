"""Beats notice that Redis' clock leaps, one of any number of them, and go on leading.

Left out: what is stored of it (tests/contract/store/test_store_leaps.py).
"""

from datetime import datetime, timedelta

import pytest

from clients.redis.records import Work
from scheduler.timekeeping import Timekeeper
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Beat, Setting

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])
@pytest.mark.parametrize("order", [1, -1], ids=["leader first", "standby first"])
def test_whichever_beat_asks_first_nothing_is_queued_early_or_late(
    setting: Setting, by: timedelta, order: int
) -> None:
    """The lease of the leader may end with the leap: the one that leads next knows of it."""
    setting.create(worlds.a_canary())
    beats = [Beat(setting, "first"), Beat(setting, "second")]
    run(setting, beats, 3 * SECOND)
    work(setting, 20 * SECOND)
    setting.store._now = lambda: setting.clock.now() + by
    run(setting, beats[::order], 3 * SECOND)
    assert setting.sent.ticks == [SHOP], "a look after the leap"
    work(setting, 17 * SECOND)
    run(setting, beats, 16 * SECOND)
    assert setting.sent.ticks == []
    run(setting, beats, 2 * SECOND)
    assert setting.sent.ticks == [SHOP]


def run(setting: Setting, beats: list[Beat], span: timedelta) -> None:
    """All of them go on, by steps of a tenth of a second."""
    for _ in range(int(span / SECOND * 10)):
        for beat in beats:
            beat.step()
        setting.clock.sleep(0.1)


def work(setting: Setting, due: timedelta) -> None:
    """Workers do what is queued; each canary is due again after `due`."""
    while setting.sent.ticks:
        ref = setting.sent.ticks.pop()
        begun = setting.store.begin(ref, Work.TICK, timedelta(seconds=30))
        assert begun is not None
        setting.store.finish(ref, Work.TICK, begun.token, setting.store.now() + due)


def test_an_outage_of_redis_is_no_leap(setting: Setting) -> None:
    """Its clock has gone on meanwhile, and so has that of the beat."""
    setting.create(worlds.a_canary())
    beat = Beat(setting, "first")
    beat.run(SECOND)
    setting.redis.connection_pool.connection_kwargs["server"].connected = False
    beat.run(60 * SECOND)
    setting.redis.connection_pool.connection_kwargs["server"].connected = True
    beat.run(5 * SECOND)
    assert setting.store.read(SHOP).leaps.total == timedelta(0)


def test_a_redis_that_is_silent_for_long_has_not_leapt(setting: Setting) -> None:
    """It answers in the end, by the time that it is then."""
    keep_time = setting.store.keep_time

    def late(leapt: timedelta | None = None) -> tuple[datetime, bool]:
        setting.clock.sleep(60)
        return keep_time(leapt)

    keeper = Timekeeper(setting.store, setting.clock)
    keeper.look()
    setattr(setting.store, "keep_time", late)  # noqa: B010 - a method
    for _ in range(3):
        keeper.look()
    setattr(setting.store, "keep_time", keep_time)  # noqa: B010 - as before
    for _ in range(3):
        setting.clock.sleep(1)
        keeper.look()
    assert setting.store.read(SHOP).leaps.total == timedelta(0)


def test_a_leap_is_told_with_its_length(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    """Once, and nothing is told of clocks that go on."""
    keepers = [Timekeeper(setting.store, setting.clock) for _ in range(2)]
    for by in (timedelta(0), HOUR, HOUR):
        setting.clock.sleep(60)
        setting.store._now = lambda by=by: setting.clock.now() + by
        for keeper in keepers:
            keeper.look()
    (told,) = caplog.records
    assert told.__dict__["seconds"] == 3600
